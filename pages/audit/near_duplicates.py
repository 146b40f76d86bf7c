"""Near-duplicates inside the training set: copies are why images are memorised."""

import numpy as np
import streamlit as st

from memlib.audit.lookalikes import APART
from memlib.images import ImageSet
from memlib.neighbours import NEAR_DUPLICATE
from pages.audit.casebook import Casebook
from pages.figures.pictures import enlarged, rgb
from pages.session.neighbours import Alike

PIXELS, LOOK = "Pixels", "Looks"
GROUPS, MEMBERS = 12, 9  # shown on a page of groups, and of each


def alike() -> Alike:
    """What counts as a near-duplicate, as it was last chosen in the panel."""
    chosen: Alike = st.session_state.setdefault("alike", Alike("pixels", NEAR_DUPLICATE, False))
    return chosen


def duplicates_panel(book: Casebook) -> None:
    images = book.loaded.images
    row = st.container(horizontal=True, vertical_alignment="bottom")
    by = row.segmented_control(
        "Near-duplicates by",
        [PIXELS, LOOK],
        default=PIXELS,
        required=True,
        key="alike_by",
        help="Pixels: the root mean square difference a value, black to white being 2. Looks: a "
        "perceptual hash of 63 bits, which brightness, contrast and little noise leave as it "
        "is.",
    )
    if by == PIXELS:
        threshold = row.slider(
            "Differ by at most", 0.0, 0.5, NEAR_DUPLICATE, 0.01, key="alike_pixels", width=260
        )
        wanted = Alike("pixels", threshold, row.toggle("Also mirrored", key="alike_mirrored"))
    else:
        wanted = Alike(
            "looks",
            float(row.slider("Bits that may differ", 0, 16, APART, key="alike_bits", width=260)),
            False,
        )
    if wanted != alike():
        st.session_state.alike = wanted
        st.rerun()
    exact = len(images) - len(set(images.ids))
    labels, sizes = np.unique(book.groups, return_counts=True)
    several = labels[sizes > 1][np.argsort(-sizes[sizes > 1], kind="stable")]
    st.caption(
        f"{exact:,} images are exact copies of another, pixel for pixel. {len(several):,} groups "
        f"of near-duplicates hold {int(sizes[sizes > 1].sum()):,} of {len(images):,} images; "
        "groups are chains: each member is close to some other one. The desk decides them "
        "together with G."
    )
    pages = max(1, -(-len(several) // GROUPS))
    page = st.pagination(pages, key="duplicates_page") if pages > 1 else 1
    for label in several[(page - 1) * GROUPS : page * GROUPS]:
        _group(images, np.flatnonzero(book.groups == label))


def _group(images: ImageSet, members: np.ndarray) -> None:
    strip = st.container(horizontal=True, gap="xsmall", vertical_alignment="center")
    for place in members[:MEMBERS]:
        strip.image(enlarged(rgb(images[int(place)])), width=64, alt=images.names[place])
    more = f", and {len(members) - MEMBERS:,} more" if len(members) > MEMBERS else ""
    strip.text(f"{len(members):,}: {images.names[members[0]]}{more}")
