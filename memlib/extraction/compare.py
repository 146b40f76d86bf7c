"""Attacks side by side, at equal numbers of generated images and of network forwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import t as student
from torch import Tensor

from memlib.extraction.generations import Generations
from memlib.extraction.matches import copied_image
from memlib.extraction.scores import extraction_scores, unique_curve, wilson


@dataclass(frozen=True)
class Attack:
    """A run with its copies: which of its n generated images are copies (n,), and the image each
    copies, -1 for none.

    `own` (N,) is the image that each model sample of its surrogate copies, if known; an
    unconditional run has none. `guidance` and `fitting` are the costs of a guidance step and of the
    surrogate in network forwards, as timed on this device (`guidance_cost`, `fitting_cost`);
    without them the surrogate's own counts of arithmetic operations are used.
    """

    name: str
    generations: Generations
    copy: np.ndarray
    image: Tensor
    own: Tensor | None = None
    guidance: float | None = None
    fitting: float | None = None

    @classmethod
    def of(
        cls,
        name: str,
        generations: Generations,
        table: pd.DataFrame,
        copy: np.ndarray,
        groups: Tensor,
        own: Tensor | None = None,
        guidance: float | None = None,
        fitting: float | None = None,
    ) -> "Attack":
        """Make it from the table of matches of a run's generated images."""
        image = copied_image(table, copy, groups)
        return cls(name, generations, copy, image, own, guidance, fitting)

    @property
    def surrogate(self) -> dict[str, Any] | None:
        """The manifest's description of the surrogate that guided the run."""
        return self.generations.manifest.get("surrogate")

    @property
    def set_up(self) -> float:
        """Network forwards before the first generated image: the model samples, their features, the
        training of the classifier.
        """
        if self.surrogate is None:
            return 0.0
        drawn = self.surrogate["settings"]["generated"] * self.steps
        fitting = self.surrogate["evaluations"] if self.fitting is None else self.fitting
        return float(drawn + fitting)

    @property
    def steps(self) -> int:
        return int(self.generations.manifest.get("plan", {}).get("steps", 0))

    @property
    def forwards(self) -> float:
        """Network forwards of one generated image; 0 if unknown."""
        plan = self.generations.plan
        if plan is None:
            return 0.0
        if self.surrogate is None or not plan.strength:
            return float(plan.steps)
        step = self.surrogate["step_cost"] if self.guidance is None else self.guidance
        return float(plan.steps * (1 + step))

    def evaluations(self) -> np.ndarray:
        """Return the network forwards spent after 1, 2, ..., n generated images, (n,)."""
        each = self.generations.forwards()
        if each is not None:
            return each[: len(self.copy)].cumsum(0).numpy()
        return self.set_up + self.forwards * np.arange(1, len(self.copy) + 1)

    def unique(self) -> np.ndarray:
        """Return the number of distinct training images found after 1, 2, ..., n generated images,
        (n,).
        """
        return unique_curve(self.image).numpy()

    def found(self, count: int) -> int | None:
        """Count the distinct training images copied by the first generated images and the model
        samples together; None if the latter are not known.
        """
        if self.surrogate is not None and self.own is None:
            return None
        image = (
            self.image[:count] if self.own is None else torch.cat([self.own, self.image[:count]])
        )
        return len(torch.unique(image[image >= 0]))


def compared(
    attacks: Sequence[Attack], n: int | None = None, forwards: float | None = None
) -> pd.DataFrame:
    """Make one line per attack, from its first n generated images, or as many as a budget of
    forwards allows; all of them by default.

    `copies` come with Wilson's interval, `unique` images with a bootstrap interval, and with what
    was spent on them. At equal forwards a surrogate is charged for its model samples, so `with own
    images` credits what they copy: the union with `unique`.
    """
    lines = []
    for attack in attacks:
        count = len(attack.copy) if n is None else min(n, len(attack.copy))
        if forwards is not None:
            count = int((attack.evaluations() <= forwards).sum()) if attack.forwards else 0
        line: dict[str, object] = {"method": attack.name, "generations": count}
        spent = attack.evaluations()[count - 1] if count else attack.set_up
        line["network forwards"] = round(float(spent))
        if count:
            image = attack.image[:count]
            places = torch.unique(image)
            hits = (image[:, None] == places[places >= 0]).float()
            scores = extraction_scores(torch.cat([hits, torch.zeros(count, 1)], 1), 0.5)
            copies = int(attack.copy[:count].sum())
            line |= {
                "copies": copies,
                "share": copies / count,
                "share from": wilson(copies, count)[0],
                "share to": wilson(copies, count)[1],
            }
            line |= {
                "unique": round(scores.ums * count),
                "unique from": scores.ums_interval[0] * count,
                "unique to": scores.ums_interval[1] * count,
            }
            if forwards is not None:
                line["with own images"] = attack.found(count)
        lines.append(line)
    return pd.DataFrame(lines)


def over_seeds(curves: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over seeds of `different` images, for each `method` and number of `forwards`,
    with its 95% interval (Student's t, NaN for one seed), and the share of `images` of all seeds
    that are `false hits`, with Wilson's interval.
    """
    lines = []
    for (method, forwards), part in curves.groupby(["method", "forwards"], sort=False):
        counts, n = part["different"].to_numpy(float), len(part)
        half = np.nan
        if n > 1:
            half = float(student.ppf(0.975, n - 1) * counts.std(ddof=1) / n**0.5)
        images, false = int(part["images"].sum()), int(part["false hits"].sum())
        low, high = wilson(false, images) if images else (np.nan, np.nan)
        lines.append(
            {
                "method": method,
                "forwards": forwards,
                "seeds": n,
                "different": counts.mean(),
                "different from": max(0.0, counts.mean() - half) if n > 1 else np.nan,
                "different to": counts.mean() + half,
                "false hits": false / images if images else np.nan,
                "false hits from": low,
                "false hits to": high,
            }
        )
    return pd.DataFrame(lines)
