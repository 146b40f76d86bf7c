"""What ships with the project: the demo's models and images, and the names they are loaded by."""

from pathlib import Path

# links followed, so that an installation may link to it
DEMO = Path(__file__).parents[1].joinpath("assets", "demo").resolve()
BUNDLED = {"demo": DEMO / "model"} | {
    f"demo-{name}": DEMO / "checkpoints" / name for name in ("reference", "early", "middle")
}
