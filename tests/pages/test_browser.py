"""The browser of images: filters hold for everything below them, one image is selected on every
page, no two pages share a choice.
"""

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from memlib import load_denoiser
from memlib.measures import GrowthSettings
from pages.ranking.settings import choice_of
from pages.session.state import Page
from tests.pages.app import opened, shown
from tests.pages.test_pages import ranking

BROWSING = ("volume_growth", "p_laplace", "extraction", "runs")


def go(at: AppTest, page: str) -> AppTest:
    """Open another page of the same session, as a click in the navigation does."""
    at.query_params.clear()
    return at.switch_page(f"pages/{page}/page.py").run()


def in_address(at: AppTest, name: str) -> str:
    """What the address says for a name."""
    found = at.query_params[name]
    return found if isinstance(found, str) else found[-1]


def shown_below(at: AppTest) -> list[str]:
    return [caption.value for caption in at.caption if "pass the filters" in caption.value]


@pytest.mark.parametrize("page", ["volume_growth", "p_laplace"])
def test_a_filter_holds_for_spread_table_and_downloads_and_each_says_so(page: str) -> None:
    whole = ranking(opened(page, fine="2"))
    wanted = whole[whole["group"] == "copied"]
    at = opened(page, fine="2", groups="copied")
    assert not at.exception
    table = ranking(at)
    assert table["id"].tolist() == wanted["id"].tolist()
    assert table["rank"].tolist() == wanted["rank"].tolist()  # among all, whatever the filters
    words = f"{len(wanted):,} of {len(whole):,} images"
    assert len([line for line in shown_below(at) if words in line]) >= 3  # head, spread, control
    assert any(f"{words}, in the table" in caption.value for caption in at.caption)
    assert any(words in str(element.value) for element in at.json)  # the provenance of downloads


def test_a_filter_of_generated_images_holds_for_their_table() -> None:
    at = opened("extraction", run="side", verdict="copy")
    assert not at.exception
    table = next(frame.value for frame in at.dataframe if "second_distance" in frame.value)
    assert set(table["verdict"]) == {"copy"}
    assert any(f"{len(table):,} of " in caption.value for caption in at.caption)


def test_the_image_chosen_on_one_page_is_chosen_on_all() -> None:
    at = opened("p_laplace", fine="2")
    image: pd.Series = ranking(at).iloc[99]
    at = go(opened("p_laplace", fine="2", image=image["id"]), "volume_growth")
    assert shown(at)["name"] == image["name"]
    at = go(at, "runs")
    assert not at.exception
    assert any(text.value == image["name"] for text in at.text)
    assert in_address(at, "image") == image["id"]


def test_the_generated_image_shown_is_one_of_the_chosen_image() -> None:
    at = opened("extraction", run="side")
    table = next(frame.value for frame in at.dataframe if "second_distance" in frame.value)
    places = table["nearest"].value_counts()
    own = table[table["nearest"] == places.index[-1]]
    images = at.session_state.workspace.images
    at = opened("extraction", run="side", image=images.ids[int(places.index[-1])])
    number = int(own.loc[own["ratio"].idxmin(), "number"])
    assert any(f"Generated image {number} and" in text.value for text in at.text)


def test_the_gallery_opens_where_the_chosen_image_is_and_a_new_order_at_its_first_page() -> None:
    at = opened("volume_growth", image=ranking(opened("volume_growth")).iloc[700]["id"])
    assert at.session_state["volume_growth opened at"][1] == 700 // 48 + 1
    at.button_group(key="volume_growth.order").set_value("Least first").run()
    assert at.session_state["volume_growth opened at"][1] == 1


def test_no_two_pages_share_a_choice() -> None:
    seen: dict[str, str] = {}
    for page in BROWSING:
        at = opened(page)
        keys = {
            widget.key
            for kind in (at.number_input, at.text_input, at.selectbox, at.button_group, at.toggle)
            for widget in kind
            if widget.key and not widget.key.startswith("$$")
        }
        shared = {key: seen[key] for key in keys if key in seen}
        assert not shared
        seen |= dict.fromkeys(keys, page)


def test_settings_go_to_the_address_and_come_back() -> None:
    at = opened("volume_growth", steps="3", seed="5", low="0.5")
    for name, value in {"steps": 3, "seed": 5, "low": 0.5}.items():
        assert at.number_input(key=f"volume_growth.{name}").value == value
    at.number_input(key="volume_growth.steps").set_value(24).run()
    assert in_address(at, "steps") == "24"
    usual = GrowthSettings().for_model(load_denoiser("demo", "cpu"))
    asked = usual.changed({"steps": 24, "seed": 5, "sigma_min": 0.5})
    told = asked.address(usual)
    assert {name: in_address(at, name) for name in told} == told


def test_every_control_of_a_setting_has_the_limits_and_the_default_that_it_declares() -> None:
    usual = GrowthSettings(sigma_min=0.1, sigma_max=10.0)
    for name, option in GrowthSettings.options().items():
        if option.kind in (int, float):
            choice = choice_of(Page("toy"), usual, name)
            assert (choice.low, choice.high) == (option.low, option.high)  # type: ignore[attr-defined]
            assert choice.usual == getattr(usual, name)
            assert choice.name == (option.address or name)


@pytest.mark.parametrize("page", ["volume_growth", "p_laplace"])
def test_no_two_controls_of_a_page_have_one_name(page: str) -> None:
    labels = [group.label for group in opened(page, fine="2").button_group]
    assert len(set(labels)) == len(labels)
