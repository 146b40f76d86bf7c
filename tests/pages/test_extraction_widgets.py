"""The wipe, the trajectory, the pairs and the replay: what each sends to the browser, and what they
refuse.
"""

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from pages.widgets import replay as replay_module
from pages.widgets.base import as_sheet
from pages.widgets.pairs import Pair, pairs
from pages.widgets.replay import MOST, counts, replay
from pages.widgets.trajectory import trajectory
from pages.widgets.wipe import wipe

HEAD = """
import numpy as np
import streamlit as st
random = np.random.default_rng(0)
some = lambda *shape: random.integers(0, 256, (*shape, 3), np.uint8)
"""


def run(script: str) -> AppTest:
    at = AppTest.from_string(HEAD + script, default_timeout=30).run()
    assert not at.exception
    return at


def sent(at: AppTest) -> list[dict[str, Any]]:
    return [json.loads(element.proto.json) for element in at.get("bidi_component")]


def some(*shape: int) -> np.ndarray:
    """The pictures the scripts draw first."""
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)


def decoded(url: str) -> np.ndarray:
    head, _, text = url.partition(";base64,")
    assert head in ("data:image/png", "data:image/webp")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"))


def cut(sheet: dict[str, Any], count: int) -> np.ndarray:
    """The pictures of a sheet, as the browser cuts them."""
    pixels, width, height = decoded(sheet["url"]), sheet["width"], sheet["height"]
    corners = [
        (place // sheet["columns"] * height, place % sheet["columns"] * width)
        for place in range(count)
    ]
    return np.stack([pixels[top : top + height, left : left + width] for top, left in corners])


@pytest.mark.parametrize("count", [1, 5, 64, 65, 200])
def test_every_picture_comes_out_of_a_sheet_as_it_went_in(count: int) -> None:
    pictures = some(count, 6, 5)
    np.testing.assert_array_equal(cut(as_sheet(pictures, 64), count), pictures)


def test_large_pictures_are_averaged_over_whole_blocks() -> None:
    pictures = some(3, 12, 12)
    sheet = as_sheet(pictures, 4)
    expected = np.stack(
        [
            [
                [picture[3 * i : 3 * i + 3, 3 * j : 3 * j + 3].mean((0, 1)) for j in range(4)]
                for i in range(4)
            ]
            for picture in pictures
        ]
    )
    np.testing.assert_array_equal(cut(sheet, 3), expected.round())


def test_a_wipe_carries_both_pictures_and_their_absolute_difference() -> None:
    at = run(
        "from pages.widgets.wipe import wipe\nboth = some(2, 4, 5)\nwipe(both[0], both[1], "
        '("Generated", "<b>Nearest</b>"), key="w", alt="Sample 3")'
    )
    (data,) = sent(at)
    left, right = some(2, 4, 5)
    np.testing.assert_array_equal(decoded(data["left"]), left)
    np.testing.assert_array_equal(decoded(data["right"]), right)
    difference = abs(left.astype(int) - right.astype(int))
    np.testing.assert_array_equal(decoded(data["difference"]), difference)
    assert data["told"] == f"Mean {difference.mean():.1f}, largest {difference.max()} of 255"
    assert (data["names"], data["alt"], data["width"], data["height"]) == (
        ["Generated", "<b>Nearest</b>"],
        "Sample 3",
        5,
        4,
    )


def test_a_difference_too_small_to_see_is_drawn_brighter_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "pages.widgets.wipe._component", lambda **arguments: taken.append(arguments["data"])
    )
    left = np.full((4, 4, 3), 100, np.uint8)
    for step, brighter, told in (
        (20, 12, "Mean 1.2, largest 20 of 255, drawn 12 times brighter"),
        (0, 1, "Mean 0.0, largest 0 of 255"),
    ):
        right = left.copy()
        right[0, 0] = 100 - step
        wipe(left, right, ("a", "b"), key="w", alt="")
        assert decoded(taken[-1]["difference"]).max() == step * brighter
        assert taken[-1]["told"] == told


