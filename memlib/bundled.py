"""What ships with the project: the demo's models and images, and the names by which they are
loaded.
"""

from pathlib import Path

HOME = Path(__file__).parents[1]
INSTALLED = HOME / "afterimage"  # where an installation keeps the app, its pages and assets
APP = INSTALLED if (INSTALLED / "app.py").is_file() else HOME
# links are followed, so that an installation may be a link
DEMO = APP.joinpath("assets", "demo").resolve()
TEXT = APP.joinpath("assets", "text").resolve()
TEXT_RUN = TEXT / "run"  # of prompts
BUNDLED = {
    "demo": DEMO / "model",
    **{f"demo-{name}": DEMO / "checkpoints" / name for name in ("reference", "early", "middle")},
    "demo-text": TEXT / "model",
}
REFERENCES = tuple(name for name in BUNDLED if name != "demo-text")  # for other models
BUNDLED_IMAGES = {"demo": DEMO / "images.zip", "demo-text": TEXT / "images.zip"}
