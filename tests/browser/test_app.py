"""The real app in a real Chromium: the ranked gallery, choosing an image, its heatmap, links, no
errors in the console.
"""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.server import PATIENCE, ROOT, served
from tests.browser.trips import RESTED, scrolled_to

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def rank(page: Page, said: str) -> Locator:
    """The number of the selected image that says its rank."""
    return page.locator(".explorer dd").filter(has_text=said)


def test_a_deep_link_as_the_servers_first_request_opens_the_whole_app(page: Page) -> None:
    with served(ROOT / "app.py") as fresh:
        page.goto(f"{fresh}/workspace")
        expect(page.get_by_role("heading", name="Workspace")).to_be_visible()
        expect(page.get_by_role("link", name="Volume growth")).to_be_visible()
        expect(page.get_by_text("Emoji demo model").first).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)  # no "Page not found" over it


def test_the_first_page_says_what_the_model_gives_away_and_hands_its_choice_on(page: Page) -> None:
    with served(ROOT / "app.py") as fresh:
        page.goto(f"{fresh}/overview?image=none")  # its name leads to the root
        expect(page.get_by_role("heading", name="pictures drawn")).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.get_by_role("option").nth(2).click()
        name = page.get_by_role("option").nth(2).locator(".caption").nth(1).text_content()
        chosen = page.get_by_test_id("stMain").get_by_role("paragraph").filter(has_text=name)
        expect(chosen).to_be_visible()
        page.get_by_role("link", name="Growth and its map").click()
        expect(page.get_by_role("heading", name="Volume growth")).to_be_visible()
        expect(page.locator(".explorer .name")).to_contain_text(str(name))
        page.goto(f"{fresh}/volume_growth")
        expect(page.get_by_role("option")).to_have_count(48)
        expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_ranked_gallery_opens_and_a_chosen_image_shows_its_heatmap(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/volume_growth")
    cards = page.get_by_role("option")
    expect(cards).to_have_count(48)
    assert cards.nth(0).get_attribute("aria-label").startswith("Rank 1:")  # type: ignore[union-attr]
    expect(cards.nth(0)).to_have_attribute("aria-selected", "true")
    cards.nth(7).click()
    expect(cards.nth(7)).to_have_attribute("aria-selected", "true")
    expect(rank(page, "8 of 1,164")).to_be_visible()
    expect(page.get_by_role("img", name="Growth. ")).to_be_visible()
    expect(page).to_have_url(re.compile("image="))  # the server is told afterwards

    link = page.url
    page.goto("about:blank")
    page.goto(link)
    expect(rank(page, "8 of 1,164")).to_be_visible()


def test_the_gallery_answers_to_the_arrow_keys(page: Page, address: str) -> None:
    page.goto(f"{address}/volume_growth")
    cards = page.get_by_role("option")
    cards.nth(2).click()
    expect(rank(page, "3 of 1,164")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(cards.nth(3)).to_have_attribute("aria-selected", "true")
    expect(rank(page, "4 of 1,164")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(rank(page, "5 of 1,164")).to_be_visible()


@pytest.mark.parametrize(
    ("path", "slider", "picture"),
    [
        ("/volume_growth", "Opacity of the map", "the map laid on it"),
        ("/volume_growth", "Counted up to noise level σ", "Growth. "),
        ("/p_laplace", "p", "Flux. "),
        ("/p_laplace", "Noise level σ", "Flux. "),
    ],
)
def test_the_sliders_of_the_map_move_without_asking_the_server(
    page: Page, address: str, path: str, slider: str, picture: str
) -> None:
    sent: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page.goto(address + path)
    handle = page.get_by_role("slider", name=slider, exact=True)
    canvas = page.get_by_role("img", name=picture).first
    expect(handle).to_be_enabled()
    expect(canvas).to_be_visible()
    page.wait_for_timeout(500)
    page.evaluate(RESTED)
    sent.clear()
    before = canvas.evaluate("canvas => canvas.toDataURL()")
    told = canvas.get_attribute("aria-label")
    handle.fill("2")
    page.wait_for_timeout(500)
    assert canvas.evaluate("canvas => canvas.toDataURL()") != before
    if slider != "Opacity of the map":
        assert canvas.get_attribute("aria-label") != told
    assert not sent


def test_the_sliders_follow_the_choices_of_the_page_and_keep_what_was_moved(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/p_laplace")
    power, level = (
        page.get_by_role("slider", name=name, exact=True) for name in ("p", "Noise level σ")
    )
    expect(power).to_be_enabled()
    expect(power).to_have_value("0")
    power.fill("3")
    page.get_by_role("option").nth(4).click()
    expect(rank(page, "5 of 1,164")).to_be_visible()
    expect(power).to_be_enabled()
    expect(power).to_have_value("3")  # another image, the same position
    page.get_by_role("radio", name="3", exact=True).click()
    expect(power).to_be_enabled()
    expect(power).to_have_value("6")  # the page now ranks by p = 3
    before = level.input_value()
    page.get_by_role("radio", name="2", exact=True).last.click()
    expect(level).not_to_have_value(before)


def test_an_image_is_redrawn_and_its_basin_shown(page: Page, address: str) -> None:
    page.goto(f"{address}/volume_growth?closer=Redraw")
    page.get_by_role("button", name="Redraw it").click()
    expect(page.get_by_text("Coloured frame: returned")).to_be_visible(timeout=4 * PATIENCE)
    expect(
        page.get_by_role("img", name="Redraws from noise level 32").or_(
            page.locator("img[alt^='Redraws from noise level 32']")
        )
    ).to_be_visible()


def test_work_on_one_image_can_be_stopped(page: Page, address: str) -> None:
    page.goto(f"{address}/volume_growth?closer=The+paper%27s+procedure")
    start = page.get_by_role("button", name="Run the paper's procedure")
    start.click()
    expect(page.get_by_text("Run the paper's procedure, 1%")).to_be_visible()
    page.mouse.move(700, 600)
    page.mouse.wheel(0, 5000)  # a part that comes into sight does not end the work
    expect(page.get_by_text("Run the paper's procedure, 2%")).to_be_attached()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(start).to_be_visible(timeout=20_000)
    expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0)


def test_a_part_below_the_screen_is_drawn_when_it_is_scrolled_to(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{address}/volume_growth")
    expect(page.get_by_role("option")).to_have_count(48)
    page.wait_for_timeout(1500)
    charts = page.get_by_test_id("stPlotlyChart")
    expect(charts).to_have_count(0)
    scrolled_to(page, "Growth against number of copies")
    expect(charts).not_to_have_count(0)
    expect(page.get_by_test_id("stDataFrame")).to_have_count(0)
    page.get_by_role("button", name="Table", exact=True).press("Enter")
    expect(page.get_by_test_id("stDataFrame")).not_to_have_count(0)


def test_stopping_a_measurement_keeps_the_finished_images(page: Page, address: str) -> None:
    page.goto(f"{address}/volume_growth?steps=4&probes=1&seed=5")
    expect(page.get_by_text("No image has been measured with these settings yet")).to_be_visible()
    page.get_by_role("radio", name="Everything").click()
    page.get_by_role("button", name="Measure", exact=True).click()
    expect(
        page.get_by_text("of 1,164 images measured").or_(page.get_by_text("Measuring, 4%"))
    ).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_role("option").first).to_be_visible()
    said = rank(page, "1 of ").first.text_content()
    assert said is not None
    assert 0 < int(said.split(" of ")[1].replace(",", "")) < 1164


def test_an_image_of_the_overview_leads_to_everything_about_it(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("option").nth(1).click()
    page.get_by_role("link", name="Everything about this image").click()
    expect(page.get_by_role("heading", name="came back in")).to_be_visible()
    named = page.get_by_role("heading", name="came back in").text_content()
    expect(page.get_by_role("figure", name="p-Laplace K₁")).to_be_visible()
    page.get_by_role("button", name="Next in rank").click()
    expect(page.get_by_role("heading", name="came back in")).not_to_have_text(str(named))
    expect(page).to_have_url(re.compile("image="))  # the server is told afterwards