def test_a_wipe_refuses_what_cannot_be_laid_over_each_other() -> None:
    with pytest.raises(ValueError, match=r"same shape.*\(4, 4, 3\) and \(4, 5, 3\)"):
        wipe(some(4, 4), some(4, 5), ("a", "b"), key="w", alt="")
    with pytest.raises(ValueError, match=r"uint8.*float64"):
        wipe(np.zeros((4, 4, 3)), np.zeros((4, 4, 3)), ("a", "b"), key="w", alt="")


def path(levels: int = 6) -> dict[str, Any]:
    """A path among training images 40, 7, 300, 12, 9, 8, committed to the last from level 4 on."""
    index = np.array([[40, 7, 300, 12, 9]] * 4 + [[8, 7, 300, 12, 9]] * (levels - 4))
    return {
        "noisy": some(levels, 4, 4),
        "denoised": 255 - some(levels, 4, 4),
        "sigmas": np.geomspace(10, 0.1, levels),
        "index": index,
        "weight": np.linspace(0.5, 0.1, 5) * np.ones((levels, 1)),
        "candidates": np.geomspace(300, 1, levels),
        "thumbnails": {
            image: np.full((3, 3, 3), image % 256, np.uint8) for image in (7, 8, 9, 12, 40, 300)
        },
        "names": {image: f"image {image}" for image in (7, 8, 9, 12, 40, 300)},
        "commit": 4,
    }


def test_a_trajectory_names_and_shows_the_images_that_have_the_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = path()
    taken: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "pages.widgets.trajectory._component", lambda **arguments: taken.append(arguments["data"])
    )
    trajectory(**given, key="t", alt="Sample 5")
    (data,) = taken
    thumbnails = cut(data["thumbnails"], len(data["names"]))
    for level, row in enumerate(given["index"]):
        for place, image in enumerate(row):
            at = data["index"][level][place]
            assert data["names"][at] == f"image {image}"
            assert (thumbnails[at] == image % 256).all()
    np.testing.assert_array_equal(cut(data["noisy"], 6), given["noisy"])
    np.testing.assert_array_equal(cut(data["denoised"], 6), given["denoised"])
    np.testing.assert_allclose(data["weight"], given["weight"])
    np.testing.assert_allclose(data["candidates"], given["candidates"])
    np.testing.assert_allclose(data["sigmas"], given["sigmas"])
    assert data["commit"] == 4


