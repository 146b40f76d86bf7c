"""Names that try to be more than names: of images, groups, columns and models, on every page."""

import csv
import io
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1.element_tree import Block, Element

from memlib.spreadsheet import csv as as_csv
from tests.pages.app import visit

NAMES = ("![x](http:a.org)", "www.example.org", "<b>x<b>", ":red[x]", "$x$", "=cmd|' C'!A0")
MARKDOWN = {"body", "label", "help", "caption", "content", "delta", "title", "text"}
PLAIN = {"text", "text_input", "text_area", "selectbox", "multiselect", "arrow_data_frame"}


@pytest.fixture
def named(tmp_path: Path, model_and_images: tuple[str, str]) -> tuple[str, str]:
    """A model and images with every bad name: of a file, a group and a column."""
    model = tmp_path / NAMES[0].replace("/", "")
    shutil.move(model_and_images[0], model)
    draw = np.random.default_rng(0)
    with zipfile.ZipFile(tmp_path / f"{NAMES[3]}.zip", "w") as archive:
        lines = io.StringIO()
        table = csv.writer(lines)
        table.writerow(["file_name", "group", NAMES[1]])
        for place in range(12):
            name, pixels = NAMES[place % 6], draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "PNG")
            archive.writestr(f"{name}{place}.png", stream.getvalue())
            table.writerow([f"{name}{place}.png", name, name])
        archive.writestr("metadata.csv", lines.getvalue())
    return str(model), str(tmp_path / f"{NAMES[3]}.zip")


def markdown(node: Any) -> Iterator[str]:
    """Every text of a page that the browser reads as Markdown."""
    if isinstance(node, Element) and node.type not in PLAIN:
        yield from texts(node.proto)
    if isinstance(node, Block):
        if node.proto is not None:
            yield from texts(node.proto)
        for child in node.children.values():
            yield from markdown(child)


def texts(message: Any) -> Iterator[str]:
    for field, value in message.ListFields():
        for one in value if field.is_repeated else [value]:
            if field.message_type:
                yield from texts(one)
            elif isinstance(one, str) and field.name in MARKDOWN:
                yield one


@pytest.mark.parametrize(
    "page",
    [
        "overview",
        "image",
        "workspace",
        "volume_growth",
        "p_laplace",
        "extraction",
        "audit",
        "evidence",
    ],
)
def test_no_page_makes_more_of_a_name_than_text(page: str, named: tuple[str, str]) -> None:
    model, images = named
    at = visit(page, model=model, images=images, reference="").run()
    assert not at.exception
    assert not at.error
    drawn = [text for root in (at.main, at.sidebar) for text in markdown(root)]
    assert len(drawn) > 5
    for name in NAMES:
        assert not [text for text in drawn if name in text]


def test_a_table_of_such_names_is_a_table_of_texts() -> None:
    written = as_csv(pd.DataFrame({"name": NAMES, "value": range(6)})).decode()
    assert "\n'=cmd" in written
    assert written.count("\n") == 7
