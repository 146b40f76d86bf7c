"""The noise levels a network was trained on and the corresponding network timesteps, read from a
diffusers scheduler's config.

Most schedulers are ways to sample one and the same variance-preserving model: the timesteps 0, 1,
2, ... stand for sigma_t = sqrt((1 - abar_t) / abar_t), and timesteps between them are linear in ln
sigma. The others give the timestep of sigma by a formula:

    variance exploding (ScoreSdeVe, KarrasVe)  time = sigma / 2, noise of pictures between 0 and 1
    EDM                                        time = ln(sigma) / 4
    flow matching                              time = N sigma / (1 + sigma)

Settings that only concern sampling (Karras spacing, clipping, thresholding, shifts) are not read.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import diffusers
import numpy as np

from memlib.denoisers.predictions import EPSILON, FLOW, SAMPLE, SCORE, VELOCITY, Prediction, edm
from memlib.quoting import first_line, quoted

PRESERVING = (
    "DDPMScheduler",
    "DDPMParallelScheduler",
    "DDIMScheduler",
    "DDIMParallelScheduler",
    "PNDMScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "HeunDiscreteScheduler",
    "LMSDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "DEISMultistepScheduler",
    "UniPCMultistepScheduler",
)
CONSISTENCY = (
    "CMStochasticIterativeScheduler",
    "LCMScheduler",
    "TCDScheduler",
    "FlowMatchLCMScheduler",
)
PREDICTIONS = {
    "epsilon": EPSILON,
    "sample": SAMPLE,
    "original_sample": SAMPLE,
    "v_prediction": VELOCITY,
}
MOST_TIMESTEPS = 100_000
POINTS = 1000  # points at which a schedule given by a formula is shown


@dataclass(frozen=True)
class Schedule:
    """Noise levels `sigmas`, rising, and their `times`, at the trained timesteps or at points along
    the formula; `time` maps any level.
    """

    family: str
    sigmas: np.ndarray
    times: np.ndarray
    time: Callable[[np.ndarray], np.ndarray]
    prediction: Prediction


def read_schedule(config: Mapping[str, Any]) -> Schedule:
    """Return the schedule in a scheduler's config. Raises ValueError, with one sentence, for a
    schedule that cannot be used.
    """
    kind = str(config.get("_class_name"))
    if kind in CONSISTENCY:
        raise ValueError(
            "This is a consistency model: it jumps to the end of the flow instead of denoising, "
            "so nothing here can be measured on it. Use the diffusion model it was distilled from."
        )
    readers = {
        **dict.fromkeys(PRESERVING, _preserving),
        "ScoreSdeVeScheduler": lambda scheduler: _exploding(
            2 * scheduler.config.sigma_min, 2 * scheduler.config.sigma_max
        ),
        "KarrasVeScheduler": lambda scheduler: _exploding(
            scheduler.config.sigma_min, scheduler.config.sigma_max
        ),
        "EDMEulerScheduler": _edm,
        "EDMDPMSolverMultistepScheduler": _edm,
        "FlowMatchEulerDiscreteScheduler": _flow,
        "FlowMatchHeunDiscreteScheduler": _flow,
    }
    if kind not in readers:
        raise ValueError(
            f"The scheduler {quoted(kind)} is not supported; the supported ones are "
            f"{', '.join(readers)}."
        )
    steps = config.get("num_train_timesteps", 1000)
    if not isinstance(steps, int) or not 2 <= steps <= MOST_TIMESTEPS:
        raise ValueError(
            f"The scheduler's num_train_timesteps must be between 2 and {MOST_TIMESTEPS:,}, not "
            f"{quoted(steps, 40)}."
        )
    try:
        schedule = readers[kind](_class(kind).from_config(dict(config)))
    except _Refusal:
        raise
    except Exception as error:  # diffusers raises many kinds for values it cannot use
        raise ValueError(f"The scheduler's config cannot be used: {first_line(error)}.") from error
    return schedule


class _Refusal(ValueError):
    """An error whose message is already a sentence."""


def _class(kind: str) -> Any:
    if kind == "KarrasVeScheduler":  # diffusers no longer exports it
        from diffusers.schedulers.deprecated.scheduling_karras_ve import KarrasVeScheduler

        return KarrasVeScheduler
    return getattr(diffusers, kind)


def _preserving(scheduler: Any) -> Schedule:
    config = scheduler.config
    named = config.get("prediction_type", "epsilon")
    if named == "flow_prediction" or config.get("use_flow_sigmas"):
        if named != "flow_prediction":
            raise _Refusal(
                "The scheduler mixes flow noise levels with the prediction type "
                f"{quoted(named)}; no network is trained so."
            )
        return _flow(scheduler)
    if named not in PREDICTIONS:
        raise _Refusal(
            f"The prediction type {quoted(named, 40)} is not one of {', '.join(PREDICTIONS)}."
        )
    alphas_cumprod = scheduler.alphas_cumprod.double().numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        sigmas = np.sqrt((1 - alphas_cumprod) / alphas_cumprod)
    if (
        config.get("timestep_type") == "continuous" and named == "v_prediction"
    ):  # the v of Stable Video Diffusion is EDM's with data of variance 1
        low, high = (
            config.get("sigma_min") or float(sigmas[0]),
            config.get("sigma_max") or float(sigmas[-1]),
        )
        return _formula("EDM", low, high, lambda levels: np.log(levels) / 4, VELOCITY)
    usable = np.isfinite(sigmas) & (sigmas > 0)
    logs, steps = np.log(sigmas[usable]), np.flatnonzero(usable).astype(float)
    return Schedule(
        "variance preserving",
        sigmas,
        np.arange(len(sigmas), dtype=float),
        lambda levels: np.interp(np.log(levels), logs, steps),
        PREDICTIONS[named],
    )


def _exploding(low: float, high: float) -> Schedule:
    return _formula("variance exploding", low, high, lambda levels: levels / 2, SCORE)


def _edm(scheduler: Any) -> Schedule:
    config = scheduler.config
    named = config.get("prediction_type", "epsilon")
    if named not in ("epsilon", "v_prediction") or not 0 < config.sigma_data < math.inf:
        raise _Refusal(
            "An EDM network predicts epsilon or v_prediction of data with a positive sigma_data, "
            f"not {quoted(named, 40)} and {quoted(config.sigma_data, 40)}."
        )
    prediction = edm(float(config.sigma_data), 1.0 if named == "epsilon" else -1.0)
    return _formula(
        "EDM", config.sigma_min, config.sigma_max, lambda levels: np.log(levels) / 4, prediction
    )


def _flow(scheduler: Any) -> Schedule:
    config = scheduler.config
    if config.get("invert_sigmas"):
        raise _Refusal(
            "The scheduler's time runs backwards (invert_sigmas), which is not supported."
        )
    count = config.num_train_timesteps
    share = np.arange(1, count) / count  # of noise; a share of 1 is an infinite sigma
    return Schedule(
        "flow matching",
        share / (1 - share),
        share * count,
        lambda levels: count * levels / (1 + levels),
        FLOW,
    )


def _formula(
    family: str,
    low: float,
    high: float,
    time: Callable[[np.ndarray], np.ndarray],
    prediction: Prediction,
) -> Schedule:
    if not 0 < low < high < math.inf:
        raise _Refusal(
            f"The noise levels must satisfy 0 < sigma_min < sigma_max, not {quoted(low, 40)} and "
            f"{quoted(high, 40)}."
        )
    sigmas = np.geomspace(low, high, POINTS)
    return Schedule(family, sigmas, time(sigmas), time, prediction)
