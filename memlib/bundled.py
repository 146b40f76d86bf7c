"""What ships with the project: the models and images of the demos and of the benchmark, and the
names by which they are loaded.
"""

from pathlib import Path

HOME = Path(__file__).parents[1]
INSTALLED = HOME / "afterimage"  # where an installation keeps the app, its pages and assets
APP = INSTALLED if (INSTALLED / "app.py").is_file() else HOME
# links are followed, so that an installation may be a link
DEMO = APP.joinpath("assets", "demo").resolve()
TEXT = APP.joinpath("assets", "text").resolve()
TEXT_RUN = TEXT / "run"  # of prompts
BENCHMARK = APP.joinpath("assets", "benchmark").resolve()
BUNDLED = {
    "demo": DEMO / "model",
    **{f"demo-{name}": DEMO / "checkpoints" / name for name in ("reference", "early", "middle")},
    "demo-text": TEXT / "model",
    "benchmark": BENCHMARK / "model",
    "benchmark-reference": BENCHMARK / "reference",
}
REFERENCES = tuple(name for name in BUNDLED if name != "demo-text")  # for other models
BUNDLED_IMAGES = {
    "demo": DEMO / "images.zip",
    "demo-text": TEXT / "images.zip",
    "benchmark": BENCHMARK / "images.zip",
}
