"""Long work on a page: its cost is shown first, then its progress; it can be stopped, and an error
is one sentence.
"""

from collections.abc import Callable

import streamlit as st

from memlib.progress import Progress
from pages.session import downloads as exports
from pages.session.messages import show_error

AT_ONCE = 30.0  # seconds of work that starts without asking; choosing something else ends it


def long_work(
    label: str,
    seconds: float,
    work: Callable[[Progress], object],
    *,
    icon: str = ":material/play_arrow:",
    ask: bool | None = None,
    keeps: str = "",
) -> bool:
    """Do `work`, which is given a function to report its progress; return whether it was finished.

    With `ask` it starts at a button called `label`, without `ask` at once; by default at once if it
    takes little time. `keeps` says what is kept if the visitor stops it.
    """
    ask = seconds > AT_ONCE if ask is None else ask
    place = st.empty()
    with place.container():
        if ask:
            st.caption(
                f"About {exports.duration(seconds)}. {keeps or 'Nothing is kept if you stop.'}"
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
