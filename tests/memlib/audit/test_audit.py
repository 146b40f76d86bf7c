"""What is queued, what it means to be flagged, what matches a list from elsewhere, and what the
report says.
"""

import io
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from memlib import ImageSet, load_images
from memlib.audit import Change, Verdicts, removal_list
from memlib.audit.lookalikes import lookalikes, perceptual_hash
from memlib.audit.queue import match_names, match_pictures, read_names
from memlib.audit.report import Audit, Entry, html_report
from memlib.images import to_pixels
from memlib.neighbours import duplicates


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return load_images("demo")


def encoded(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a.png\nb.png\n\n", ["a.png", "b.png"]),
        ('\ufeffscore,file_name\n3,a.png\n4,"b, c.png"\n', ["a.png", "b, c.png"]),
        ("ID;x\n", ["ID;x"]),
        ("x,y\n1,2\n", ["x", "1"]),
        ("", []),
    ],
)
def test_lists_are_read_from_text_and_csv(text: str, names: list[str]) -> None:
    assert read_names(text) == names


def test_a_list_too_long_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="100,001 lines"):
        read_names("x\n" * 100_001)


def test_names_and_ids_match_exactly_nearly_or_not(images: ImageSet) -> None:
    group = images.metadata["group"]
    trained, other = group.index("single"), group.index("held-out")
    given = [
        images.names[trained],
        images.ids[trained],
        "elsewhere\\" + images.names[trained].rsplit("/", 1)[-1].upper().replace("PNG", "jpg"),
        "nothing.png",
        images.names[other],
    ]
    table = match_names(given, images)
    assert table["match"].tolist() == ["exact", "exact", "near", "not in training", "held out"]
    assert table["index"].tolist() == [trained, trained, trained, -1, other]


def test_pictures_match_exactly_nearly_or_not(images: ImageSet) -> None:
    place = images.metadata["group"].index("copied")
    pixels = to_pixels(images[place])
    noisy = np.clip(
        pixels.astype(int) + np.random.default_rng(0).integers(-5, 6, pixels.shape), 0, 255
    ).astype(np.uint8)
    large = pixels.repeat(2, 0).repeat(2, 1)  # brought to the set's size again
    odd = np.random.default_rng(1).integers(0, 256, pixels.shape, dtype=np.uint8)
    held = images.metadata["group"].index("held-out")
    given = [
        ("same", encoded(pixels)),
        ("noisy", encoded(noisy)),
        ("large", encoded(large)),
        ("odd", encoded(odd)),
        ("text", b"no picture"),
        ("held", encoded(to_pixels(images[held]))),
    ]
    table = match_pictures(given, images)
    assert table["match"].tolist() == [
        "exact",
        "near",
        "near",
        "not in training",
        "not in training",
        "held out",
    ]
    assert table["index"].tolist() == [place, place, place, -1, -1, held]
    assert table["distance"][1] == pytest.approx(
        np.sqrt(np.mean(((noisy.astype(float) - pixels) / 127.5) ** 2)), rel=1e-3
    )
    assert "text is not a picture" in table["given"][4]


def test_a_hash_sees_through_brightness_and_contrast_and_pixels_do_not() -> None:
    draw = torch.Generator().manual_seed(0)
    pictures = (
        torch.nn.functional.interpolate(
            torch.rand(40, 3, 6, 6, generator=draw), 32, mode="bilinear"
        )
        * 1.2
        - 0.6
    )
    changed = pictures[:5] * 0.6 + 0.3
    both = torch.cat([pictures, changed])
    assert (perceptual_hash(pictures[:5]) == perceptual_hash(changed)).mean() > 0.99
    assert lookalikes(both)[40:].tolist() == [0, 1, 2, 3, 4]
    assert lookalikes(both)[:40].tolist() == list(range(40))
    assert duplicates(both)[40:].tolist() == list(range(40, 45))


def test_flat_pictures_look_like_nothing_and_chains_are_one_group() -> None:
    assert lookalikes(torch.zeros(3, 3, 8, 8)).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="64"):
        lookalikes(torch.zeros(3, 3, 8, 8), 64)


