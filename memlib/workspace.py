"""The workspace: a model, the images to look for in it, optionally a reference model, and their
sources.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from memlib.denoisers import NetworkDenoiser
from memlib.images import ImageSet
from memlib.images.transform import describe
from memlib.quoting import quoted
from memlib.sources import on_hub

NULL = "null"  # as a reference: the same model in its null condition, without prompt or class


@dataclass(frozen=True)
class Sources:
    """The sources from which a workspace is loaded; the defaults are the demo."""

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
    prompt: str = ""  # of a model of text, whose images are then those of this prompt
    guidance_scale: float | None = None

    @classmethod
    def read(cls, told: Mapping[str, object]) -> "Sources":
        """Read sources from a manifest; other names are ignored.

        Raises ValueError for a value of the wrong kind.
        """
        kinds = {"size": int, "channels": int, "label": int, "mirror": bool}
        kinds |= {"guidance_scale": float}
        found: dict[str, Any] = {}
        for field in fields(cls):
            if field.name not in told:
                continue
            value, kind = told[field.name], kinds.get(field.name, str)
            optional = value is None and kind in (int, float)
            if not optional and type(value) is not kind:
                raise ValueError(
                    f"The sources of this run cannot be read: {field.name} is {quoted(value, 40)}."
                )
            found[field.name] = value
        return cls(**found)

    @property
    def of_reference(self) -> "Sources":
        """The sources whose model is the reference."""
        if self.reference != NULL:
            return replace(self, model=self.reference, reference="")
        return replace(self, reference="", label=None, prompt="", guidance_scale=None)

    @property
    def on_hub(self) -> list[str]:
        """List the sources that would be downloaded from the Hub."""
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
    """Load everything; the sources of the result include the commits of what is on the Hub.

    `model_of(source, label)` and `images_of(sources, source)` do the loading; pages pass functions
    that cache and confine. Raises ValueError if something cannot be loaded or does not fit
    together.
    """
    denoiser = prompted(model_of(sources.model, sources.label), sources)
    images = images_of(sources, sources.images)
    if images.shape != denoiser.picture_shape:
        raise ValueError(
            f"The images are {describe(images.shape)}, the model draws "
            f"{describe(denoiser.picture_shape)}. Set image size and colour to make them agree."
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
    reference = reference_of(sources, model_of)
    if reference is not None and reference.shape != denoiser.shape:
        raise ValueError(
            f"The reference model draws images {describe(reference.shape)}, the model "
            f"{describe(denoiser.shape)}."
        )
    return Workspace(pinned, denoiser, images, reference)


def reference_of(
    sources: Sources, model_of: Callable[[str, int | None], NetworkDenoiser]
) -> NetworkDenoiser | None:
    """Load the reference, None if there is none; NULL is the model itself in its null condition.

    Raises ValueError for a null condition of a model without prompt and class.
    """
    if not sources.reference:
        return None
    if sources.reference == NULL and not sources.prompt and sources.label is None:
        raise ValueError(
            "The model is its own reference only where it has a prompt or a class to be compared "
            "without; name one, or another reference."
        )
    told = sources.of_reference
    return prompted(model_of(told.model, told.label), told)


def prompted(denoiser: NetworkDenoiser, sources: Sources) -> NetworkDenoiser:
    """Return the model with the prompt and the guidance scale of the sources, if they have any.

    Raises ValueError for a model that takes no prompt, and for a scale without a prompt.
    """
    if sources.guidance_scale is not None and not sources.prompt:
        raise ValueError(
            f"The guidance scale {sources.guidance_scale:g} needs a prompt to lead towards."
        )
    return denoiser.given(sources.prompt, sources.guidance_scale) if sources.prompt else denoiser


def _pinned(typed: str, found: str) -> str:
    """Return a Hub name with the commit it was resolved to; anything else as it was typed."""
    return found if on_hub(typed) else typed
