"""Make the benchmark stage by stage, skipping what exists, and its tables."""

from pathlib import Path

import pandas as pd

from memlib.bundled import BENCHMARK
from memlib.demo.benchmark.doses import dose_table, draw, drawn_table, measure, write_measures
from memlib.demo.benchmark.drawings import build_drawings
from memlib.demo.benchmark.maps_judged import write_maps
from memlib.demo.benchmark.recipe import train
from memlib.extraction.plan import UNCONDITIONAL
from memlib.progress import Stages

MEASURES, DRAWS = BENCHMARK / "measures.csv", BENCHMARK / "draws.csv"
MAPS, DOSES, DRAWN = (BENCHMARK / f"{name}.csv" for name in ("maps", "doses", "drawn"))


def build_benchmark(work: Path, stages: Stages) -> None:
    """Build everything below assets/benchmark; long stages keep their state in `work`."""
    images = BENCHMARK / "images.zip"
    if not images.exists():
        build_drawings(images)
    if not (BENCHMARK / "model").exists():
        train(images, BENCHMARK, work, stages)
    if not MAPS.exists():
        write_maps(MAPS, work / "maps", stages)
    measure(BENCHMARK / "runs", stages)
    if not MEASURES.exists():
        write_measures(MEASURES, stages)
    if not DRAWS.exists():
        draw(DRAWS, BENCHMARK / "extraction" / UNCONDITIONAL, stages)
    if not DOSES.exists():
        dose_table(MEASURES).to_csv(DOSES, index=False)
    if not DRAWN.exists():
        drawn_table(DRAWS).to_csv(DRAWN, index=False)


def benchmark_tables() -> dict[str, pd.DataFrame]:
    """Make all tables of the benchmark, by title."""
    maps = pd.read_csv(MAPS)
    whole = ["all", "in 8 images or more"]
    return {
        "Which images and parts the model draws": pd.read_csv(DRAWN, keep_default_na=False),
        "AUC of each dose against held-out images": pd.read_csv(DOSES, keep_default_na=False),
        "Maps against true masks": maps[maps["part"].isin(whole)],
        "Loss of kept states on other pictures; the lowest is the reference": pd.read_csv(
            BENCHMARK / "references.csv"
        ),
    }
