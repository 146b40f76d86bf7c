"""How a widget reaches the browser: each of its files as one string, and one channel back.

A widget `name` is three files. `name.py` takes arrays and sends data; `name.js` draws them and ends
with `export default life(View)`; `name.css` styles the elements inside `.name`. The browser answers
with one event `{kind, ...}`.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import streamlit as st

FOLDER = Path(__file__).parent
Event = Mapping[str, Any]

_IMPORT = re.compile(r'^import \{([\w\s,]+)\} from "\./(\w+)\.js"$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?:const|class|function|async function) (\w+)", re.MULTILINE)
_DEFAULT = re.compile(r"^export default (?=\S)", re.MULTILINE)


def script(name: str, folder: Path = FOLDER) -> str:
    """Join `name.js` and the modules it imports into one module, each in its own scope.

    Streamlit loads files only from installed distributions, but strings from everywhere. Two forms
    are understood: `import { a, b } from "./other.js"`, and `export` before a const, class or
    function; the first module also has one `export default`. Raises ValueError for anything else,
    for a name that the other module does not export and for modules that import each other.
    """
    joined: dict[str, str] = {}
    exports: dict[str, list[str]] = {}

    def add(module: str, above: tuple[str, ...]) -> None:
        if module in above:
            raise ValueError(f"These modules import each other: {' > '.join((*above, module))}.")
        if module in joined:
            return
        text = (folder / f"{module}.js").read_text()

        def bound(found: re.Match[str]) -> str:
            names, other = [one.strip() for one in found[1].split(",") if one.strip()], found[2]
            add(other, (*above, module))
            if missing := sorted(set(names) - set(exports[other])):
                raise ValueError(
                    f"{other}.js does not export {', '.join(missing)}, which {module}.js imports."
                )
            return f"const {{ {', '.join(names)} }} = {other}_js"

        body = _IMPORT.sub(bound, text)
        exports[module] = _EXPORT.findall(body)
        body = _EXPORT.sub(lambda found: found[0].removeprefix("export "), body)
        given = f"{{ {', '.join(exports[module])} }}"
        if not above:
            body, count = _DEFAULT.subn("return ", body)
            if count != 1:
                raise ValueError(f"{module}.js needs one `export default`; it has {count}.")
        if left := re.search(r"^\s*(?:import|export)\b.*", body, re.MULTILINE):
            raise ValueError(f"{module}.js has a line that cannot be joined: {left[0].strip()!r}.")
        end = f"return {given}\n" if above else ""
        joined[module] = f"const {module}_js = (() => {{\n{body}{end}}})()\n"

    add(name, ())
    return "".join(joined.values()) + f"export default {name}_js\n"


def style(name: str, folder: Path = FOLDER) -> str:
    """Return the style of all widgets followed by the widget's own."""
    return "".join((folder / f"{part}.css").read_text() for part in ("base", name))


class Widget(Protocol):
    """Draw data under a stable key; `on_event` is called before the run that an event starts."""

    def __call__(
        self, *, key: str, data: dict[str, Any], on_event: Callable[[Event], None] | None = None
    ) -> None: ...


def widget(name: str) -> Widget:
    """Return the widget of `name.js` and `name.css`.

    Events are counted: the data contain the number of the last one received as `turn`, by which the
    browser recognises an answer to an earlier event.
    """
    mount = st.components.v2.component(
        f"afterimage_{name}",
        html=f'<div class="widget {name}"></div>',
        css=style(name),
        js=script(name),
    )

    def draw(
        *, key: str, data: dict[str, Any], on_event: Callable[[Event], None] | None = None
    ) -> None:
        if on_event is None:
            mount(key=key, data=data)
            return
        counter = f"{key} turn"

        def heard() -> None:
            event = st.session_state[key]["event"]
            st.session_state[counter] = event["turn"]
            on_event(event)

        turn = st.session_state.get(counter, 0)
        mount(key=key, data=data | {"turn": turn}, on_event_change=heard)

    return draw
