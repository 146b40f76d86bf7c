"""Where rates come from: counted, estimated and predicted ones are told apart on every page."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.app import opened


def said(at: AppTest) -> list[str]:
    return [str(one.value) for one in (*at.subheader, *at.markdown, *at.caption)]


@pytest.mark.slow
def test_evidence_says_from_what_rates_are_predicted_and_how_well() -> None:
    at = opened("evidence")
    assert not at.exception
    words = said(at)
    assert any("*counted*" in one and "*predicted*" in one for one in words)
    assert any(one.startswith("Predicted from the integrated loss, calibrated") for one in words)
    covered = next(one for one in words if one.startswith("Each image predicted from"))
    assert "too narrow" not in covered
    button = next(one for one in at.button if one.label.startswith("Estimate the rates of the"))
    assert button.label.endswith("50 likeliest")


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
