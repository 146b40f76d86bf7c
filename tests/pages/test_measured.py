"""What depends on no visitor is computed once for all; what a visitor measured is theirs."""

from typing import NoReturn

import pytest

from memlib.runs import results
from pages.session import results as shared
from tests.pages.app import measure_everything, opened


def again(*_: object, **__: object) -> NoReturn:
    raise AssertionError("computed again for another visitor")


@pytest.mark.parametrize("page", ["volume_growth", "p_laplace"])
def test_a_second_visitor_finds_the_maps_sizes_and_times_of_the_first(
    page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not opened(page).exception
    monkeypatch.setattr(results, "measure_pictures", again)
    monkeypatch.setattr(shared, "png_size", again)
    monkeypatch.setattr(shared, "forward_seconds", again)
    assert not opened(page).exception


def test_what_one_visitor_measured_is_not_ranked_for_another(
    model_and_images: tuple[str, str],
) -> None:
    model, images = model_and_images
    at = opened("volume_growth", model=model, images=images, steps="2", probes="1")
    measure_everything(at)
    assert not any("No image has been measured" in info.value for info in at.info)
    other = opened("volume_growth", model=model, images=images, steps="2", probes="1")
    assert any("No image has been measured" in info.value for info in other.info)
