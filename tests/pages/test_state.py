"""A choice is bound to its widget and the address, belongs to its page, and ends when it should."""

from typing import Any

import pytest
import streamlit as st

from pages.session import selection, state
from pages.session.state import Choice, Kept, Page

PAGE = Page("toy")
STEPS = PAGE.number("steps", 12, 2, 200)
LOW = PAGE.number("low", 0.02, 1e-4, 200.0)
POWER = PAGE.one_of("p", (1.0, 1.5, 2.0), 1.0)
PANEL = PAGE.maybe_one_of("look", ("Radius", "Redraw"))
GROUPS = PAGE.some_of("groups", ("copied", "held-out"))
NAMES = PAGE.text("names", of_model=True)
MIRROR = PAGE.switch("mirror")
CONTROL = PAGE.one_of("control", ("png", "bits"), "png", words={"png": "Size", "bits": "Bits"}.get)
BAND = PAGE.any("band", (0.0, 1.0))


class Address(dict):
    """What stands behind the question mark, as st.query_params has it."""

    def get_all(self, name: str) -> list[str]:
        value = self.get(name, [])
        return list(value) if isinstance(value, list) else [value]


@pytest.fixture(autouse=True)
def session(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session of the test's own, in place of one that only a running script has."""

    class State(dict):
        __getattr__ = dict.__getitem__

    monkeypatch.setattr(st, "session_state", State())
    monkeypatch.setattr(st, "query_params", Address())


@pytest.mark.parametrize(
    ("choice", "value", "text"),
    [
        (STEPS, 24, ["24"]),
        (LOW, 0.12345678, ["0.12345678"]),
        (LOW, 3.0, ["3"]),
        (POWER, 1.5, ["1.5"]),
        (POWER, 2.0, ["2"]),
        (PANEL, "Redraw", ["Redraw"]),
        (GROUPS, ["copied", "held-out"], ["copied", "held-out"]),
        (NAMES, "a&b=c", ["a&b=c"]),
        (MIRROR, True, ["true"]),
        (CONTROL, "bits", ["bits"]),
    ],
)
def test_a_choice_goes_to_the_address_and_comes_back(
    choice: Choice[Any], value: Any, text: list[str]
) -> None:
    choice.set(value)
    assert st.query_params.get_all(choice.name) == text
    st.session_state.clear()
    assert choice.value() == value
    assert type(choice.value()) is type(value)
    choice.set(choice.usual)
    assert choice.name not in st.query_params  # what is usual goes without saying


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        (STEPS, "9" * 5000),
        (STEPS, "1" * 400),
        (STEPS, "12.5"),
        (STEPS, "1e99"),
        (STEPS, "-4"),
        (LOW, "nan"),
        (LOW, "abc"),
        (LOW, "inf"),
        (POWER, "7"),
        (PANEL, "Find an image"),
        (GROUPS, "no such group"),
        (NAMES, "x" * 5000),
        (MIRROR, "perhaps"),
        (CONTROL, "nothing"),
    ],
)
def test_an_address_that_makes_no_sense_is_as_good_as_none(choice: Choice[Any], text: str) -> None:
    st.query_params[choice.name] = text
    assert choice.value() == choice.usual


def test_an_option_may_be_linked_by_its_words() -> None:
    st.query_params["control"] = "Bits"
    assert CONTROL.value() == "bits"


def test_what_the_widget_says_comes_before_the_link_and_the_link_before_what_was_chosen() -> None:
    STEPS.set(20)
    del st.session_state[STEPS.id]  # the page was left: the widget is gone
    st.query_params.clear()
    assert STEPS.value() == 20
    st.query_params["steps"] = "30"
    assert STEPS.value() == 30
    st.session_state[STEPS.id] = 40
    assert STEPS.value() == 40
    assert STEPS.key() == "toy.steps"
    assert st.query_params["steps"] == ["40"]


def test_a_selection_that_was_taken_back_stays_taken_back() -> None:
    PANEL.set("Radius")
    st.session_state[PANEL.id] = None
    assert PANEL.value() is None
    PANEL.key()
    assert "look" not in st.query_params


def test_what_can_no_longer_be_chosen_gives_way_to_the_usual() -> None:
    POWER.set(2.0)
    assert POWER.among((1.0, 3.0), 3.0).value() == 3.0
    STEPS.set(150)
    assert STEPS.within(2, 100, 500).value() == 100
    BAND.set((0.2, 0.4))
    assert BAND.value() == (0.2, 0.4)
    assert "band" not in st.query_params


def test_what_belongs_to_a_model_ends_with_it_and_the_rest_stays() -> None:
    NAMES.set("person")
    STEPS.set(20)
    looked_up = Kept("looked up", dict, of_model=True)
    looked_up.get()["a"] = 1
    selection.choose("an image")
    state.end_of_model()
    assert NAMES.value() == ""
    assert "names" not in st.query_params
    assert STEPS.value() == 20
    assert looked_up.get() == {}
    st.query_params.pop("image")
    assert selection.chosen() is None


def test_a_page_does_not_hand_its_choices_to_the_next() -> None:
    state.arrive("toy")
    STEPS.set(20)
    state.arrive("other")
    assert "steps" not in st.query_params
    assert Page("other").number("steps", 12, 2, 200).value() == 12
    st.query_params["steps"] = "30"  # a link of the other page
    state.arrive("other")
    assert Page("other").number("steps", 12, 2, 200).value() == 30


def test_the_chosen_image_is_the_same_on_every_page_and_stands_in_each_address() -> None:
    assert selection.chosen() is None
    assert "image" not in st.query_params
    selection.choose("a")
    st.query_params.clear()  # another page
    assert selection.chosen() == "a"
    assert st.query_params["image"] == "a"
    st.query_params["image"] = "b"  # a link
    assert selection.chosen() == "b"
    st.query_params.clear()
    assert selection.chosen() == "b"
