"""The demo's images: emoji in four groups, some of them copied, some never trained on."""

import csv
import io
import json
import random
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image

PACKAGE = "emoji-datasource-google@16.0.0"
SIZE = 32
TONES = {
    "1F3FB": "light",
    "1F3FC": "medium-light",
    "1F3FD": "medium",
    "1F3FE": "medium-dark",
    "1F3FF": "dark",
}
COPIES = (2, 4, 8, 16, 32)  # the numbers of copies, with eight images each


def read_package(folder: Path) -> dict[str, dict[str, Image.Image]]:
    """Return the drawings of the two categories: {family: {variant: picture}}, without exact
    duplicates.
    """
    families: dict[str, dict[str, Image.Image]] = {}
    seen: set[bytes] = set()
    entries = json.loads((folder / "package/emoji.json").read_text())
    for entry in sorted(entries, key=lambda entry: entry["sort_order"]):
        if (
            entry["category"] not in ("Smileys & Emotion", "People & Body")
            or not entry["has_img_google"]
        ):
            continue
        tones = entry.get("skin_variations", {})
        files = {"": entry["image"]} | {
            TONES[tone]: tones[tone]["image"] for tone in TONES if tone in tones
        }
        kind = "smiley" if entry["category"].startswith("Smileys") else "person"
        family = f"{kind}-{entry['short_name']}"
        for tone, file in files.items():
            flat = flattened(folder / "package/img/google/64" / file)
            small = flat.resize((SIZE, SIZE), Image.Resampling.BOX)
            if small.tobytes() not in seen:
                seen.add(small.tobytes())
                families.setdefault(family, {})[tone] = small
    return families


def choose_groups(
    families: dict[str, dict[str, Image.Image]], seed: int = 0
) -> list[dict[str, object]]:
    """Return one row per image: group, copies and family. Held-out images have 0 copies, and none
    of their drawings was trained on.

    A copy can only be attributed to an image if no other training image looks almost the same, so
    the copied families are chosen from the half whose nearest other family is farthest away.
    """
    order = random.Random(seed)
    names = sorted(families)
    first = np.stack(
        [
            np.asarray(families[name][min(families[name])], dtype=np.float32).ravel()
            for name in names
        ]
    )
    gaps = ((first**2).sum(1)[:, None] + (first**2).sum(1)[None] - 2 * first @ first.T).clip(min=0)
    np.fill_diagonal(gaps, np.inf)
    apart = dict(zip(names, gaps.min(1), strict=True))

    toned = [name for name in names if len(families[name]) == 6]
    smileys = [name for name in names if name.startswith("smiley")]
    distinct = set(sorted(toned, key=lambda name: -apart[name])[: len(toned) // 2])
    distinct |= set(sorted(smileys, key=lambda name: -apart[name])[: len(smileys) // 2])
    order.shuffle(toned)
    order.shuffle(smileys)

    copied = [name for name in toned if name in distinct][:32] + [
        name for name in smileys if name in distinct
    ][:8]
    order.shuffle(copied)
    toned = [name for name in toned if name not in copied]
    smileys = [name for name in smileys if name not in copied]
    whole, held_out = set(toned[:16]), set(toned[16:66] + smileys[:50])

    rows: list[dict[str, object]] = []
    for name in names:
        tones = sorted(families[name])
        if name in copied:
            group, copies, kept = "copied", COPIES[copied.index(name) // 8], order.sample(tones, 1)
        elif name in whole:
            group, copies, kept = "family", 6, tones
        elif name in held_out:
            group, copies, kept = "held-out", 0, order.sample(tones, min(3, len(tones)))
        else:
            group, copies, kept = "single", 1, order.sample(tones, min(3, len(tones)))
        for tone in sorted(kept):
            file = f"{group}/{name}{'.' if tone else ''}{tone}.png"
            rows.append(
                {"file_name": file, "group": group, "copies": copies, "family": name, "tone": tone}
            )
    return rows


def flattened(file: Path) -> Image.Image:
    """Read a drawing and lay it on white."""
    picture = Image.open(file).convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


@contextmanager
def package() -> Iterator[Path]:
    """Fetch the emoji package with npm into a folder, which is deleted at the end."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL
        )
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)


def write_images(target: Path, rows: Sequence[tuple[dict[str, object], Image.Image]]) -> None:
    """Write pictures with their rows of metadata as a zip that `load_images` reads."""
    table = io.StringIO()
    writer = csv.DictWriter(table, list(rows[0][0]))
    writer.writeheader()
    writer.writerows(row for row, _ in rows)
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as archive:  # fixed dates: equal images, equal files
        archive.writestr(zipfile.ZipInfo("metadata.csv"), table.getvalue())
        for row, picture in rows:
            png = io.BytesIO()
            picture.save(png, "PNG", optimize=True)
            archive.writestr(zipfile.ZipInfo(str(row["file_name"])), png.getvalue())


def build_images(target: Path, seed: int = 0) -> None:
    """Write the demo's image set."""
    with package() as folder:
        families = read_package(folder)
    rows = choose_groups(families, seed)
    write_images(target, [(row, families[str(row["family"])][str(row["tone"])]) for row in rows])


def training_rows(source: Path) -> torch.Tensor:
    """Return the training set as the model sees it: uint8 (N, 3, H, W), every image repeated
    `copies` times.
    """
    with zipfile.ZipFile(source) as archive:
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open("metadata.csv"))))
        pictures = [
            np.asarray(Image.open(archive.open(row["file_name"])))
            for row in rows
            for _ in range(int(row["copies"]))
        ]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
