"""Image sets: every kind of file becomes the same tensors, bad ones one sentence, and memory stays
bounded.
"""

import io
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from memlib import load_images
from memlib.images import pictures, to_pixels


def picture(seed: int = 0, size: int = 8) -> Image.Image:
    return Image.fromarray(
        np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "set"
    (target / "deeper").mkdir(parents=True)
    for seed in range(3):
        picture(seed).save(target / f"{seed}.png")
    picture(3).save(target / "deeper" / "3.png")
    return target


def test_a_folder_and_its_zip_hold_the_same_images(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, file.relative_to(folder))
        archive.writestr("__MACOSX/._0.png", b"junk")
    a, b = load_images(folder), load_images(tmp_path / "set.zip")
    assert a.ids == b.ids
    assert a.names == b.names == ["0.png", "1.png", "2.png", "deeper/3.png"]
    assert a.digest == b.digest
    assert torch.equal(a.batch(range(4)), b.batch(range(4)))
    assert a.shape == (3, 8, 8)
    assert torch.equal(
        a[0], torch.from_numpy(np.asarray(picture(0)).copy()).permute(2, 0, 1).float() / 127.5 - 1
    )


def test_arrays_of_every_documented_kind_hold_the_same_pixels(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    as_float = (colour.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2)
    np.savez(tmp_path / "a.npz", images=colour)
    np.savez_compressed(tmp_path / "b.npz", images=as_float)
    np.save(tmp_path / "c.npy", colour)
    np.save(tmp_path / "grey.npy", colour[..., 0])
    sets = [load_images(tmp_path / name) for name in ("a.npz", "b.npz", "c.npy")]
    for other in sets[1:]:
        torch.testing.assert_close(other.batch(range(5)), sets[0].batch(range(5)))
    assert sets[0].ids == sets[2].ids
    assert load_images(tmp_path / "grey.npy").shape == (1, 8, 8)
    assert load_images(tmp_path / "grey.npy", channels=3).shape == (3, 8, 8)
    np.testing.assert_array_equal(to_pixels(sets[0].batch(range(5))), colour)
    assert load_images(tmp_path / "c.npy", size=4).shape == (3, 4, 4)
    with pytest.raises(ValueError, match="not resized"):
        load_images(tmp_path / "b.npz", size=4)


def test_ids_follow_the_pixels_and_the_transform_but_not_the_name(folder: Path) -> None:
    before = load_images(folder)
    (folder / "0.png").rename(folder / "9.png")
    after = load_images(folder)
    assert sorted(before.ids) == sorted(after.ids)
    assert set(load_images(folder, size=4).ids).isdisjoint(before.ids)
    picture(0).save(folder / "twin.bmp")
    assert len(set(load_images(folder).ids)) == 4


def test_one_bad_picture_among_good_ones_is_skipped_counted_and_named(folder: Path) -> None:
    (folder / "notes.png").write_text("no picture at all")
    data = (folder / "0.png").read_bytes()
    (folder / "cut.png").write_bytes(data[: len(data) // 2])
    found = load_images(folder)
    assert len(found) == 4
    assert {name for name, _ in found.skipped} == {"notes.png", "cut.png"}
    assert all(reason for _, reason in found.skipped)


def test_transparency_lies_on_white_palettes_and_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "a.png")
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "b.png")
    Image.fromarray(np.full((8, 8), 65535 // 2, dtype=np.uint16)).save(tmp_path / "c.png")
    Image.new("1", (8, 8), 1).save(tmp_path / "d.png")
    found = load_images(tmp_path)
    assert found.shape == (3, 8, 8)
    assert torch.equal(found[0], torch.ones(3, 8, 8))
    assert torch.equal(found[1], torch.tensor([-1.0, 1.0, -1.0]).view(3, 1, 1).expand(3, 8, 8))
    torch.testing.assert_close(found[2], torch.full((3, 8, 8), 0.0), rtol=0, atol=0.01)
    assert torch.equal(found[3], torch.ones(3, 8, 8))


def test_sizes_are_cropped_in_the_centre_or_refused(tmp_path: Path) -> None:
    picture(0, 8).save(tmp_path / "a.png")
    picture(1, 16).resize((32, 16)).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match="differ in size"):
        load_images(tmp_path)
    assert load_images(tmp_path, size=8).shape == (3, 8, 8)
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, 8:16] = 255
    Image.fromarray(wide).save(tmp_path / "c.png")
    assert torch.equal(load_images(tmp_path, size=8)[2], torch.ones(3, 8, 8))


def test_metadata_follows_the_pictures(folder: Path) -> None:
    (folder / "metadata.csv").write_text("file_name,group,copies\n1.png,b,2\n0.png,a,1\n")
    found = load_images(folder)
    assert found.metadata == {"group": ["a", "b", "", ""], "copies": ["1", "2", "", ""]}


def huge_png(side: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def test_a_picture_of_four_hundred_million_pixels_is_refused_unopened(folder: Path) -> None:
    (folder / "bomb.png").write_bytes(huge_png(20_000))
    (folder / "half-bomb.png").write_bytes(huge_png(10_000))
    tracemalloc.start()
    found = load_images(folder)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert {name for name, _ in found.skipped} == {"bomb.png", "half-bomb.png"}
    assert peak < 50e6


def test_decoded_sets_are_not_held_in_memory(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for seed in range(200):
            stream = io.BytesIO()
            picture(seed, 96).save(stream, "PNG")
            archive.writestr(f"{seed:03}.png", stream.getvalue())
    tracemalloc.start()
    found = load_images(tmp_path / "many.zip")
    found.batch(range(4))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 200 * 96 * 96 * 3 / 2


class Payload:
    def __reduce__(self) -> tuple:
        return (print, ("this must never run",))


BAD: dict[str, object] = {
    "objects.npy": np.array([Payload()], dtype=object),
    "nan.npy": np.full((2, 3, 8, 8), np.nan, np.float32),
    "outside.npy": np.full((2, 3, 8, 8), 7.0, np.float32),
    "five-dimensional.npy": np.zeros((2, 3, 8, 8, 1), np.float32),
    "four-channels.npy": np.zeros((2, 8, 8, 4), np.uint8),
    "integers.npy": np.zeros((2, 8, 8), np.int64),
    "empty.npy": np.zeros((0, 8, 8, 3), np.uint8),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arrays_are_one_sentence(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    np.save(tmp_path / name, BAD[name], allow_pickle=True)
    with pytest.raises(ValueError, match=r".+") as caught:
        load_images(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""


def test_bad_sources_are_one_sentence(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.zip").write_text("no zip")
    (tmp_path / "text.npz").write_text("no npz")
    (tmp_path / "file.tar").write_text("no tar")
    (tmp_path / "file.rar").write_text("no rar")
    np.savez(tmp_path / "other.npz", pictures=np.zeros(3))
    whole = tmp_path / "whole.npy"
    np.save(whole, np.zeros((4, 8, 8, 3), np.uint8))
    (tmp_path / "cut.npy").write_bytes(whole.read_bytes()[:300])
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_text("no picture")
    words = {
        "missing": "no file or folder",
        "empty": "no picture files",
        "text.zip": "damaged",
        "text.npz": "damaged",
        "file.tar": "not a tar file",
        "file.rar": "not an image set",
        "other.npz": "no array named images",
        "cut.npy": "damaged",
        "bad": "no usable picture",
    }
    for name, word in words.items():
        with pytest.raises(ValueError, match=word) as caught:
            load_images(tmp_path / name)
        assert "\n" not in str(caught.value)
    (tmp_path / "renamed.npy").write_bytes((tmp_path / "other.npz").read_bytes())
    with pytest.raises(ValueError, match="another name"):
        load_images(tmp_path / "renamed.npy")
    for unusable in ("x" * 5000, "a\0b"):
        with pytest.raises(ValueError, match="no file or folder"):
            load_images(unusable)
    for wrong in ({"size": 0}, {"channels": 2}, {"limit": 0}):
        with pytest.raises(ValueError, match="not"):
            load_images(folder, **wrong)


def test_a_long_thin_picture_is_cropped_before_it_is_resized(tmp_path: Path) -> None:
    Image.new("L", (3_000_000, 1)).save(tmp_path / "thin.png")
    assert load_images(tmp_path, size=32).shape == (1, 32, 32)


def test_pictures_that_vanish_after_loading_are_a_sentence(folder: Path) -> None:
    found = load_images(folder)
    (folder / "0.png").unlink()
    with pytest.raises(ValueError, match="changed since"):
        found[0]


def test_an_array_of_another_byte_order_or_precision_is_read(tmp_path: Path) -> None:
    for kind in (">f4", "<f8", "<f2", "longdouble"):
        np.save(tmp_path / "a.npy", np.full((2, 3, 8, 8), 0.5).astype(kind))
        assert torch.equal(load_images(tmp_path / "a.npy")[1], torch.full((3, 8, 8), 0.5))


def test_a_limit_keeps_the_first_usable_pictures(folder: Path) -> None:
    assert load_images(folder, limit=2).names == ["0.png", "1.png"]


def test_another_picture_is_brought_to_the_sets_shape_and_has_the_same_id_as_in_the_set(
    tmp_path: Path,
) -> None:
    picture = Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    )
    (tmp_path / "set").mkdir()
    picture.save(tmp_path / "set" / "a.png")
    data = (tmp_path / "set" / "a.png").read_bytes()
    for size in (16, None):
        images = load_images(tmp_path / "set", size=size)
        taken, name = images.take(data)
        assert name == images.ids[0]
        assert torch.equal(taken, images[0])
    with pytest.raises(ValueError, match="not a picture"):
        images.take(b"text")
    small = io.BytesIO()
    picture.resize((30, 30)).save(small, "PNG")
    with pytest.raises(ValueError, match="is 30 x 30"):
        images.take(small.getvalue())
    assert load_images(tmp_path / "set", size=16).take(small.getvalue())[0].shape == (3, 16, 16)


@pytest.mark.parametrize("room", [2**20, 8 * 8 * 3, 0])
def test_a_picture_is_decoded_once_while_there_is_room(
    folder: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    found = load_images(folder)
    asked: list[int] = []
    decoded = pictures.decoded
    monkeypatch.setattr(pictures, "LARGEST_KEPT", room)
    monkeypatch.setattr(
        pictures, "decoded", lambda some, *rest: [asked.append(len(some)), decoded(some, *rest)][1]
    )
    first = found.batch([0, 1, 0, 2])
    assert torch.equal(first[0], first[2]) and not torch.equal(first[0], first[1])
    assert torch.equal(found.batch([0, 1, 0, 2]), first)
    again = {2**20: 0, 8 * 8 * 3: 2, 0: 4}[room]  # pictures decoded at the second reading
    assert sum(asked) == 4 + again
    assert torch.equal(found.subset([2, 0]).batch([1, 0]), first[[0, 3]])
