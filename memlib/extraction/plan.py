"""What a run draws and how: two runs with equal plans have the same images."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from memlib.denoisers import Denoiser
from memlib.extraction.surrogate import Surrogate
from memlib.flow import descending
from memlib.quoting import quoted

PART = 64  # images that are stored together
UNCONDITIONAL, SEEK = "unconditional", "seek"
EVIDENCE, SAMPLES, GUIDED = "evidence", "model samples", "attack"
PURPOSES = {
    EVIDENCE: "to count the copies among them",
    SAMPLES: "to fit the classifier of an attack",
    GUIDED: "to find copies",
}  # what a run is drawn for


@dataclass(frozen=True)
class Plan:
    """What a run draws; two runs with equal plans have the same images."""

    model: str  # digest
    method: str  # UNCONDITIONAL, or the surrogate's kind
    surrogate: str | None  # digest
    strength: float
    steps: int
    seed: int
    first: int  # number of the first image
    eta: float = 0.0  # 1 for the stochastic sampler
    high: float | None = None  # the first noise level; None for the model's largest
    low: float | None = None  # the last one before 0; None for the model's smallest
    order: int = 1  # 2 for the second-order sampler
    look: int = 0  # levels after which a path is looked at, if it may be ended (`seek`)
    again: float = 0.0  # noise level from which what was drawn is drawn again, 0 for never
    enough: int = 1  # images of a group from which on paths to it are ended
    contrast: float = 1.0  # to a reference, at the levels before the look (`Steered`)
    reference: str | None = None  # its digest
    repulsion: float = 0.0  # from the images found, at the same levels

    def sigmas(self, denoiser: Denoiser) -> Tensor:
        """Return the noise levels of the sampler."""
        return descending(denoiser, self.steps, self.high, self.low)


def plan_of(
    denoiser: Denoiser,
    surrogate: Surrogate | None = None,
    strength: float = 0.0,
    steps: int = 50,
    seed: int = 0,
    first: int = 0,
    **others: Any,
) -> Plan:
    """Return the plan of a run; `others` are the further fields of `Plan`, by their defaults those
    of plain DDIM.
    """
    method = surrogate.kind if surrogate else SEEK if others.get("look") else UNCONDITIONAL
    digest = surrogate.digest if surrogate else None
    return Plan(denoiser.digest, method, digest, strength, steps, seed, first, **others)


def check_plan(plan: Plan) -> None:
    """Raise ValueError if a plan that was read contains a value of the wrong type."""
    number, count = (int, float), (int,)
    kinds: dict[str, tuple[type, ...]] = {
        **dict.fromkeys(("surrogate", "reference"), (str, type(None))),
        **dict.fromkeys(("steps", "seed", "first", "order", "look", "enough"), count),
        **dict.fromkeys(("strength", "eta", "again", "contrast", "repulsion"), number),
        **dict.fromkeys(("high", "low"), (*number, type(None))),
    }
    for name, value in asdict(plan).items():
        known = kinds.get(name, (str,))
        if type(value) not in known or (type(value) in (int, float) and not 0 <= value < 2**63):
            raise ValueError(f"{name} is {quoted(value, 60)}")


def check_spent(spent: Any) -> None:
    """Raise ValueError if what a manifest says of the forwards of its images is damaged."""
    if type(spent) is not list or not all(type(one) is int and 0 <= one < 2**31 for one in spent):
        raise ValueError("the number of forwards is damaged")


def purpose_of(manifest: Mapping[str, Any]) -> str:
    """Return what a run was drawn for; runs of earlier versions do not say it."""
    told = manifest.get("purpose")
    if told in PURPOSES:
        return str(told)
    return GUIDED if "surrogate" in manifest else EVIDENCE
