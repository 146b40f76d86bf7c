"""How few network forwards rank the images as a long run does."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from memlib import MEASURES, ImageSet, load_denoiser, load_images
from memlib.progress import Stages
from memlib.runs import Results, measure_images

IMAGES = 192  # chosen at random: a long run over all of them takes hours on a laptop
# another seed, so that it shares no probes with the short runs
LONG = {"steps": 100, "probes": 16, "seed": 1}
SHORT = (
    (3, 1),
    (6, 1),
    (12, 1),
    (19, 1),
    (24, 1),
    (3, 4),
    (6, 2),
    (9, 3),
    (12, 2),
    (24, 2),
    (12, 4),
    (24, 4),
)


def write_frontier(target: Path, work: Path, stages: Stages) -> None:
    """Write steps, probes, forwards and Spearman's rank correlation with the long run, over all
    images and the uncopied ones.

    The long run's values are kept in the folder `work`, so that it is not repeated.
    """
    images = load_images("demo")
    chosen = np.sort(np.random.default_rng(0).choice(len(images), IMAGES, replace=False)).tolist()
    state = work / f"frontier-{load_denoiser('demo').digest}.npy"
    if not state.exists():
        work.mkdir(parents=True, exist_ok=True)
        np.save(state, values(images, chosen, LONG, stages))
    truth = np.load(state)
    uncopied = np.array([images.metadata["copies"][index] in ("0", "1") for index in chosen])
    lines = []
    for steps, probes in SHORT:
        short = values(images, chosen, {"steps": steps, "probes": probes, "seed": 0}, stages)
        lines.append(
            {
                "steps": steps,
                "probes": probes,
                "forwards": (steps + 1) * (probes + 1),
                "rank correlation": round(float(spearmanr(short, truth).statistic), 4),
                "among images not copied": round(
                    float(spearmanr(short[uncopied], truth[uncopied]).statistic), 4
                ),
            }
        )
    pd.DataFrame(lines).sort_values("forwards").to_csv(target, index=False)


def values(
    images: ImageSet, chosen: list[int], parameters: dict[str, int], stages: Stages
) -> np.ndarray:
    """Measure volume growth of the chosen images over the default noise range."""
    denoiser, results = load_denoiser("demo"), Results()
    asked = {**MEASURES["volume_growth"].defaults(denoiser), **parameters}
    for done, total in measure_images(denoiser, images, chosen, "volume_growth", asked, results):
        stages(f"{asked['steps']} steps, {asked['probes']} probes")(done, total)
    rows = results.rows(denoiser.digest, "volume_growth", asked)
    return np.array([rows[images.ids[index]]["value"] for index in chosen])
