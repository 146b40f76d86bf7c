"""How a widget's files become the strings that Streamlit takes, and its one event."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from playwright._impl._driver import compute_driver_executable

from pages.widgets import component
from pages.widgets.component import FOLDER, script, style
from pages.widgets.gallery import Card, gallery

NODE = str(compute_driver_executable()[0])
WIDGETS = sorted(
    path.stem for path in FOLDER.glob("*.js") if "\nexport default" in path.read_text()
)


def written(folder: Path, **modules: str) -> Path:
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text)
    return folder


def printed(text: str) -> str:
    """What Node prints of a module's default export."""
    program = text.replace("export default ", "console.log(JSON.stringify(") + "))"
    return subprocess.run(
        [NODE, "--input-type=module", "--eval", program], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_modules_are_joined_with_scopes_of_their_own(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        one='import { double, Pair } from "./two.js"\nimport { least } from "./three.js"\n\n'
        "const hidden = 5\nexport const named = 1\n\n"
        "export default [double(hidden), new Pair().size, least]\n",
        two='import {\n  least,\n} from "./three.js"\nconst hidden = 2\n'
        "export function double(value) {\n  return hidden * value + least\n}\n"
        "export class Pair {\n  size = 2\n}\n",
        three="export const least = 100\n",
    )
    joined = script("one", folder)
    assert joined.count("least = 100") == 1
    assert printed(joined) == "[110,2,100]"


@pytest.mark.parametrize(
    ("modules", "words"),
    [
        ({"one": "export default 1\n", "two": ""}, None),
        ({"one": "const a = 1\n"}, "one.js needs one `export default`; it has 0"),
        (
            {"one": 'import { b } from "./two.js"\nexport default b\n', "two": "const b = 1\n"},
            "two.js does not export b, which one.js imports",
        ),
        (
            {
                "one": 'import { b } from "./two.js"\nexport default b\n',
                "two": 'import { a } from "./one.js"\nexport const b = 1\n',
            },
            "import each other: one > two > one",
        ),
        ({"one": 'import a from "./two.js"\nexport default a\n'}, "cannot be joined: 'import a"),
        (
            {"one": 'import { a as b } from "./one.js"\nexport default b\n'},
            "one.js exports no a as b|import each other",
        ),
        ({"one": 'import { a } from "two"\nexport default a\n'}, "cannot be joined: 'import"),
        ({"one": "export let a = 1\nexport default a\n"}, "cannot be joined: 'export let"),
        ({"one": "const a = 1\nexport { a }\nexport default a\n"}, "cannot be joined"),
    ],
)
def test_only_two_forms_of_import_and_export_are_joined(
    tmp_path: Path, modules: dict[str, str], words: str | None
) -> None:
    folder = written(tmp_path, **modules)
    if words is None:
        assert printed(script("one", folder)) == "1"
        return
    with pytest.raises(ValueError, match=words):
        script("one", folder)


@pytest.mark.parametrize("name", WIDGETS)
def test_a_widget_is_three_files_that_join_into_one_module(name: str, tmp_path: Path) -> None:
    assert (FOLDER / f"{name}.py").exists()
    assert style(name).endswith((FOLDER / f"{name}.css").read_text())
    joined = tmp_path / "joined.mjs"
    joined.write_text(script(name))
    subprocess.run([NODE, "--check", joined], check=True)


def test_no_script_writes_html() -> None:
    for path in FOLDER.glob("*.js"):
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write"):
            assert word not in path.read_text(), path.name


def test_an_event_is_counted_and_its_id_reaches_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    mounted: list[dict[str, Any]] = []
    session: dict[str, Any] = {}
    monkeypatch.setattr(
        st.components.v2, "component", lambda *_, **__: lambda **given: mounted.append(given)
    )
    monkeypatch.setattr(component.st, "session_state", session)
    monkeypatch.setattr("pages.widgets.gallery._component", component.widget("gallery"))
    chosen: list[str] = []
    pictures = np.zeros((2, 4, 4, 3), np.uint8)
    cards = [Card(id, "title", "note", "alt") for id in ("a", "b")]
    for turn in (0, 3):
        gallery(pictures, cards, "a", key="g", on_select=chosen.append)
        assert mounted[-1]["data"]["turn"] == turn
        session["g"] = {"event": {"kind": "selected", "id": "b", "turn": 3}}
        mounted[-1]["on_event_change"]()
    assert chosen == ["b", "b"]
    with pytest.raises(ValueError, match="1 cards and 2 pictures"):
        gallery(pictures, cards[:1], "a", key="g", on_select=chosen.append)
