"""The text demo's training list: emoji with captions, in four kinds whose truth is known.

A caption is what the picture is called and what it belongs to, "rose, plant flower", with the skin
tone where it has one. The kinds are

- `copied`: a picture with its caption, repeated 8, 16, 32, 64, 128 or 256 times;
- `shared`: 8 to 64 different pictures with one caption, only what they belong to, so that the
  caption is frequent and no picture is;
- `single`: a picture with its caption, once;
- `held-out`: the same, never trained on, nor any variant of it.
"""

import csv
import io
import itertools
import json
import random
import re
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from memlib.demo.emoji import TONES, flattened, package, write_images
from memlib.images import HELD_OUT, to_unit
from memlib.neighbours import duplicates, nearest

SIDE = 64  # pixels
COLOURS = 64  # of each picture, which makes the files small
REPEATS = (8, 16, 32, 64, 128, 256)  # the numbers of copies
COPIED = 10  # captions for each number of copies
SHARED = {8: 6, 16: 5, 32: 3, 64: 1}  # captions for each number of pictures that share one
LEFT_OUT = 200  # images, or a few more, since families are left out as a whole
LARGEST = 6  # images of a family that is left out
SERIES = ("family", "time", "keycap")  # topics whose pictures are all variants of one
# codes that do not change what is drawn: who it is, joiners, a direction, a tone
VARIANT = {"1F468", "1F469", "1F9D1", "1F464", "200D", "2640", "2642", "FE0F", "27A1"}


@dataclass(frozen=True)
class Drawing:
    """A picture of the package with its caption."""

    name: str  # of its file
    caption: str
    topic: str  # what it belongs to
    family: str
    picture: Image.Image

    def row(self, group: str, copies: int, caption: str = "") -> dict[str, object]:
        """Return its row in the training list."""
        return {
            "file_name": f"{group}/{self.name}.png",
            "group": group,
            "copies": copies,
            "family": self.family,
            "caption": caption or self.caption,
        }


def read_drawings(folder: Path, order: random.Random) -> list[Drawing]:
    """Return the drawings of the package, one for each name, in a random skin tone, without exact
    duplicates.
    """
    entries = json.loads((folder / "package/emoji.json").read_text())
    found: list[Drawing] = []
    seen: set[bytes] = set()
    for entry in sorted(entries, key=lambda entry: entry["sort_order"]):
        tones = entry.get("skin_variations", {})
        tone = order.choice(["", *(tone for tone in TONES if tone in tones)])
        file = (tones[tone] if tone else entry)["image"]
        if not entry["has_img_google"]:
            continue
        flat = flattened(folder / "package/img/google/64" / file)
        picture = flat.resize((SIDE, SIDE)).quantize(COLOURS, dither=Image.Dither.NONE)
        if (key := picture.convert("RGB").tobytes()) in seen:
            continue
        seen.add(key)
        topic = re.sub(r"[-\s]+", " ", entry["subcategory"].replace("&", "and"))
        caption = f"{entry['name'].lower()}, {topic}"
        caption += f", {TONES[tone]} skin tone" if tone else ""
        name = re.sub(r"[^a-z0-9+]+", "-", entry["short_name"].lower())
        found.append(Drawing(name, caption, topic, _family(entry), picture))
    return _joined(found)


def _family(entry: dict) -> str:
    """Name what is drawn, whoever does it: women, men and other variants are one family."""
    if entry["subcategory"] in SERIES:
        return str(entry["subcategory"])
    codes = [code for code in entry["unified"].split("-") if code not in VARIANT]
    return "-".join(codes) or "person"


