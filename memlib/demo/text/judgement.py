"""What the text demo draws from its prompts, and how well the prediction difference finds copies.

prompts.csv has a line for each prompt of the training list: its kind, the prediction difference,
and, for some prompts, how near the pictures drawn from it come to training pictures.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

from memlib import ImageSet, load_denoiser, load_images, sample
from memlib.demo.text.pairs import REPEATS
from memlib.denoisers.network import NetworkDenoiser
from memlib.evidence import auc_text, clusters, rungs, share
from memlib.extraction.matches import CRITERIA
from memlib.images import HELD_OUT
from memlib.measures.conditional.predictions_apart import prediction_difference
from memlib.measures.conditional.sampler import sampler_levels, starting_noise
from memlib.neighbours import duplicates, match_ratio, nearest
from memlib.progress import Stages

SEEDS = 4  # starting noises, or pictures, of a prompt
STEPS = 25  # of the sampler
SCALES = (1, 3)  # of guidance
OFTEN = 64  # copies, from which the prompts are told apart
DRAWN = 20  # single and held-out prompts from which pictures are drawn


def prompts_of(images: ImageSet) -> pd.DataFrame:
    """Return the prompts of the list by their first image: caption, kind and place."""
    table = pd.DataFrame(
        {
            "caption": images.metadata["caption"],
            "group": images.metadata["group"],
            "kind": rungs(images),
            "place": range(len(images)),
        }
    )
    return table.drop_duplicates("caption", ignore_index=True)


def chosen_prompts(prompts: pd.DataFrame) -> np.ndarray:
    """Return the lines from which pictures are drawn: all of copied and shared pictures, and some
    of the others, at random.
    """
    draw = np.random.default_rng(0)
    chosen = [np.flatnonzero(prompts["group"].isin(["copied", "shared"]))]
    for group in ("single", HELD_OUT):
        places = np.flatnonzero(prompts["group"] == group)
        chosen.append(draw.choice(places, DRAWN, replace=False))
    return np.sort(np.concatenate(chosen))


def judge(target: Path, stages: Stages) -> None:
    """Measure all prompts, draw from the chosen ones, and write prompts.csv."""
    images, denoiser = load_images("demo-text"), load_denoiser("demo-text")
    prompts = prompts_of(images)
    noise, null = starting_noise(denoiser, SEEDS), denoiser.null
    values = []
    for line, caption in enumerate(prompts["caption"]):
        difference = prediction_difference(denoiser.given(caption), null, noise)
        values.append(float(difference.value.mean()))
        stages("measuring prompts")(line + 1, len(prompts))
    prompts["prediction difference"] = values

    trained = images.subset(np.flatnonzero(~images.held_out).tolist())
    groups = duplicates(trained)
    captions = np.array(trained.metadata["caption"])
    chosen = chosen_prompts(prompts)
    for done, line in enumerate(chosen.tolist()):
        caption = str(prompts["caption"][line])
        for scale in SCALES:
            found = nearest(drawn(denoiser, caption, scale), trained, 2, groups=groups)
            copies = CRITERIA["ratio"].holds(match_ratio(found).numpy())
            own = captions[found.index[:, 0].numpy()] == caption
            prompts.loc[line, f"distance, guidance {scale}"] = float(found.distance[:, 0].median())
            prompts.loc[line, f"copies, guidance {scale}"] = int((copies & own).sum())
        stages("drawing from prompts")(done + 1, len(chosen))
    prompts.drop(columns="place").to_csv(target, index=False, float_format="%.5g")


def drawn(denoiser: NetworkDenoiser, caption: str, scale: float, count: int = SEEDS) -> Tensor:
    """Draw pictures (count, 3, H, W) from a prompt, clipped, seeds 0 to count - 1."""
    told = denoiser.given(caption, scale)
    return told.decode(sample(told, count, sigmas=sampler_levels(told, STEPS))).clamp(-1, 1)


def text_tables(source: Path) -> dict[str, pd.DataFrame]:
    """Make the tables of prompts.csv, by title."""
    images, prompts = load_images("demo-text"), pd.read_csv(source)
    labels = clusters(images.subset(prompts_of(images)["place"].tolist()), None)
    kinds, groups = prompts["kind"].to_numpy(), prompts["group"].to_numpy()
    values = prompts["prediction difference"].to_numpy()
    lines, areas = [], []
    order = sorted(set(kinds), key=lambda kind: (kind.split(" x")[0], int(kind.split(" x")[1])))
    for kind in order:
        of = prompts[kinds == kind]
        line: dict[str, object] = {"prompts": kind, "n": len(of)}
        line["prediction difference"] = round(float(of["prediction difference"].median()), 2)
        known = of.dropna()
        line["drawn from"] = len(known)
        for scale in SCALES:
            distance = known[f"distance, guidance {scale}"].median()
            line[f"distance, guidance {scale}"] = round(float(distance), 3)
            copies = int(known[f"copies, guidance {scale}"].sum())
            line[f"copies, guidance {scale}"] = share(copies, SEEDS * len(known))
        lines.append(line)
    often = np.isin(kinds, [f"copied x{count}" for count in REPEATS if count >= OFTEN])
    chosen = {kind: kinds == kind for kind in order if kind.startswith("copied")}
    for kind, above in {f"copied x{OFTEN} and more": often, **chosen}.items():
        others = {group: groups == group for group in ("shared", "single", HELD_OUT)}
        others["all of these"] = groups != "copied"
        texts = {
            f"against {name}": auc_text(values, above, below, labels)
            for name, below in others.items()
        }
        areas.append({"prompts": kind, "n": int(above.sum())} | texts)
    return {
        f"What is drawn from the prompts, {SEEDS} pictures each, DDIM, {STEPS} steps: median "
        "distance to the nearest training picture, and copies of a prompt's own": pd.DataFrame(
            lines
        ),
        f"AUC of the prediction difference (first of 50 steps, {SEEDS} seeds) of copied prompts, "
        "with 95% intervals over families": pd.DataFrame(areas),
    }
