"""The auditor's desk in a real Chromium: as quick as the keys, nothing lost, blind until decided;
the report opens offline.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from memlib import load_denoiser
from memlib.audit import Verdicts, standing
from memlib.audit.verification import read_report, verify
from tests.browser.server import PATIENCE, ROOT, free_port, served, server
from tests.browser.trips import CLOCK, bare_round_trip, quiet

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('audit') / 'audit.sqlite'}"


@pytest.fixture(scope="module")
def address(database: str) -> Iterator[str]:
    with served(ROOT / "app.py", AFTERIMAGE_DATABASE=database) as found:
        yield found


def sit_down(page: Page, address: str, reviewer: str, more: str = "") -> Locator:
    """The desk, with a reviewer at it."""
    page.goto(f"{address}/audit?{more}")
    desk = page.locator(".desk")
    expect(desk).to_have_attribute("data-ready", "yes", timeout=2 * PATIENCE)
    name = page.get_by_role("textbox", name="Reviewer")
    name.fill(reviewer)
    name.press("Enter")
    desk = page.locator(
        f'.desk[data-reviewer="{reviewer}"]'
    )  # for a moment the one without a name is still there
    expect(desk).to_have_count(1)
    expect(page.locator(".desk")).to_have_count(1)
    desk.focus()
    return desk


def history(database: str) -> pd.DataFrame:
    return Verdicts(database).history(load_denoiser("demo", "cpu").digest)


def all_saved(desk: Locator) -> None:
    expect(desk.locator(".saving")).to_have_text("")


@pytest.mark.alone
def test_the_next_case_is_drawn_within_one_and_a_half_round_trips(
    page: Page, browser: Browser, address: str, tmp_path: Path
) -> None:
    """From the key press to the drawn case, over verdicts, steps, undo and the ends of what the
    browser holds; against a bare rerun.
    """
    trip = bare_round_trip(browser, tmp_path)
    desk = sit_down(page, address, "Quick")
    page.evaluate(CLOCK, [desk.element_handle(), "data-at"])
    presses = [
        "1",
        "ArrowRight",
        "2",
        "3",
        "u",
        "ArrowLeft",
        "ArrowRight",
        "4",
        "ArrowRight",
        "ArrowRight",
    ] * 6
    for press in presses:
        before = desk.get_attribute("data-at")
        page.keyboard.press(press)
        expect(desk).not_to_have_attribute("data-at", str(before))
        expect(desk).to_have_attribute("data-ready", "yes")
    took = page.evaluate("window.took")
    assert len(took) >= len(presses) - 2
    print(f"key to case {quiet(took):.1f} ms, worst {max(took):.0f}; bare round trip {trip:.1f} ms")
    assert quiet(took) <= 1.5 * trip
    all_saved(desk)


def test_picture_caption_and_numbers_change_together(page: Page, address: str) -> None:
    desk = sit_down(page, address, "Looker")
    page.evaluate(
        """(root) => { window.seen = []; new MutationObserver(() => {
             const name = root.querySelector(".name")?.textContent
             const alt = root.querySelector(".sheet img")?.alt
             const maps = [...root.querySelectorAll(".maps img")].map((i) => i.alt)
             window.seen.push(name === alt && maps.every((one) => one.endsWith(name))
               && root.getAttribute("aria-label").includes(name))
           }).observe(root, { childList: true, subtree: true, attributes: true }) }""",
        desk.element_handle(),
    )
    for _ in range(15):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(1000)
    seen = page.evaluate("window.seen")
    assert len(seen) >= 15
    assert all(seen)


def test_verdicts_by_key_are_stored_with_note_region_and_evidence_and_stand_after_a_reload(
    page: Page, address: str, database: str
) -> None:
    desk = sit_down(page, address, "Ada")
    first = desk.get_attribute("data-at")
    page.keyboard.press("n")
    page.keyboard.type("both hands 1234")
    page.keyboard.press("Enter")
    sheet = desk.locator(".sheet")
    box = sheet.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 33, box["y"] + 65)
    page.mouse.down()
    page.mouse.move(box["x"] + 100, box["y"] + 200, steps=4)
    page.mouse.up()
    page.keyboard.press("2")
    page.keyboard.press("4")
    page.keyboard.press("u")
    all_saved(desk)
    table = history(database)
    table = table[table["reviewer"] == "Ada"]
    assert table["verdict"].tolist() == ["partly memorised", "unsure", None]
    assert table["stands"].all()
    line = table.iloc[0]
    assert (line["image"], line["note"], line["region"]) == (
        first,
        "both hands 1234",
        [8, 4, 25, 13],
    )
    evidence = Verdicts(database).evidence([int(line["id"])])[int(line["id"])]
    assert evidence["flagged"]["measure"] == "volume_growth"
    assert evidence["values"]["volume_growth"]["rank"] == 1
    page.goto("about:blank")
    desk = sit_down(page, address, "Ada", f"case={first}")
    expect(desk.get_by_role("button", name="Partly memorised")).to_have_attribute(
        "aria-pressed", "true"
    )
    page.keyboard.press("u")  # of the visit before
    expect(desk.get_by_role("button", name="Partly memorised")).to_have_attribute(
        "aria-pressed", "false"
    )
    all_saved(desk)
    assert standing(history(database)).query("reviewer == 'Ada'").empty


def test_a_second_window_is_told_and_both_verdicts_survive(
    page: Page, browser: Browser, address: str, database: str
) -> None:
    desk = sit_down(page, address, "Twice")
    other = browser.new_page()
    other.set_default_timeout(PATIENCE)
    second = sit_down(other, address, "Twice")
    page.keyboard.press("1")
    all_saved(desk)
    other.keyboard.press("3")
    expect(second.get_by_text("was decided in another window meanwhile")).to_be_visible()
    table = history(database).query("reviewer == 'Twice'")
    assert table["verdict"].tolist() == ["memorised", "not memorised"]
    assert table["stands"].tolist() == [True, False]
    other.keyboard.press("ArrowLeft")
    expect(second.get_by_role("button", name="Memorised", exact=False).first).to_have_attribute(
        "aria-pressed", "true"
    )
    other.close()


def test_the_second_reviewer_sees_the_first_verdict_only_after_deciding(
    page: Page, address: str
) -> None:
    desk = sit_down(page, address, "First one")
    page.keyboard.press("n")
    page.keyboard.type("a secret remark")
    page.keyboard.press("Enter")
    page.keyboard.press("1")
    all_saved(desk)
    arrived: list[str] = []
    page.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda frame: arrived.append(str(frame))),
    )
    page.goto("about:blank")
    desk = sit_down(page, address, "Second one")
    page.wait_for_timeout(1000)
    assert not any("a secret remark" in frame for frame in arrived)  # not only hidden: not sent
    page.keyboard.press("2")
    all_saved(desk)
    page.keyboard.press("ArrowLeft")
    expect(desk.get_by_text("First one: memorised, “a secret remark”")).to_be_visible()


def test_a_verdict_given_while_the_server_is_away_arrives_when_it_is_back(
    page: Page, tmp_path: Path
) -> None:
    port, database = free_port(), f"sqlite:///{tmp_path / 'audit.sqlite'}"
    with server(ROOT / "app.py", port, AFTERIMAGE_DATABASE=database) as (place, process):
        desk = sit_down(page, place, "Patient")
        page.keyboard.press("1")
        all_saved(desk)
        process.send_signal(signal.SIGSTOP)  # it hangs
        page.keyboard.press("3")
        page.keyboard.press("2")
        expect(desk.locator(".saving")).to_have_text("saving 2 …")
        page.wait_for_timeout(300)
    with server(ROOT / "app.py", port, AFTERIMAGE_DATABASE=database) as (place, _):
        page.goto("about:blank")
        page.goto(f"{place}/audit")
        desk = page.locator(".desk")  # nobody sits at it yet: what is sent carries who decided
        expect(desk).to_have_attribute("data-ready", "yes", timeout=2 * PATIENCE)
        all_saved(desk)
        assert history(database)["verdict"].tolist() == [
            "memorised",
            "not memorised",
            "partly memorised",
        ]
        assert history(database)["stands"].all()


@pytest.mark.parametrize("pictures", [True, False])
def test_the_report_opens_offline_and_shows_its_pictures(
    pictures: bool, page: Page, address: str, tmp_path: Path
) -> None:
    sit_down(page, address, f"Reporter {pictures}", "audit_panel=Export&names=copied")
    page.keyboard.press("1")
    if not pictures:
        page.get_by_text("Pictures in the report").click()
    page.get_by_role("button", name="Make the report").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Report", exact=True).click()
    download.value.save_as(tmp_path / "report.zip")
    files = read_report(tmp_path / "report.zip")
    assert verify(files).numbers
    (tmp_path / "report.html").write_bytes(files["report.html"])
    requests: list[str] = []
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith(("data:", "file:")) else requests.append(request.url)
        ),
    )
    page.goto((tmp_path / "report.html").as_uri())
    expect(
        page.get_by_role("heading", name="Audit of what a diffusion model remembers")
    ).to_be_visible()
    page.wait_for_timeout(500)
    assert not requests
    drawn = page.evaluate("[...document.images].map((i) => i.complete && i.naturalWidth > 0)")
    assert all(drawn)
    assert (len(drawn) > 40) is pictures
    assert page.get_by_text("77 of 834 different training images").count()
    assert page.get_by_text("0 of 187 different held-out images").count()
    assert page.get_by_text("false positives").count()
    assert page.get_by_text(f"Reporter {pictures}").count()


def test_a_click_on_a_case_of_the_queue_takes_the_desk_to_it(page: Page, address: str) -> None:
    desk = sit_down(page, address, "Chooser", "audit_panel=All%20cases&search=copied")
    page.keyboard.press("1")
    all_saved(desk)
    page.get_by_role("option", name="Case 6.").click()
    expect(desk.locator(".count")).to_contain_text("4 of 18")
    expect(page.get_by_role("option", name="Case 1.")).to_contain_text("memorised")
    desk.focus()
    page.keyboard.press("ArrowRight")
    following = page.get_by_role("option", name="Case 7.")
    expect(following).to_have_attribute("aria-selected", "true")
