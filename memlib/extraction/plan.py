"""What a run draws and how: two runs with equal plans have the same images."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from memlib.denoisers import Denoiser
from memlib.extraction.surrogate import Surrogate
from memlib.flow import descending
from memlib.quoting import quoted

UNCONDITIONAL = "unconditional"
EVIDENCE, SAMPLES, GUIDED = "evidence", "model samples", "attack"
PURPOSES = {
    EVIDENCE: "to count the copies among them",
    SAMPLES: "to fit the classifier of an attack",
    GUIDED: "to find copies under guidance",
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
    eta: float = 0.0,
    high: float | None = None,
    low: float | None = None,
) -> Plan:
    method = surrogate.kind if surrogate else UNCONDITIONAL
    digest = surrogate.digest if surrogate else None
    return Plan(denoiser.digest, method, digest, strength, steps, seed, first, eta, high, low)


def check_plan(plan: Plan) -> None:
    """Raise ValueError if a plan that was read contains a value of the wrong type."""
    number, count = (int, float), (int,)
    kinds: dict[str, tuple[type, ...]] = {
        "surrogate": (str, type(None)),
        **dict.fromkeys(("steps", "seed", "first"), count),
        **dict.fromkeys(("strength", "eta"), number),
        **dict.fromkeys(("high", "low"), (*number, type(None))),
    }
    for name, value in asdict(plan).items():
        known = kinds.get(name, (str,))
        if type(value) not in known or (type(value) in (int, float) and not 0 <= value < 2**63):
            raise ValueError(f"{name} is {quoted(value, 60)}")


def purpose_of(manifest: Mapping[str, Any]) -> str:
    """Return what a run was drawn for; runs of earlier versions do not say it."""
    told = manifest.get("purpose")
    if told in PURPOSES:
        return str(told)
    return GUIDED if "surrogate" in manifest else EVIDENCE
