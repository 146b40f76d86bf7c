"""What is examined: a model, the images to look for in it, perhaps a reference model, and where
they come from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from memlib.denoisers import NetworkDenoiser
from memlib.images import ImageSet
from memlib.images.transform import describe
from memlib.quoting import quoted
from memlib.sources import on_hub


@dataclass(frozen=True)
class Sources:
    """How to load a workspace again; the defaults are the demo."""

    model: str = "demo"
    images: str = "demo"
    reference: str = "demo-reference"
    size: int | None = None
    channels: int | None = None
    label: int | None = None  # the class of a class-conditional model
    fit: str = "crop"
    mirror: bool = False
    held_out: str = ""
    group: str = ""  # the column the images are grouped by, or "folder"

    @classmethod
    def read(cls, told: Mapping[str, object]) -> "Sources":
        """Sources as a manifest tells them; other names are passed over.

        Raises ValueError for a value of the wrong kind.
        """
        kinds = {"size": int, "channels": int, "label": int, "mirror": bool}
        found: dict[str, Any] = {}
        for field in fields(cls):
            if field.name not in told:
                continue
            value, kind = told[field.name], kinds.get(field.name, str)
            optional = value is None and kind is int
            if not optional and type(value) is not kind:
                raise ValueError(
                    f"The sources of this run cannot be read: {field.name} is {quoted(value, 40)}."
                )
            found[field.name] = value
        return cls(**found)

    @property
    def on_hub(self) -> list[str]:
        """Those of the sources that would be fetched from the Hub."""
        return [
            source
            for source in (self.model, self.images, self.reference, self.held_out)
            if source and on_hub(source)
        ]


@dataclass(frozen=True)
class Workspace:
    sources: Sources
    denoiser: NetworkDenoiser
    images: ImageSet
    reference: NetworkDenoiser | None


def open_workspace(
    sources: Sources,
    model_of: Callable[[str, int | None], NetworkDenoiser],
    images_of: Callable[[Sources, str], ImageSet],
) -> Workspace:
    """Load everything; the sources of the result name the commits of what is on the Hub.

    `model_of(source, label)` and `images_of(sources, source)` do the loading: pages keep and
    confine what they load. Raises ValueError where something cannot be loaded or does not fit
    together.
    """
    denoiser = model_of(sources.model, sources.label)
    images = images_of(sources, sources.images)
    if images.shape != denoiser.picture_shape:
        raise ValueError(
            f"The images are {describe(images.shape)}, the model draws "
            f"{describe(denoiser.picture_shape)}. Set image size and colour to bring them together."
        )
    pinned = replace(
        sources,
        model=_pinned(sources.model, denoiser.source),
        images=_pinned(sources.images, images.source),
    )
    if sources.group:
        images = images.grouped(sources.group)
    if sources.held_out:
        held_out = images_of(replace(sources, channels=images.shape[0]), sources.held_out)
        pinned = replace(pinned, held_out=_pinned(sources.held_out, held_out.source))
        images = images.beside(held_out)
    reference = model_of(sources.reference, sources.label) if sources.reference else None
    if reference is not None and reference.shape != denoiser.shape:
        raise ValueError(
            f"The reference model draws images {describe(reference.shape)}, the model "
            f"{describe(denoiser.shape)}."
        )
    return Workspace(pinned, denoiser, images, reference)


def _pinned(typed: str, found: str) -> str:
    """A Hub name with the commit it was resolved to; anything else as it was typed."""
    return found if on_hub(typed) else typed
