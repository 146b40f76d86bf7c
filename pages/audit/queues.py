"""Queues that do not come from a number: images chosen by hand, lists and pictures from
elsewhere.
"""

from pathlib import Path

import pandas as pd
import streamlit as st

from memlib.audit.queue import ABSENT, match_names, match_pictures, read_names
from memlib.images.decode import LARGEST_FILE, SUFFIXES
from memlib.quoting import quoted
from memlib.sources import Source
from pages.audit.casebook import Casebook
from pages.audit.choices import FOLDER, FOUND, MATCHED
from pages.session.messages import plain, show_error
from pages.session.paths import roots
from pages.session.selection import BY_HAND

MOST = 5000  # pictures read from a folder


def by_hand(book: Casebook) -> tuple[list[int], None]:
    """Images whose names contain a text, added to a list that lasts as long as the session."""
    images = book.loaded.images
    kept = BY_HAND.get()
    row = st.container(horizontal=True, vertical_alignment="bottom")
    text = row.text_input(
        "Name contains, or id", key=FOUND.key(), placeholder=images.names[0], width=320
    )
    found = [
        image
        for image, name in zip(images.ids, images.names, strict=True)
        if text and (text.lower() in name.lower() or text == image)
    ]
    new = [image for image in found if image not in set(kept)]
    if row.button(f"Add {len(new):,}", icon=":material/add:", disabled=not new):
        kept.extend(new)
    if row.button("Clear the list", icon=":material/clear_all:", disabled=not kept):
        kept.clear()
    queue = [images.ids.index(image) for image in kept if image in images.ids]
    if not queue:
        st.info("Type part of a file name and add what it finds.", icon=":material/search:")
    return queue, None


def imported(book: Casebook) -> tuple[list[int], None]:
    """Names or ids from CSV or text, pictures uploaded or in a folder, each matched with the image
    set.
    """
    left, right = st.columns(2, gap="medium", vertical_alignment="top")
    files = left.file_uploader(
        "A CSV of names or ids, or pictures",
        ["csv", "txt", *sorted(suffix[1:] for suffix in SUFFIXES)],
        accept_multiple_files=True,
        help="Of a CSV the column called id, name, file_name or image is read, else the first.",
    )
    folder = right.text_input(
        "Or a folder of pictures on this machine",
        key=FOLDER.key(),
        placeholder="below a folder this app may read",
    )
    try:
        table = _matched(book, files, folder.strip())
    except ValueError as error:
        show_error(error)
        return [], None
    if table.empty:
        st.info(
            "Each line or picture is matched with the image set: exact, near, or not in training.",
            icon=":material/upload:",
        )
        return [], None
    counts = table["match"].value_counts()
    right.caption(", ".join(f"{count:,} {plain(match)}" for match, count in counts.items()) + ".")
    with right.expander("What matched", icon=":material/rule:"):
        st.dataframe(
            table.drop(columns="index"),
            hide_index=True,
            height=240,
            alt="Imported lines and what they matched",
        )
    return [int(index) for index in table.loc[table["match"] != ABSENT, "index"]], None


def _matched(book: Casebook, files: list, folder: str) -> pd.DataFrame:
    lists = [file for file in files if Path(file.name).suffix.lower() in (".csv", ".txt")]
    pictures = [(file.name, file.file_id, file) for file in files if file not in lists]
    key = (book.loaded.images.digest, folder, tuple(file.file_id for file in files))
    if MATCHED.get()[0] != key:
        images = book.loaded.images
        names = [
            name
            for file in lists
            for name in read_names(file.getvalue().decode("utf-8", errors="replace"))
        ]
        found = [match_names(names, images)]
        encoded = [(name, file.getvalue()) for name, _, file in pictures] + (
            _folder(folder) if folder else []
        )
        if encoded:
            with st.spinner("Matching the pictures"):
                found.append(match_pictures(encoded, images))
        parts = [part for part in found if len(part)] or found[:1]
        MATCHED.set((key, pd.concat(parts, ignore_index=True)))
    return MATCHED.get()[1]


def _folder(path: str) -> list[tuple[str, bytes]]:
    source = Source(path, roots())
    place = source.path
    if place is None or not place.is_dir():
        raise ValueError(f"{quoted(path)} is not a folder.")
    files = [
        file
        for file in sorted(place.rglob("*"))
        if file.suffix.lower() in SUFFIXES and file.is_file()
    ]
    if len(files) > MOST:
        raise ValueError(
            f"{quoted(path)} holds {len(files):,} pictures, more than {MOST:,}; choose a smaller "
            "folder."
        )
    opened = {file.relative_to(place).as_posix(): source.file(file) for file in files}
    return [
        (name, file.read_bytes())
        for name, file in opened.items()
        if file.stat().st_size <= LARGEST_FILE
    ]
