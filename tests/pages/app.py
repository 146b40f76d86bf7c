"""Pages of the app opened by AppTest, each by its own address: the page at the root is not run
before it.
"""

from pathlib import Path

from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[2]
PATIENCE = 300  # seconds a run may take; two workers share the cores
DEFAULT = "volume_growth"  # the page at the root of the app


def visit(page: str = DEFAULT, **url: str) -> AppTest:
    """A visitor about to open a page with these parameters of the address; `run` opens it."""
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=PATIENCE)
    for name, value in url.items():
        at.query_params[name] = value
    return at.switch_page(f"pages/{page}/page.py")


def opened(page: str = DEFAULT, **url: str) -> AppTest:
    """A page, opened by its address with these parameters."""
    return visit(page, **url).run()


def press(at: AppTest, label: str) -> AppTest:
    """Click the button with this label."""
    return next(button for button in at.button if button.label == label).click().run()
