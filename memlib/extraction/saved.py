"""Surrogates on disk: the description of one is checked before it is used."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from memlib.denoisers import Denoiser
from memlib.denoisers.weights import read_json
from memlib.extraction.classifier import TimeResNet
from memlib.extraction.surrogate import Clusters, Surrogate, digest_of
from memlib.quoting import first_line
from memlib.sources import Roots, Source

LARGEST = 2**31  # largest number that is accepted
UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,
    SafetensorError,
)


def check_details(details: dict[str, Any]) -> None:
    """Check that a description has the form of `Surrogate.details`.

    Raises ValueError, KeyError or TypeError.
    """
    settings, kept = details["settings"], details["kept"]
    texts = [details["kind"], details["digest"], settings["features"]]
    accuracy = details["accuracy"].items()
    numbers = [settings["cohesion"], details["chance"], *details["cohesion"]]
    numbers += [details["evaluations"], details["step_cost"]]
    numbers += [float(level) for level, _ in accuracy] + [value for _, value in accuracy]
    counts = [
        settings["generated"],
        settings["clusters"],
        *kept,
        *details["labels"],
        *details["sizes"],
    ]
    if (
        not all(isinstance(text, str) for text in texts)
        or not all(type(number) in (int, float) and abs(number) < LARGEST for number in numbers)
        or not all(type(count) is int and 0 <= count < LARGEST for count in counts)
        or max(kept) >= len(details["cohesion"])
        or max(details["labels"], default=0) >= len(kept)
    ):
        raise ValueError("the description of the surrogate is damaged")


def load_surrogate(folder: Path, denoiser: Denoiser, *, roots: Roots = None) -> Surrogate:
    """Load a saved surrogate. Raises ValueError if it is damaged or does not fit the denoiser."""
    try:
        source = Source(folder, roots)
        details = read_json(source.file(folder / "surrogate.json"))
        check_details(details)
        settings, kept = details["settings"], torch.tensor(details["kept"])
        blocks, width = TimeResNet.LAYOUTS[settings["layout"]]
        classifier = TimeResNet(
            denoiser.shape[0], len(kept), blocks, width, details["kind"] != "time-independent"
        )
        classifier.load_state_dict(load_file(source.file(folder / "classifier.safetensors")))
        clusters = Clusters(
            *(torch.tensor(details[name]) for name in ("cohesion", "sizes", "kept", "labels"))
        )
        accuracy = {float(level): float(value) for level, value in details["accuracy"].items()}
        classifier = classifier.to(denoiser.device).eval().requires_grad_(False)
        return Surrogate(
            classifier,
            clusters,
            details["kind"],
            settings,
            accuracy,
            details["chance"],
            details["evaluations"],
            details["step_cost"],
            digest_of(classifier, settings),
        )
    except UNREADABLE as error:
        raise ValueError(
            f"The surrogate in {folder.name!r} cannot be read: {first_line(error)}."
        ) from error
