"""Every measure with a condition on the text demo, and how well it finds the copied prompts.

scores.csv has a line for each prompt from which pictures are drawn, and a column for each measure.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

from memlib import load_denoiser, load_images, sample
from memlib.demo.text.judgement import OFTEN, SEEDS, STEPS, chosen_prompts, prompts_of
from memlib.denoisers.network import NetworkDenoiser
from memlib.evidence import auc_text, clusters
from memlib.measures.conditional import PROMPT_MEASURES, starting_noise
from memlib.measures.conditional.sampler import sampler_levels
from memlib.progress import Stages

SCALE = 3.0  # of the guidance by which pictures are drawn


def score(target: Path, stages: Stages) -> None:
    """Measure the chosen prompts by every measure, and write scores.csv."""
    images, denoiser = load_images("demo-text"), load_denoiser("demo-text")
    prompts = prompts_of(images)
    prompts = prompts.loc[chosen_prompts(prompts)].reset_index(drop=True)
    noise = starting_noise(denoiser, SEEDS)
    lines = []
    for done, caption in enumerate(prompts["caption"]):
        lines.append(scores_of(denoiser, str(caption), noise))
        stages("all measures of prompts")(done + 1, len(prompts))
    table = pd.concat([prompts.drop(columns="place"), pd.DataFrame(lines)], axis=1)
    table.to_csv(target, index=False, float_format="%.6g")


def scores_of(denoiser: NetworkDenoiser, caption: str, noise: Tensor) -> dict[str, float]:
    """Return the mean over seeds of every measure of a prompt: on the starting `noise`, or on the
    pictures drawn from it with guidance.
    """
    given, null = denoiser.given(caption), denoiser.null
    guided = denoiser.given(caption, SCALE)
    pictures = sample(guided, len(noise), sigmas=sampler_levels(guided, STEPS))
    found, values = {}, {}
    for name, measure in PROMPT_MEASURES.items():
        asked = measure.asked(given).parameters
        key = (measure.run, str(asked))
        if key not in found:
            taken = noise if measure.takes == "noise" else pictures
            found[key] = measure.function(given, null, taken, **asked)
        result = found[key]
        rows = [result.row(place)[measure.column] for place in range(len(noise))]
        values[name] = float(np.mean(rows))
    return values


def score_tables(source: Path) -> dict[str, pd.DataFrame]:
    """Make the table of scores.csv, by title."""
    images, table = load_images("demo-text"), pd.read_csv(source)
    prompts = prompts_of(images)
    places = prompts.loc[chosen_prompts(prompts), "place"].tolist()
    labels = clusters(images.subset(places), None)
    copied = (table["group"] == "copied").to_numpy()
    copies = np.array([int(kind.rpartition(" x")[2]) for kind in table["kind"]])
    lines = []
    for name, measure in PROMPT_MEASURES.items():
        values = measure.direction * table[name].to_numpy(float)
        lines.append(
            {
                "measure": measure.title,
                "when": measure.when,
                "forwards": measure.forwards(load_denoiser("demo-text")),
                f"x{OFTEN} and more": auc_text(values, copied & (copies >= OFTEN), ~copied, labels),
                f"x{OFTEN // 2}": auc_text(
                    values, copied & (copies == OFTEN // 2), ~copied, labels
                ),
                f"fewer than x{OFTEN // 2}": auc_text(
                    values, copied & (copies < OFTEN // 2), ~copied, labels
                ),
            }
        )
    title = (
        f"AUC of every measure with a condition, of copied prompts against {int((~copied).sum())} "
        f"that are not copied, {SEEDS} seeds each, with 95% intervals over families; pictures are "
        f"drawn with guidance {SCALE:g}"
    )
    return {title: pd.DataFrame(lines)}
