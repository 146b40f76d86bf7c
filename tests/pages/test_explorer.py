"""The explorer is sent all it needs to show any image of the page without the server."""

import base64
import re
import subprocess
import sys

import numpy as np
import pytest

from memlib.bundled import DEMO
from memlib.runs import read_run
from pages.ranking import ranked
from pages.session import results
from pages.widgets.base import quantised
from pages.widgets.explorer import Entry, Lines, page_of_images
from pages.widgets.gallery import Card
from tests.pages.app import explored, opened, rank, shown
from tests.pages.test_pages import ranking

LINES = Lines("a", ("x", "y"), [("this", "#123")], [1.0, 2.0], (0.0, 1.0))


def restored(sent: dict) -> np.ndarray:
    low, high = sent["range"]
    whole = np.frombuffer(base64.b64decode(sent["values"]), "<u2")
    return low + whole / 65535 * (high - low)


def test_maps_travel_in_sixteen_bits_of_their_range() -> None:
    maps = np.random.default_rng(0).normal(size=(3, 4, 5))
    error = np.abs(restored(quantised(maps)).reshape(maps.shape) - maps).max()
    assert error <= (maps.max() - maps.min()) / 131070 + 1e-12
    assert set(restored(quantised(np.full(4, 2.5)))) == {2.5}
    assert restored(quantised(np.array([np.nan, 1.0, 2.0]))).tolist() == [1.0, 1.0, 2.0]


def test_every_image_of_the_page_comes_with_its_own_picture_map_curve_and_numbers() -> None:
    at = opened("volume_growth")
    page, table = explored(at)["page"], ranking(at)
    _, rows = read_run(DEMO / "runs" / "volume-growth")
    assert [card["id"] for card in page["cards"]] == table["id"].tolist()[:48]
    assert [entry["id"] for entry in page["entries"]] == table["id"].tolist()[:48]
    maps = restored(page["map"]).reshape(48, *page["map"]["size"])
    for place, entry in enumerate(page["entries"]):
        row = rows[entry["id"]]
        assert entry["value"] == pytest.approx(row["value"])
        assert entry["numbers"][2][0] == f"{place + 1} of 1,164"
        np.testing.assert_allclose(entry["curves"][0][1:], row["curve"], rtol=1e-6)
        assert maps[place].sum() == pytest.approx(row["value"], rel=1e-4)  # smoothed, the sum stays


def test_the_chosen_image_is_sent_also_where_another_page_of_the_gallery_is_open() -> None:
    last = ranking(opened("volume_growth")).iloc[-1]
    at = opened("volume_growth", image=last["id"], search=str(last["name"])[:4])
    page = explored(at)["page"]
    assert shown(at)["name"] == last["name"]
    assert len(page["entries"]) - len(page["cards"]) in (0, 1)
    assert rank(at).startswith(f"{last['rank']:,} of")


def test_another_image_changes_nothing_of_the_page_that_is_sent() -> None:
    at = opened("volume_growth")
    other = ranking(at)["id"].iloc[5]
    after = opened("volume_growth", image=other)
    assert explored(after)["selected"] == other
    assert explored(after)["page"] == explored(at)["page"]
    charts = [[chart.proto.spec for chart in one.get("plotly_chart")] for one in (at, after)]
    assert len(charts[0]) >= 2
    assert charts[0] == charts[1]


def test_a_filter_leaves_other_images_out_of_the_spread() -> None:
    page = explored(opened("p_laplace", fine="2", groups="copied"))["page"]
    assert [group["name"] for group in page["spread"]["groups"]] == ["copied"]
    assert sum(page["spread"]["groups"][0]["heights"]) == pytest.approx(100, abs=0.5)


def test_the_maps_of_an_image_do_not_start_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages.session.results.forward_seconds", lambda _: 1e3)
    at = opened("p_laplace", fine="4")
    assert list(explored(at)["details"]) == [explored(at)["selected"]]


def test_an_explorer_says_what_does_not_fit() -> None:
    pictures = np.zeros((2, 4, 4, 3), np.uint8)
    entry = Entry("a", "a", "", 1.0, [], [[0.0, 1.0]])
    with pytest.raises(ValueError, match=re.escape("1 entries, 1 cards and 2 pictures")):
        page_of_images(
            pictures,
            [Card("a", "a", "", "a")],
            [entry],
            [],
            LINES,
            None,
            None,
            [],
            shape=(4, 4),
            missing="",
        )


def test_opening_the_app_does_not_wait_for_what_only_some_pages_need() -> None:
    code = (
        "import sys; import memlib, memlib.evidence, memlib.audit, memlib.extraction, memlib.runs;"
        "print([name for name in ('sklearn',) if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_the_explorer_does_not_wait_for_the_sizes_of_pictures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[str] = []
    sizes, draw = results.png_sizes, ranked.explorer
    monkeypatch.setattr(results, "png_sizes", lambda *a: order.append("sizes") or sizes(*a))
    monkeypatch.setattr(
        ranked, "explorer", lambda *a, **k: order.append("explorer") or draw(*a, **k)
    )
    results._made.clear()
    opened("volume_growth")
    assert order[0] == "explorer"
    assert "sizes" in order
