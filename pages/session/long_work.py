"""Long work on a page: what it costs is said first, progress is shown, it can be stopped, and an
error is one sentence.
"""

from collections.abc import Callable

import streamlit as st

from memlib.progress import Progress
from pages.session import downloads as exports
from pages.session.messages import show_error

AT_ONCE = 30.0  # seconds of work that starts by itself; choosing something else ends it too


def long_work(
    label: str,
    seconds: float,
    work: Callable[[Progress], object],
    *,
    icon: str = ":material/play_arrow:",
    ask: bool | None = None,
    keeps: str = "",
) -> bool:
    """Do `work`, which is told where to count what is done; returns whether it was finished.

    It starts by a button named `label` where `ask` is set, else by itself; where that is left open,
    by itself if it takes little time. `keeps` says what stopping keeps.
    """
    ask = seconds > AT_ONCE if ask is None else ask
    place = st.empty()
    with place.container():
        if ask:
            st.caption(
                f"About {exports.duration(seconds)}. {keeps or 'Stopping loses what was done.'}"
            )
            if not st.button(label, type="primary", icon=icon, key=f"start-{label}"):
                return False
        bar = st.progress(0.0, label)
        if ask:
            st.button("Stop", icon=":material/stop:", key=f"stop-{label}", help=keeps or None)

        def told(done: float, total: float) -> None:
            bar.progress(min(1.0, done / total), f"{label}, {done / total:.0%}")

        try:
            work(told)
        except ValueError as error:
            show_error(error)
            return False
    place.empty()
    return True
