"""Parts of a page that are drawn once they are looked at: scrolled into sight, or unfolded."""

from collections.abc import Callable

import streamlit as st

from pages.widgets.component import widget

_component = widget("waiting")
AT_ONCE = False  # draw every part at once
SEEN = "parts seen"  # of the page that is open, in the session


def in_sight(title: str, height: int, draw: Callable[[], object]) -> None:
    """Draw a part of the page once its place has been on the screen since the page was opened.

    Until then its place is kept by an element `height` pixels high with a button that bears the
    `title` of the part, so that neither the server computes what nobody looks at nor the browser
    draws it. A part too low for its height would bring those below it into sight as well.
    """
    seen: set[str] = st.session_state.setdefault(SEEN, set())
    with st.container():
        if AT_ONCE or title in seen:
            draw()
        else:
            _component(
                key=f"waiting {title}",
                data={"title": title, "height": height},
                on_event=lambda _: seen.add(title),
            )


def folded(title: str, icon: str, draw: Callable[[], object], unfolded: bool = False) -> None:
    """Draw a part of the page below its title while it is unfolded, at first if `unfolded`."""
    room = st.expander(title, unfolded, key=f"folded {title}", icon=icon, on_change="rerun")
    if AT_ONCE or room.open:
        with room:
            draw()


def forget() -> None:
    """Forget which parts were in sight, when another page is opened."""
    st.session_state.pop(SEEN, None)
