"""A measure as a page shows it: for the model, or the model minus its reference, and for
any image.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import streamlit as st
from torch import Tensor

from memlib.denoisers import NetworkDenoiser
from memlib.measures import MEASURES, Row, difference
from memlib.progress import Progress, part
from memlib.quoting import quoted
from memlib.workspace import Workspace
from pages.session import results as computed
from pages.session.measured import is_measured, measured
from pages.session.messages import plain, show_error
from pages.session.state import OneOf

SMOOTHING = 3  # the width of the boxes over which maps are averaged on every page
SMOOTHED = "Averaged over 3 x 3 pixels, which keeps the sum."


@dataclass(frozen=True)
class Picture:
    """An image on the page, from the image set or uploaded."""

    id: str
    name: str
    image: Tensor


@dataclass(frozen=True)
class View:
    """What is loaded, which measure with which settings, and whether a reference is subtracted."""

    loaded: Workspace
    measure: str
    parameters: dict[str, Any]
    minus_reference: bool

    @property
    def models(self) -> list[NetworkDenoiser]:
        """The models the shown value needs."""
        reference = self.loaded.reference
        return [
            self.loaded.denoiser,
            *([reference] if self.minus_reference and reference is not None else []),
        ]

    @property
    def forwards(self) -> int:
        """Network forwards per image, of all models together."""
        settings = MEASURES[self.measure].read(self.parameters)
        return len(self.models) * settings.forwards(self.loaded.denoiser)

    @property
    def token(self) -> str:
        """A key that is equal if models, measure and settings are."""
        models = "/".join(model.digest for model in self.models)
        return f"{self.measure}/{models}/{json.dumps(self.parameters, sort_keys=True)}"

    def known(self, model: NetworkDenoiser, **changes: Any) -> Mapping[str, Row]:
        """Return one model's stored rows by id, with some parameters changed; rows of other images
        are included.
        """
        return computed.results().rows(
            model.digest, MEASURES[self.measure].run, {**self.parameters, **changes}
        )

    def stored(self) -> dict[str, Row]:
        """Return the rows of the image set that are stored for all models, by id, in its order."""
        found = [self.known(model) for model in self.models]
        images = self.loaded.images
        ids = tuple((len(rows), hash(frozenset(rows))) for rows in found)
        key = ("stored", self.token, images.digest, ids)
        return computed.once(key, lambda: self._stored(found))

    def _stored(self, found: Sequence[Mapping[str, Row]]) -> dict[str, Row]:
        first, *others = found
        rows = (
            {image: first[image] for image in self.loaded.images.ids if image in first}
            if first
            else {}
        )
        for other in others:
            rows = {
                image: difference(row, other[image])
                for image, row in rows.items()
                if image in other
            }
        return rows

    def has(self, picture: Picture, **changes: Any) -> bool:
        """Return whether `row` would find everything stored."""
        asked = {**self.parameters, **changes}
        return all(is_measured(model, picture.id, self.measure, asked) for model in self.models)

    def row(self, picture: Picture, progress: Progress | None = None, **changes: Any) -> Row:
        """Return one image's row, with some parameters changed, measured now if needed."""
        asked, models = {**self.parameters, **changes}, self.models
        rows = []
        for place, model in enumerate(models):
            told = part(progress, place, 1, len(models))
            rows.append(measured(model, picture.image, picture.id, self.measure, asked, told))
        return rows[0] if len(rows) == 1 else difference(*rows)

    def with_parameters(self, **parameters: Any) -> Self:
        return replace(self, parameters={**self.parameters, **parameters})


def panel_and_picture(
    loaded: Workspace, panel: OneOf[str | None]
) -> tuple[str | None, Picture | None]:
    """Draw the choice of a panel, and of the visitor's own picture instead of the selected image;
    return both.
    """
    st.subheader("A closer look")
    row = st.container(horizontal=True, vertical_alignment="center")
    chosen = row.segmented_control(
        "Panel",
        panel.options,
        format_func=plain,
        key=panel.key(),
        label_visibility="collapsed",
    )
    with row:
        return chosen, uploaded(loaded)


def uploaded(loaded: Workspace) -> Picture | None:
    """Draw the upload of the visitor's own picture; return it, None if there is none."""
    with st.popover("Your own image", icon=":material/upload:"):
        return picture_taken(
            loaded,
            "A picture to use instead of the selected image",
            "It is resized as the image set is. Remove it to go back to the selected image.",
        )


def picture_taken(loaded: Workspace, label: str, help: str) -> Picture | None:
    """Draw a field that takes a picture, decoded in a confined process and resized as the image set
    is; return it, None if there is none or it is not usable, which is said in one sentence.
    """
    file = st.file_uploader(
        label, ["png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff"], help=help
    )
    if file is None:
        return None
    try:
        image, key = loaded.images.take(file.getvalue())
    except ValueError as error:
        show_error(f"{quoted(file.name)} {error}.")
        return None
    return Picture(key, file.name, image)
