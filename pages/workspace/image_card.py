"""What was understood of an image set: pictures before and after the transform, groups,
near-duplicates, what was left out.
"""

from collections import Counter

import numpy as np
import streamlit as st
from torch import Tensor

from memlib.images import ImageSet, to_unit
from memlib.images.imageset import FOLDER
from memlib.neighbours import NEAR_DUPLICATE, duplicates
from pages.figures.pictures import data_url, enlarge, rgb
from pages.session.long_work import long_work

SHOWN, COMPARED = 24, 8
MOST = 60_000  # images up to which all pairs are compared here


def strip(images: ImageSet) -> None:
    """Draw some of the images; if the transform changes them, each below the picture it was made
    from.
    """
    places = sorted(
        np.random.default_rng(0)
        .choice(len(images), min(SHOWN, len(images)), replace=False)
        .tolist()
    )
    if (
        any(images.original(place).shape != images.shape for place in places[:COMPARED])
        or images.transform.mirror
    ):
        before_and_after(images, places[:COMPARED])
        return
    row = st.container(horizontal=True, gap="xsmall")
    for place, pixels in zip(places, images.thumbnails(places), strict=True):
        row.image(data_url(enlarge(pixels, 64)), width=64, alt=images.names[place])


def before_and_after(images: ImageSet, places: list[int]) -> None:
    """Return the chosen pictures as stored in their files, and as the model sees them."""
    for title, pictures in (
        ("As stored in the files", [rgb(to_unit(images.original(place))) for place in places]),
        ("As the model sees them", [rgb(images[place]) for place in places]),
    ):
        st.caption(title)
        row = st.container(horizontal=True, gap="small", vertical_alignment="bottom")
        for place, pixels in zip(places, pictures, strict=True):
            row.image(
                data_url(enlarge(pixels, 96)),
                width=96,
                alt=f"{images.names[place]}, {title.lower()}",
            )


def image_facts(images: ImageSet) -> None:
    """Draw counts, groups, and the files that were left out."""
    repeated = len(images) - len(set(images.ids))
    said = (
        f"{len(images):,} images, {images.shape[2]} x {images.shape[1]}, "
        f"{'colour' if images.shape[0] == 3 else 'grey'}; {len(images) - repeated:,} are "
        "distinct."
    )
    st.caption(said)
    if "group" in images.metadata:
        counts = Counter(images.metadata["group"]).most_common(9)
        st.text(
            "  ·  ".join(f"{name or 'no group'}: {count:,}" for name, count in counts[:8])
            + ("  ·  …" if len(counts) > 8 else "")
        )
    if images.skipped:
        with st.expander(f"{len(images.skipped):,} files were left out", icon=":material/warning:"):
            st.dataframe(
                [{"file": name, "reason": reason} for name, reason in images.skipped[:10_000]],
                hide_index=True,
                alt="Files that were left out",
            )


def grouping(images: ImageSet, chosen: str) -> str:
    """Draw the choice of the column to group by; return it, "" for the set's own groups."""
    columns = [column for column in images.metadata if column != "group"]
    folders = any("/" in name for name in images.names)
    options = ["", *([FOLDER] if folders else []), *columns]
    own = "the column group" if "group" in images.metadata else "no groups"
    return st.selectbox(
        "Groups",
        options,
        index=options.index(chosen) if chosen in options else 0,
        format_func=lambda name: (
            own if not name else "the folders" if name == FOLDER else f"the column {name}"
        ),
        help="The pages filter and colour by group. Images of a group called held-out count as "
        "not trained on.",
    )


def near_duplicates(images: ImageSet) -> None:
    """Draw how many images have a near-duplicate, on request: models remember repeated images
    first.
    """
    row = st.container(horizontal=True, vertical_alignment="bottom")
    mirrored = row.toggle("Mirror images count as duplicates", key="mirrored")
    known: dict[tuple[str, bool], Tensor] = st.session_state.setdefault("near_duplicates", {})
    key = (images.digest, mirrored)
    if len(images) > MOST:
        st.caption(f"Near-duplicates are sought here among at most {MOST:,} images.")
        return
    if key not in known:

        def search(progress: object) -> None:
            known[key] = duplicates(images, NEAR_DUPLICATE, mirrored)

        pairs = (
            len(images) ** 2 * int(np.prod(images.shape)) / 4e9
        )  # a rough estimate: most pairs already differ when shrunk
        if not long_work(
            "Find near-duplicates",
            1 + pairs * (2 if mirrored else 1),
            search,
            icon=":material/content_copy:",
            ask=True,
        ):
            return
    groups = known[key].numpy()
    _, first, sizes = np.unique(groups, return_index=True, return_counts=True)
    twins = int(sizes[sizes > 1].sum())
    st.caption(
        f"{twins:,} of {len(images):,} images have a near-duplicate; counting near-duplicates as "
        f"one, there are {len(sizes):,} images. Near-duplicates differ by at most "
        f"{NEAR_DUPLICATE:g}, root mean square, where black to white is 2."
    )
    largest = np.argsort(-sizes, kind="stable")[:6]
    for place in (place for place in largest if sizes[place] > 1):
        members = np.flatnonzero(groups == groups[first[place]])[:12].tolist()
        line = st.container(horizontal=True, gap="xsmall", vertical_alignment="center")
        line.caption(f"{sizes[place]:,} alike", width=80)
        for member, pixels in zip(members, images.thumbnails(members), strict=True):
            line.image(data_url(enlarge(pixels, 48)), width=48, alt=images.names[member])
