"""What ships with the project: the demo's models and images, and the names by which they are
loaded.
"""

from pathlib import Path

# links are followed, so that an installation may be a link
DEMO = Path(__file__).parents[1].joinpath("assets", "demo").resolve()
BUNDLED = {"demo": DEMO / "model"} | {
    f"demo-{name}": DEMO / "checkpoints" / name for name in ("reference", "early", "middle")
}
