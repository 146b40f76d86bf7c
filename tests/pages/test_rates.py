"""Where rates come from: counted, estimated and predicted ones are told apart on every page."""

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from memlib import ImageSet, load_denoiser, load_images
from memlib.measures import MEASURES
from memlib.runs import Results
from memlib.workspace import Sources, Workspace
from pages.ranking.rates import screen
from pages.session.results import RESULTS
from tests.pages.app import opened


def said(at: AppTest) -> list[str]:
    return [str(one.value) for one in (*at.subheader, *at.markdown, *at.caption)]


@pytest.mark.slow
def test_evidence_says_from_what_rates_are_predicted_and_how_well() -> None:
    at = opened("evidence")
    assert not at.exception
    words = said(at)
    assert any("*counted*" in one and "*predicted*" in one for one in words)
    assert any(one.startswith("Predicted from the integrated loss, by how often") for one in words)
    covered = next(one for one in words if one.startswith("Each image predicted from"))
    assert "too narrow" not in covered
    button = next(one for one in at.button if one.label.startswith("Estimate the rates of the"))
    assert button.label.endswith("50 likeliest")


def test_counts_of_the_demos_images_are_not_told_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFTERIMAGE_ROOTS", str(tmp_path))
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    np.save(tmp_path / "own.npy", pixels)
    at = opened("image", model="demo", images=str(tmp_path / "own.npy"))
    assert not at.exception
    assert any("0 copies in 4,096 pictures" in one for one in said(at))
    assert not any("16,384" in one for one in said(at))


@pytest.mark.slow
def test_an_image_has_all_three_and_the_overview_a_forecast() -> None:
    at = opened("volume_growth", closer="How often")
    assert not at.exception
    headings = [one.value for one in at.subheader]
    assert any(one.startswith("Counted: it comes back") for one in headings)
    assert any(one.startswith("Predicted: it comes back") for one in headings)
    first = opened("overview")
    assert not first.exception
    assert any("Among 100,000 pictures, copies of about" in one for one in said(first))
    assert next(one for one in first.button if one.label.endswith("50 likeliest"))


def measured(images: ImageSet, places: range, model: str) -> Results:
    """Made-up losses of some images."""
    loss, found = MEASURES["integrated_loss"], Results()
    rows = {images.ids[place]: {"value": float(place), "stderr": 1.0} for place in places}
    found.add(model, loss.run, loss.defaults(load_denoiser("demo", "cpu")), rows)
    return found


def test_sessions_that_measured_other_images_share_no_prediction() -> None:
    images, model = load_images("demo"), load_denoiser("demo", "cpu")
    loaded = Workspace(Sources(), model, images, None)
    known = []
    for places in (range(1100), range(60, 1160)):  # as many, but not the same
        RESULTS.set(measured(images, places, model.digest))
        known.append(np.flatnonzero(np.isfinite(screen(loaded).scores)))
    RESULTS.pop()
    assert known[0].tolist() == list(range(1100))
    assert known[1].tolist() == list(range(60, 1160))
