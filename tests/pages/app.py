"""Pages of the app opened by AppTest, each by its own address: the page at the root is not run
before it.
"""

import json
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import TextInput

ROOT = Path(__file__).parents[2]
PATIENCE = 300  # seconds a run may take; two workers share the cores
FETCHED: dict[str, bytes] = {}  # what the browser would fetch, by address
DEFAULT = "overview"  # the page at the root of the app


def visit(page: str = DEFAULT, **url: str) -> AppTest:
    """A visitor about to open a page with these parameters of the address; `run` opens it."""
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=PATIENCE)
    for name, value in url.items():
        at.query_params[name] = value
    return at.switch_page(f"pages/{page}/page.py")


def opened(page: str = DEFAULT, **url: str) -> AppTest:
    """A page, opened by its address with these parameters."""
    return visit(page, **url).run()


def field(at: AppTest, label: str) -> TextInput:
    """The line of text with this label."""
    return next(one for one in at.text_input if one.label == label)


def press(at: AppTest, label: str) -> AppTest:
    """Click the button with this label."""
    return next(button for button in at.button if button.label == label).click().run()


def everything(at: AppTest) -> AppTest:
    """Choose all images to be measured."""
    choice = next(group for group in at.button_group if group.label == "What to measure")
    return choice.set_value("Everything").run()


def measure_everything(at: AppTest) -> AppTest:
    """Measure all images that are not measured yet."""
    return press(everything(at), "Measure")


def explored(at: AppTest) -> dict[str, Any]:
    """What the explorer of a ranked page is sent, with the page that it then fetches."""
    sent = (json.loads(element.proto.json) for element in at.get("bidi_component"))
    data = next(data for data in sent if "page" in data)
    return data | {"page": json.loads(FETCHED[data["page"]])}


def shown(at: AppTest) -> dict[str, Any]:
    """The entry of the image that the explorer of a ranked page shows."""
    data = explored(at)
    return next(one for one in data["page"]["entries"] if one["id"] == data["selected"])


def rank(at: AppTest) -> str:
    """The rank it says that image has: "8 of 1,164"."""
    labels = [number["label"] for number in explored(at)["page"]["numbers"]]
    return str(shown(at)["numbers"][labels.index("Rank")][0])