def test_a_trajectory_is_drawn_by_a_page() -> None:
    at = run("""
from pages.widgets.trajectory import trajectory
sigmas, nearest = np.array([2.0, 1.0, 0.5], np.float32), np.zeros((3, 5), np.int64)
weights, effective = np.full((3, 5), 0.2, np.float32), np.array([5.0, 2.0, 0.9999999], np.float32)
trajectory(some(3, 4, 4), some(3, 4, 4), sigmas, nearest, weights, effective,
    {0: some(4, 4)}, {0: "only"}, None, key="t", alt="Sample 5")
""")
    (data,) = sent(at)
    assert data["commit"] is None
    assert data["candidates"] == [5, 2, 1]  # never less than one, whatever the rounding


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sigmas": np.array([5, 4, 3, 2, 1, 0.0])}, r"positive and descending.*0\.0"),
        ({"sigmas": np.geomspace(0.1, 10, 6)}, "positive and descending"),
        ({"sigmas": np.geomspace(10, 0.1, 5)}, "5 noise levels"),
        ({"denoised": some(5, 4, 4)}, "6 noise levels"),
        ({"weight": np.ones((6, 4))}, r"\(6, 4\)"),
        ({"commit": 6}, "levels 0 to 5.*level 6"),
        ({"names": {7: "seven"}}, r"\[8, 9, 12, 40, 300\].*no name"),
    ],
)
def test_a_trajectory_refuses_what_does_not_agree(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        trajectory(**{**path(), **change}, key="t", alt="")


PAIRS = """
from pages.widgets.pairs import Pair, pairs
pictures = some(4, 3, 4, 4)
words = lambda place: (f"distance {place}", "a name")
rows = [Pair(10 + i, tuple(pictures[i]), words(i), i == 2) for i in range(4)]
asked = st.session_state.get("asked")
pairs(rows, asked, key="p", alt="Generated pictures", on_select=print)
"""


def test_pairs_send_each_card_its_pictures_lines_and_verdict() -> None:
    (data,) = sent(run(PAIRS))
    np.testing.assert_array_equal(cut(data["sheet"], 12), some(4, 3, 4, 4).reshape(12, 4, 4, 3))
    assert [card["id"] for card in data["cards"]] == [10, 11, 12, 13]
    assert [card["copy"] for card in data["cards"]] == [False, False, True, False]
    assert data["cards"][3]["captions"] == ["distance 3", "a name"]
    assert (data["each"], data["scale"], data["selected"]) == (3, 16, None)


def test_the_page_says_which_pair_is_selected_and_one_that_is_not_shown_is_none() -> None:
    at = run(PAIRS)
    for asked, answer in ((12, 12), (13, 13), (99, None), (None, None)):
        at.session_state["asked"] = asked
        at.run()
        assert sent(at)[0]["selected"] == answer


def test_no_pairs_are_drawn_as_none() -> None:
    at = run(
        'from pages.widgets.pairs import pairs\npairs([], 3, key="p", alt="", on_select=print)'
    )
    assert (sent(at)[0]["selected"], sent(at)[0]["cards"]) == (None, [])


def test_a_selected_pair_is_told_like_that_of_every_widget(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    heard: list[Any] = []
    monkeypatch.setattr(
        "pages.widgets.pairs._component", lambda **arguments: heard.append(arguments["on_event"])
    )
    pairs([Pair(7, tuple(some(2, 4, 4)), (), False)], None, key="p", alt="", on_select=told.append)
    heard[0]({"kind": "selected", "id": 7})
    assert told == [7]


def test_pairs_refuse_cards_of_different_pictures() -> None:
    rows = [Pair(0, tuple(some(3, 4, 4)), (), False), Pair(1, tuple(some(2, 4, 4)), (), False)]
    with pytest.raises(ValueError, match="same number of pictures"):
        pairs(rows, None, key="p", alt="", on_select=print)
    with pytest.raises(ValueError, match="one shape"):
        one = Pair(0, (some(4, 4), some(5, 5)), (), False)
        pairs([one], None, key="p", alt="", on_select=print)


def test_copies_and_the_images_copied_are_counted_as_a_set_counts_them() -> None:
    found = np.random.default_rng(1).integers(-1, 30, 500)
    copies, unique = counts(found)
    for n in (1, 2, 17, 250, 500):
        copied = [image for image in found[:n] if image >= 0]
        assert (copies[n - 1], unique[n - 1]) == (len(copied), len(set(copied)))
    copies, unique = counts(np.full(5, -1))
    assert copies.sum() == unique.sum() == 0


REPLAY = """
from pages.widgets.replay import replay
found = np.where(np.arange(70) % 3, -1, np.arange(70) % 4)
replay(some(70, 4, 4), found, key="r", alt="Unconditional samples")
st.button("Again")
"""


def test_a_replay_sends_the_run_as_one_picture_and_compresses_it_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []

    def counted(pictures: np.ndarray, most: int) -> dict[str, Any]:
        calls.append(len(pictures))
        return as_sheet(pictures, most)

    monkeypatch.setattr(replay_module, "as_sheet", counted)
    at = run(REPLAY)
    (data,) = sent(at)
    np.testing.assert_array_equal(cut(data["sheet"], 70), some(70, 4, 4))
    assert (data["found"][:7], data["copies"][:7], data["unique"][:7]) == (
        [0, -1, -1, 3, -1, -1, 2],
        [1, 1, 1, 2, 2, 2, 3],
        [1, 1, 1, 2, 2, 2, 3],
    )
    assert (data["copies"][-1], data["unique"][-1]) == (24, 4)
    at.button[0].click().run()
    assert sent(at)[0]["sheet"] == data["sheet"]
    assert calls == [70]


def test_a_replay_refuses_too_many_pictures_and_verdicts_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="at most 4,096 pictures; these are 4,097"):
        replay(np.zeros((MOST + 1, 1, 1, 3), np.uint8), np.zeros(MOST + 1, int), key="r", alt="")
    with pytest.raises(ValueError, match=r"3 pictures need as many verdicts; these are \(2,\)"):
        replay(some(3, 4, 4), np.zeros(2, int), key="r", alt="")
    with pytest.raises(ValueError, match="stored run must be uint8"):
        replay(np.zeros((0, 4, 4, 3), np.uint8), np.zeros(0, int), key="r", alt="")