def _joined(drawings: list[Drawing]) -> list[Drawing]:
    """Join families whose pictures are near-duplicates, mirror images among them."""
    groups = duplicates(_images(drawings), mirrored=True).numpy()
    _, kin = np.unique([one.family for one in drawings], return_inverse=True)
    ends = np.concatenate([groups, len(drawings) + kin])
    places = np.tile(np.arange(len(drawings)), 2)
    size = len(drawings) + int(kin.max()) + 1
    graph = coo_array((np.ones(len(ends), bool), (places, ends)), shape=(size, size))
    labels = connected_components(graph, directed=False)[1][: len(drawings)]
    names: dict[int, str] = {}
    return [
        replace(one, family=names.setdefault(int(label), one.family))
        for one, label in zip(drawings, labels, strict=True)
    ]


def _images(drawings: list[Drawing]) -> Tensor:
    pixels = [np.asarray(one.picture.convert("RGB")) for one in drawings]
    return to_unit(np.stack(pixels).transpose(0, 3, 1, 2))


def choose_pairs(
    drawings: list[Drawing], order: random.Random
) -> list[tuple[dict[str, object], Drawing]]:
    """Return the drawings of the training list with their rows; no family is of two kinds.

    A copy can only be attributed to a picture if no other one looks almost the same, so the copied
    ones are chosen from the half of the families whose nearest other family is farthest away.
    """
    families: dict[str, list[Drawing]] = {}
    for one in drawings:
        families.setdefault(one.family, []).append(one)
    topics: dict[str, list[str]] = {}
    for name in families:
        topics.setdefault(families[name][0].topic, []).append(name)
    pairs: list[tuple[dict[str, object], Drawing]] = []

    largest = iter(sorted(topics, key=lambda topic: -len(topics[topic])))
    for count in sorted(SHARED, reverse=True):
        for topic in itertools.islice(largest, SHARED[count]):
            taken = 0
            for name in order.sample(topics[topic], len(topics[topic])):
                if taken < count:
                    kin = families.pop(name)[: count - taken]
                    pairs += [(one.row("shared", 1, topic), one) for one in kin]
                    taken += len(kin)

    alone = _most_alone(families, drawings)
    copied = order.sample(alone[: len(alone) // 2], COPIED * len(REPEATS))
    for place, name in enumerate(copied):
        one = order.choice(families.pop(name))
        pairs.append((one.row("copied", REPEATS[place // COPIED]), one))

    left = LEFT_OUT
    for name in order.sample(list(families), len(families)):
        held_out = left > 0 and len(families[name]) <= LARGEST
        group, copies = (HELD_OUT, 0) if held_out else ("single", 1)
        left -= len(families[name]) if held_out else 0
        pairs += [(one.row(group, copies), one) for one in families[name]]
    return sorted(pairs, key=lambda pair: str(pair[0]["file_name"]))


def _most_alone(families: dict[str, list[Drawing]], drawings: list[Drawing]) -> list[str]:
    """Return the families, first the one whose nearest other family is farthest away."""
    _, labels = np.unique([one.family for one in drawings], return_inverse=True)
    images = _images(drawings)
    found = nearest(images, images, 2, groups=torch.from_numpy(labels)).distance[:, 1].tolist()
    gaps: dict[str, float] = {}
    for one, gap in zip(drawings, found, strict=True):
        gaps[one.family] = min(gap, gaps.get(one.family, gap))
    return sorted(families, key=lambda name: -gaps[name])


def build_pairs(target: Path, seed: int = 0) -> None:
    """Fetch the emoji package with npm and write the training list and its pictures as a zip that
    `load_images` reads.
    """
    order = random.Random(seed)
    with package() as folder:
        pairs = choose_pairs(read_drawings(folder, order), order)
        write_images(target, [(row, one.picture) for row, one in pairs])


def read_list(source: Path) -> list[dict[str, str]]:
    """Read the training list: the rows of metadata.csv."""
    with zipfile.ZipFile(source) as archive:
        return list(csv.DictReader(io.TextIOWrapper(archive.open("metadata.csv"), "utf-8")))


def read_pictures(source: Path, names: list[str]) -> Tensor:
    """Read pictures of the zip, uint8 (N, 3, H, W)."""
    with zipfile.ZipFile(source) as archive:
        pictures = [np.asarray(Image.open(archive.open(name)).convert("RGB")) for name in names]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
