"""The evidence page shows what is known of the benchmark, and of other images nothing of it."""

from tests.pages.app import opened


def test_the_benchmark_has_a_part_of_the_evidence_page_and_its_values_are_measured() -> None:
    at = opened("evidence", model="benchmark", images="benchmark", reference="benchmark-reference")
    assert not at.exception
    assert "The benchmark: what is known to repeat" in [one.value for one in at.subheader]
    tables = [frame.value for frame in at.dataframe]
    assert any("Pixel AUC" in table for table in tables)
    assert any("copied x2" in table for table in tables)
    quality = next(table for table in tables if "may be best" in table)
    assert "Redraw precision" in list(quality["title"])


def test_the_demo_has_no_such_part() -> None:
    assert not [one for one in opened("evidence").subheader if "benchmark" in one.value]
