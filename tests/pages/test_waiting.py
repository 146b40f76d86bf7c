"""A part of a page that waits until it is in sight."""

import pytest

from pages.widgets import waiting
from tests.pages.app import opened


@pytest.fixture(autouse=True)
def nothing_in_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "AT_ONCE", False)


def test_a_part_is_drawn_after_it_was_seen_and_waits_again_on_another_visit() -> None:
    def headings() -> set[str]:
        assert not at.exception
        return {str(one.value) for one in at.subheader}

    at = opened("volume_growth")
    assert "Table" not in headings()
    assert not at.dataframe
    at.session_state[waiting.SEEN] = {"Table"}
    at.run()
    assert "Table" in headings()
    assert "Against simpler numbers" not in headings()
    at.switch_page("pages/methods/page.py").run()
    at.switch_page("pages/volume_growth/page.py").run()
    assert "Table" not in headings()


def test_a_folded_part_is_drawn_once_it_is_unfolded_or_named_by_a_link() -> None:
    def labels(**url: str) -> list[str]:
        at = opened("extraction", **url)
        assert not at.exception
        return [one.label for one in at.number_input]

    assert "Strength" not in labels()
    assert "Strength" in labels(strength="2.5")
