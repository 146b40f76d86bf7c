"""Near-duplicates inside the training set: copies are why images are memorised."""

import numpy as np
import streamlit as st

from memlib.audit.lookalikes import APART
from memlib.images import ImageSet
from pages.audit.casebook import Casebook
from pages.audit.choices import ALIKE, ALIKE_BY, ALIKE_MIRRORED, ALIKE_PIXELS, PAGE, PIXELS
from pages.figures.pictures import enlarged, rgb
from pages.session.neighbours import Alike

BITS = PAGE.number("alike_bits", APART, 0, 16, linked=False)
GROUPS, MEMBERS = 12, 9  # groups on a page, and images shown of each


def alike() -> Alike:
    """Return what counts as a near-duplicate, as last chosen in the panel."""
    return ALIKE.get()


def duplicates_panel(book: Casebook) -> None:
    images = book.loaded.images
    row = st.container(horizontal=True, vertical_alignment="bottom")
    by = row.segmented_control(
        "Near-duplicates by",
        ALIKE_BY.options,
        required=True,
        key=ALIKE_BY.key(),
        help="Pixels: the root mean square difference per value; black to white is 2. Looks: a "
        "perceptual hash of 63 bits, which hardly changes with brightness, contrast or "
        "slight noise.",
    )
    if by == PIXELS:
        threshold = row.slider(
            "Differ by at most", 0.0, 0.5, step=0.01, key=ALIKE_PIXELS.key(), width=260
        )
        wanted = Alike("pixels", threshold, row.toggle("Mirrored too", key=ALIKE_MIRRORED.key()))
    else:
        wanted = Alike(
            "looks",
            float(row.slider("Bits that may differ", 0, 16, step=1, key=BITS.key(), width=260)),
            False,
        )
    if wanted != alike():
        ALIKE.set(wanted)
        st.rerun()
    exact = len(images) - len(set(images.ids))
    labels, sizes = np.unique(book.groups, return_counts=True)
    several = labels[sizes > 1][np.argsort(-sizes[sizes > 1], kind="stable")]
    st.caption(
        f"{exact:,} images are pixel-for-pixel copies of another. {len(several):,} groups of "
        f"near-duplicates contain {int(sizes[sizes > 1].sum()):,} of {len(images):,} images. "
        "Groups are chains: each member is close to at least one other. On the desk, G decides "
        "a group together."
    )
    pages = max(1, -(-len(several) // GROUPS))
    page = st.pagination(pages, key="audit.duplicates_page") if pages > 1 else 1
    for label in several[(page - 1) * GROUPS : page * GROUPS]:
        _group(images, np.flatnonzero(book.groups == label))


def _group(images: ImageSet, members: np.ndarray) -> None:
    strip = st.container(horizontal=True, gap="xsmall", vertical_alignment="center")
    for place in members[:MEMBERS]:
        strip.image(enlarged(rgb(images[int(place)])), width=64, alt=images.names[place])
    more = f", and {len(members) - MEMBERS:,} more" if len(members) > MEMBERS else ""
    strip.text(f"{len(members):,}: {images.names[members[0]]}{more}")
