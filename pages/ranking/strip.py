"""Small pictures in a row, each with a line below it."""

from collections.abc import Sequence

import streamlit as st

from memlib import ImageSet
from pages.figures.pictures import enlarged, rgb
from pages.session.messages import plain


def pictures(
    images: ImageSet, places: Sequence[int], captions: Sequence[str], width: int = 64
) -> None:
    """Draw small images in a row that wraps, each with a line below."""
    strip = st.container(horizontal=True, gap="small")
    for pixels, place, caption in zip(rgb(images.batch(places)), places, captions, strict=True):
        cell = strip.container(width=width + 24, gap=None)
        cell.image(enlarged(pixels, width), width=width, alt=images.names[place])
        cell.caption(plain(caption))
