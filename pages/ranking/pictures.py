"""Pictures of single images: small ones in a row, and a map of one."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from memlib import ImageSet
from memlib.evidence.maps import smooth
from memlib.measures import MEASURES
from memlib.workspace import Workspace
from pages.figures.maps import maps_in_a_row
from pages.figures.pictures import coarse, colour_range, enlarged, rgb
from pages.figures.style import CONFIG, literal
from pages.ranking.look import measured_key
from pages.ranking.view import SMOOTHING, Picture, View
from pages.session import results as computed
from pages.session import selection
from pages.session.messages import plain
from pages.widgets.gallery import Card, gallery

GROWTH = MEASURES["volume_growth"]
HEIGHT = 240  # pixels of a map with its title
OF_RANGE = 256  # maps from which the colour range is taken


def pictures(
    images: ImageSet, places: Sequence[int], captions: Sequence[str], width: int = 64
) -> None:
    """Draw small images in a row that wraps, each with a line below."""
    strip = st.container(horizontal=True, gap="small")
    for pixels, place, caption in zip(rgb(images.batch(places)), places, captions, strict=True):
        cell = strip.container(width=width + 24, gap=None)
        cell.image(enlarged(pixels, width), width=width, alt=images.names[place])
        cell.caption(plain(caption))


def choose_among(
    images: ImageSet, places: Sequence[int], captions: Sequence[str], key: str, alt: str
) -> None:
    """Draw images of the set, each with a line below; the one that is selected is chosen on all
    pages.
    """
    ids = [images.ids[place] for place in places]
    lines = zip(ids, captions, (images.names[place] for place in places), strict=True)
    chosen = selection.chosen()
    gallery(
        rgb(images.batch(places)),
        [Card(image, caption, "", f"{name}, {caption}") for image, caption, name in lines],
        chosen if chosen in ids else None,
        key=key,
        on_select=selection.choose,
        alt=alt,
    )


def growth_map(loaded: Workspace, picture: Picture) -> None:
    """Draw the stored map of growth, or say that there is none."""
    view = View(loaded, GROWTH.name, GROWTH.defaults(loaded.denoiser), False)
    if not view.has(picture):
        st.caption("No map of growth: this image is not measured yet.")
        return
    rows = view.stored()

    def limits() -> tuple[float, float]:
        some = [row["map"] for row in list(rows.values())[:OF_RANGE]]
        return colour_range(smooth(np.stack(some), SMOOTHING))

    key = ("growth limits", view.token, *measured_key(loaded.images, rows))
    own = view.row(picture)["map"]
    draw_map(
        "Growth",
        smooth(own, SMOOTHING),
        computed.once(key, limits) if rows else colour_range(own),
        GROWTH.unit,
    )


def draw_map(title: str, heat: np.ndarray, limits: tuple[float, float], unit: str) -> None:
    """Draw one map with its colour bar."""
    figure = maps_in_a_row({title: coarse(heat)}, limits, unit)
    st.plotly_chart(
        literal(figure.update_layout(height=HEIGHT)),
        key=f"map {title}",
        config=CONFIG,
        alt=f"{title}: map over the pixels",
    )
