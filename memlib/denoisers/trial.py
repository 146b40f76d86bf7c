"""A model is tried before it is used: whether it draws its own size, in numbers that are finite.

A model from outside is tried in a confined child process, which may be ended at any time; it is
handed the configs and the open weight files, and builds the network by itself.
"""

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import torch

from memlib.confined import Children, Ended, Operation, Tick
from memlib.denoisers.autoencoder import Autoencoder
from memlib.denoisers.limits import limit_memory
from memlib.denoisers.network import NetworkDenoiser
from memlib.denoisers.schedules import read_schedule
from memlib.denoisers.text.pipelines import build_prompts
from memlib.denoisers.weights import read_network
from memlib.denoisers.work import autoencoder_forward, check_work, network_forward
from memlib.quoting import first_line

SECONDS = 300  # of computing that a trial may take
MEMORY = 64 * 2**30  # bytes of address space of a child, at most
ACTIVATIONS = 4 * 2**30  # bytes of what a forward hands on
TRIED = (
    32  # latents of text models are tried at most this high and wide: their own size takes minutes
)
TRIALS = Children("memlib.denoisers.trial", ("memlib", "memlib.denoisers"), most=2)


def try_confined(
    name: str,
    label: int | None,
    configs: Mapping[str, Any],
    weights: Sequence[Sequence[Path]],
    tick: Tick | None = None,
) -> None:
    """Try a model in a child process: `configs` of its network, scheduler and, perhaps,
    autoencoder and text encoders; `weights` the files of the network, the autoencoder and each text
    encoder.

    Raises ValueError as `try_out` does, and where the child takes too long or too much memory.
    """
    header = {"do": "try", "name": name, "label": label, "configs": configs}
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(file.open("rb")) for part in weights for file in part]
        answer = TRIALS.ask(
            {**header, "counts": [len(part) for part in weights]},
            files=[file.fileno() for file in files],
            seconds=SECONDS,
            tick=tick,
        )
        try:
            for _ in answer:
                pass
        except Ended as error:
            raise ValueError(f"The network of {name} {error}.") from error
        except ValueError as error:
            text = str(error)
            sentence = text if text.endswith(".") else f"The network of {name} {text}."
            raise ValueError(sentence) from error


def _try(
    header: dict[str, Any], _: bytearray, files: Sequence[BinaryIO]
) -> Iterator[tuple[dict, Any]]:
    """Build the model again, in the child, and try it."""
    limit_memory(files, ACTIVATIONS, MEMORY)
    configs, name = header["configs"], header["name"]
    paths = iter([Path(f"/dev/fd/{file.fileno()}") for file in files])
    parts = [list(itertools.islice(paths, count)) for count in header["counts"]]
    config, latent, texts = (configs.get(part) for part in ("network", "autoencoder", "texts"))
    last = latent and read_network(latent["_class_name"], latent, parts[1], name)
    denoiser = NetworkDenoiser(
        read_network(config["_class_name"], config, parts[0], name),
        read_schedule(configs["scheduler"]),
        name=name,
        source="",
        digest="",
        device=torch.device("cpu"),
        label=header["label"],
        autoencoder=last and Autoencoder(last),
        texts=texts and build_prompts(texts, parts[2:], name),
    )
    try_out(denoiser)
    yield {"tried": True}, b""


@torch.no_grad()
def try_out(denoiser: NetworkDenoiser) -> None:
    """Forwards over the noise range, so that a network that cannot draw its own size or is full of
    NaN is refused here and not in a run.
    """
    forwards = [network_forward(denoiser.network, denoiser.shape, denoiser.conditions[0][0])]
    if denoiser.autoencoder:
        both = denoiser.shape, denoiser.picture_shape
        forwards.append(autoencoder_forward(denoiser.autoencoder.network, *both))
    check_work(denoiser.name, *forwards)
    sides = [min(side, TRIED) if denoiser.texts else side for side in denoiser.shape[1:]]
    shape = (denoiser.shape[0], sides[0], sides[1])
    y = torch.zeros(1, *shape, device=denoiser.device)
    try:
        outputs = [denoiser(y, sigma) for sigma in (denoiser.sigma_floor, denoiser.sigma_max)]
        if denoiser.autoencoder:
            pictures, drawn = denoiser.decode(y), denoiser.autoencoder.picture_shape(shape)
            outputs += [denoiser.autoencoder.encode(torch.zeros(1, *drawn).to(y))]
            if pictures.shape[1:] != drawn or not torch.isfinite(pictures).all():
                raise ValueError(
                    f"The autoencoder of {denoiser.name} returns pictures that are not finite or "
                    f"not {drawn}."
                )
    except (RuntimeError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(
            f"The network of {denoiser.name} fails on an image of its own size: "
            f"{first_line(error)}."
        ) from error
    if any(output.shape != y.shape or not torch.isfinite(output).all() for output in outputs):
        raise ValueError(
            f"The network of {denoiser.name} returns values that are not finite or not of the "
            "image's shape."
        )


OPERATIONS: dict[str, Operation] = {"try": _try}
