"""Rows of a table in memory and of a run's files: one interface, one answer."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from memlib import ImageSet
from memlib.runs import Filter, Numbers, TableRows
from tests.memlib.runs.test_run_folders import finished, image_set

FILTERS = [
    Filter(),
    Filter(text="IMAGES[1"),
    Filter(column="group", values=("odd",)),
    Filter(text="3", column="group", values=("odd", "even")),
    Filter(text="nothing"),
]


@pytest.fixture
def both(tmp_path: Path) -> tuple[ImageSet, Numbers, TableRows]:
    """The rows of one run, by DuckDB and in memory."""
    images = image_set(tmp_path, 50)
    run = finished(tmp_path / "run", images)
    table = pd.DataFrame(
        {
            "id": images.ids,
            "name": images.names,
            "value": [row["value"] for row in run.rows().values()],
            "group": images.metadata["group"],
        }
    )
    return images, Numbers(run), TableRows(table, ["group"])


@pytest.mark.parametrize("where", FILTERS)
@pytest.mark.parametrize("descending", [True, False])
def test_a_table_in_memory_answers_as_the_files_of_a_run_do(
    both: tuple[ImageSet, Numbers, TableRows], where: Filter, descending: bool
) -> None:
    images, numbers, rows = both
    assert rows.count(where) == numbers.count(where)
    pages = [
        source.page("value", descending, 2, 7, where)["id"].tolist() for source in (rows, numbers)
    ]
    assert pages[0] == pages[1]
    for image in images.ids[:9]:
        places = [source.place(image, "value", descending, where) for source in (rows, numbers)]
        assert places[0] == places[1]
        found = [source.row(image, where) for source in (rows, numbers)]
        assert (found[0] is None) == (found[1] is None) == (places[0] is None)
        if places[0] is not None:
            assert numbers.page("value", descending, places[0], 1, where)["id"].tolist() == [image]
            assert found[0]["value"] == found[1]["value"]  # type: ignore[index]


def test_rows_without_a_number_come_last_in_both_directions() -> None:
    table = pd.DataFrame({"id": list("abc"), "name": list("abc"), "value": [1.0, np.nan, 3.0]})
    rows = TableRows(table)
    assert rows.page("value", True, 0, 9)["id"].tolist() == ["c", "a", "b"]
    assert rows.page("value", False, 0, 9)["id"].tolist() == ["a", "c", "b"]
    assert rows.place("b", "value", True) == 2


def test_an_image_that_is_in_the_table_twice_is_one_card_and_two_rows() -> None:
    table = pd.DataFrame({"id": ["a", "a", "b"], "name": ["x", "y", "z"], "value": [3.0, 3.0, 1.0]})
    rows = TableRows(table)
    assert rows.count() == 2
    assert len(rows.passing()) == 3


def test_a_filter_says_in_words_what_it_lets_pass() -> None:
    assert Filter().told() == ""
    assert Filter("cat", "group", ("a", "b")).told() == "group: a, b; name contains 'cat'"