def test_lookalikes_of_many_blocks_are_those_of_all_pairs(
    monkeypatch: pytest.MonkeyPatch, images: ImageSet
) -> None:
    whole = lookalikes(images, 4)
    monkeypatch.setattr("memlib.audit.lookalikes.BLOCK", 100)
    np.testing.assert_array_equal(lookalikes(images, 4), whole)
    hashes = perceptual_hash(images.batch(range(len(images))))
    near = (63 - hashes @ hashes.T) / 2 <= 4.5
    for one, other in zip(*np.nonzero(near), strict=True):
        assert whole[one] == whole[other]
    assert len(np.unique(whole)) < len(images)


def test_the_list_of_what_to_do_names_undecided_near_duplicates(images: ImageSet) -> None:
    store, groups = Verdicts("sqlite://"), np.arange(len(images))
    groups[[4, 5, 6]] = 4
    for reviewer, place, verdict in (
        ("Ada", 4, "memorised"),
        ("Ada", 6, "not memorised"),
        ("Ada", 7, "partly memorised"),
        ("Ada", 8, "unsure"),
        ("Ada", 9, "memorised"),
        ("Bob", 9, "unsure"),
    ):
        store.decide("m", reviewer, [Change(images.ids[place], verdict)])
    table = removal_list(store.history("m"), images, groups)
    assert dict(zip(table["id"], table["action"], strict=True)) == {
        images.ids[4]: "remove",
        images.ids[7]: "modify",
        images.ids[9]: "settle",
        images.ids[5]: "look",
    }
    assert table.loc[table["action"] == "look", "near_duplicate_of"].tolist() == [images.ids[4]]
    assert removal_list(store.history("other"), images, groups).empty


class Tags(HTMLParser):
    """The tags of a document and the addresses they fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [
            value or ""
            for name, value in attributes
            if name in ("src", "href", "srcset", "action", "data", "poster")
        ]


EVIL = "<img src=x onerror=alert(1)>\"'&{{7*7}}</style><script>alert(2)</script>"


def test_nothing_a_user_typed_becomes_markup_in_the_report() -> None:
    said = {
        "reviewer": EVIL,
        "verdict": EVIL,
        "note": EVIL,
        "at": EVIL,
        "region": [1, 2, 3, 4],
        "stale": EVIL,
    }
    entry = Entry(
        EVIL,
        EVIL,
        [said],
        EVIL,
        [{"title": EVIL, "value": EVIL, "error": EVIL, "rank": EVIL}],
        [(EVIL, "data:image/png;base64,AA==")],
        (8, 8),
    )
    text = html_report(
        Audit(EVIL, [EVIL], {EVIL: EVIL}, {EVIL: pd.DataFrame({EVIL: [EVIL]})}, [(EVIL, EVIL)]),
        [entry],
    )
    found = Tags()
    found.feed(text)
    assert "script" not in found.tags
    assert found.tags.count("img") == 1
    assert found.fetched == ["data:image/png;base64,AA=="]
    assert "49" not in text
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
    assert not re.search(r"url\(|@import|https?://", text)


def test_a_report_takes_no_pictures_from_elsewhere() -> None:
    with pytest.raises(ValueError, match="PNG data"):
        Entry("a", "a", [], pictures=[("x", "https://example.org/x.png")])


def test_the_region_of_the_report_lies_where_it_was_marked() -> None:
    said = {
        "reviewer": "Ada",
        "verdict": "partly memorised",
        "note": "",
        "at": "now",
        "region": [8, 0, 16, 32],
        "stale": "",
    }
    text = html_report(
        Audit("t", [], {}),
        [Entry("a", "a", [said], pictures=[("a", "data:image/png;base64,AA==")], size=(32, 64))],
    )
    assert "top:25.00%;left:0.00%;height:25.00%;width:50.00%" in text
    assert "rows 8 to 15, columns 0 to 31" in text
    assert "None." in text or text.count("<article>") == 1
