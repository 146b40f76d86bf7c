"""The tour: every step is an address that opens by itself, and speaks of what its page shows."""

import pytest
from streamlit.testing.v1 import AppTest

from memlib import load_images
from memlib.demo.rates import FOLDER
from memlib.evidence.draws import Draws
from pages.overview.tour import COPIED, STEPS, address
from tests.pages.app import opened


def bars(at: AppTest) -> list[str]:
    return [one.value for one in at.markdown if f" of {len(STEPS)}: " in one.value]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(1, len(STEPS) + 1))
def test_every_step_opens_in_a_new_session(number: int) -> None:
    at = opened(STEPS[number - 1].page, **address(number))
    assert not at.exception
    assert bars(at)[0].startswith(f"**{number} of {len(STEPS)}: {STEPS[number - 1].title}.")
    labels = {button.label: button.proto.disabled for button in at.button}
    assert labels["Back"] == (number == 1)
    assert labels["Next"] == (number == len(STEPS))


@pytest.mark.parametrize("step", ["6", "x"])
def test_no_other_address_is_a_step(step: str) -> None:
    assert not bars(opened("methods", tour=step))


def test_the_image_of_the_tour_is_often_copied() -> None:
    images, (draws, _) = load_images("demo"), Draws.read(FOLDER)
    assert images.names[images.ids.index(COPIED)] == "copied/smiley-japanese_goblin.png"
    assert draws.times_of(COPIED, 0.1) > 100
