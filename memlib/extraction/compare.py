"""Attacks side by side: at equal numbers of generations, and at equal numbers of network forwards."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from memlib.extraction.generations import Generations
from memlib.extraction.matches import copied_image
from memlib.extraction.scores import extraction_scores, unique_curve, wilson


@dataclass(frozen=True)
class Attack:
    """A run with what was found in it: the copies among its generations (n,), and the image each
    copies, -1 for none.
    """

    name: str
    generations: Generations
    copy: np.ndarray
    image: Tensor

    @classmethod
    def of(
        cls,
        name: str,
        generations: Generations,
        table: pd.DataFrame,
        copy: np.ndarray,
        groups: Tensor,
    ) -> "Attack":
        return cls(name, generations, copy, copied_image(table, copy, groups))

    @property
    def set_up(self) -> float:
        """Network forwards before the first generation: the surrogate's own images, their
        description, its training.
        """
        surrogate = self.generations.manifest.get("surrogate")
        if surrogate is None:
            return 0.0
        return float(surrogate["settings"]["generated"] * self.steps + surrogate["evaluations"])

    @property
    def steps(self) -> int:
        return int(self.generations.manifest.get("plan", {}).get("steps", 0))

    @property
    def forwards(self) -> float:
        """Network forwards of one generation; 0 where they are unknown."""
        plan, surrogate = self.generations.plan, self.generations.manifest.get("surrogate")
        return (
            0.0
            if plan is None
            else plan.steps * (1 + (surrogate["step_cost"] if surrogate and plan.strength else 0.0))
        )

    def evaluations(self) -> np.ndarray:
        """Network forwards spent after 1, 2, ..., n generations."""
        return self.set_up + self.forwards * np.arange(1, len(self.copy) + 1)

    def unique(self) -> np.ndarray:
        """Distinct training images found after 1, 2, ..., n generations."""
        return unique_curve(self.image).numpy()


def compared(
    attacks: Sequence[Attack], n: int | None = None, forwards: float | None = None
) -> pd.DataFrame:
    """One line an attack, from its first n generations, or as many as so many forwards pay for; all
    of them by default.

    `copies` with Wilson's interval, `unique` images with a bootstrap interval, and what was spent
    on them.
    """
    lines = []
    for attack in attacks:
        count = len(attack.copy) if n is None else min(n, len(attack.copy))
        if forwards is not None:
            count = int((attack.evaluations() <= forwards).sum()) if attack.forwards else 0
        line: dict[str, object] = {"method": attack.name, "generations": count}
        line["network forwards"] = round(attack.set_up + attack.forwards * count)
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
        lines.append(line)
    return pd.DataFrame(lines)
