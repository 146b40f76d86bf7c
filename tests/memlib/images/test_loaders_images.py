"""Every place image sets come from: the same pictures give the same images, and large sets stay on
disk.
"""

import gzip
import io
import json
import os
import re
import resource
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import huggingface_hub
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from memlib import load_images
from memlib.images import HELD_OUT, ImageSet, cache, opening
from memlib.images.pictures import Decoded

PACKAGE = Path(opening.__file__).parents[1]


def picture(seed: int = 0, side: int = 8) -> Image.Image:
    return Image.fromarray(
        np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    )


def png(seed: int = 0, side: int = 8) -> bytes:
    stream = io.BytesIO()
    picture(seed, side).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AFTERIMAGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "set"
    for seed in range(6):
        (target / f"class-{seed % 2}").mkdir(parents=True, exist_ok=True)
        (target / f"class-{seed % 2}" / f"{seed}.png").write_bytes(png(seed))
    return target


def write_tar(folder: Path, target: Path) -> None:
    with tarfile.open(target, "w:gz" if target.suffix == ".gz" else "w") as archive:
        archive.add(folder, ".")


def write_parquet(folder: Path, target: Path, struct: bool = True) -> None:
    files = sorted(folder.rglob("*.png"))
    data = [file.read_bytes() for file in files]
    column = (
        pa.array([{"bytes": one, "path": None} for one in data])
        if struct
        else pa.array(data, pa.binary())
    )
    labels = [int(file.parent.name[-1]) for file in files]
    features = {
        "label": {"names": ["cat", "dog"], "_type": "ClassLabel"},
        "image": {"_type": "Image"},
    }
    table = pa.table({"label": pa.array(labels, pa.int64()), "image": column})
    pq.write_table(
        table.replace_schema_metadata(
            {"huggingface": json.dumps({"info": {"features": features}})}
        ),
        target,
        row_group_size=4,
    )


def test_tars_and_parquet_hold_the_same_images_as_the_folder(folder: Path, tmp_path: Path) -> None:
    expected = load_images(folder)
    for name in ("set.tar", "set.tar.gz"):
        write_tar(folder, tmp_path / name)
        found = load_images(tmp_path / name)
        assert (found.ids, found.names) == (expected.ids, expected.names)
        assert torch.equal(found.batch([5, 0]), expected.batch([5, 0]))
    for struct in (True, False):
        write_parquet(folder, tmp_path / "set.parquet", struct)
        table = load_images(tmp_path / "set.parquet")
        assert table.ids == expected.ids
        assert torch.equal(table.batch([5, 0, 3]), expected.batch([5, 0, 3]))
        assert table.metadata == {"label": ["cat"] * 3 + ["dog"] * 3}
    (tmp_path / "many").mkdir()
    for part in range(2):
        write_parquet(folder, tmp_path / "many" / f"{part}.parquet")
    assert load_images(tmp_path / "many").ids == expected.ids * 2


def hub_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """The Hub answers with a data set from a folder on this machine, read by the real `datasets`;
    the calls are kept.
    """
    calls: list[dict] = []
    real = datasets.load_dataset

    def load(name: str, config: str | None = None, **options: Any) -> Any:
        calls.append({"name": name, "config": config, **options})
        return real(str(folder), split=options["split"], cache_dir=str(folder.parent / "hub-cache"))

    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr(
        huggingface_hub,
        "HfApi",
        lambda token: SimpleNamespace(
            dataset_info=lambda repo, revision: SimpleNamespace(sha="c" * 40)
        ),
    )
    return calls


def test_a_hub_data_set_is_pinned_and_read_by_name_and_split(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "repo").mkdir()
    write_parquet(folder, tmp_path / "repo" / "test-00000.parquet")
    calls = hub_of(tmp_path / "repo", monkeypatch)
    found = load_images("someone/pictures/plain@main:test", token="secret")
    assert calls == [
        {
            "name": "someone/pictures",
            "config": "plain",
            "split": "test",
            "revision": "c" * 40,
            "token": "secret",
        }
    ]
    assert found.ids == load_images(folder).ids
    assert found.source == f"someone/pictures/plain@{'c' * 40}:test"
    assert found.metadata["label"] == ["cat"] * 3 + ["dog"] * 3
    assert found.names[0] == "pictures/test[0]"


def test_an_unreachable_data_set_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(token: str | None) -> Any:
        raise ConnectionError("no network\nat all")

    monkeypatch.setattr(huggingface_hub, "HfApi", offline)
    with pytest.raises(ValueError, match="could not be downloaded") as caught:
        load_images("someone/pictures:train")
    assert "\n" not in str(caught.value)


def test_transforms_do_what_they_say(tmp_path: Path) -> None:
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, 8:] = 255
    pixels[:, :4] = (255, 0, 0)
    (tmp_path / "wide").mkdir()
    Image.fromarray(pixels).save(tmp_path / "wide" / "a.png")
    crop = load_images(tmp_path / "wide", size=8)[0]
    assert torch.equal(
        crop, torch.from_numpy(pixels[:, 4:12].transpose(2, 0, 1).copy()).float() / 127.5 - 1
    )
    stretch = load_images(tmp_path / "wide", size=8, fit="stretch")
    expected = np.asarray(
        Image.fromarray(pixels).resize((8, 8), Image.Resampling.BILINEAR)
    ).transpose(2, 0, 1)
    assert torch.equal(stretch[0], torch.from_numpy(expected.copy()).float() / 127.5 - 1)
    centre = load_images(tmp_path / "wide", size=4, fit="centre")[0]
    assert torch.equal(
        centre, torch.from_numpy(pixels[2:6, 6:10].transpose(2, 0, 1).copy()).float() / 127.5 - 1
    )
    assert torch.equal(load_images(tmp_path / "wide", size=8, mirror=True)[0], crop.flip(2))
    grey = load_images(tmp_path / "wide", size=8, channels=1)[0]
    assert grey.shape == (1, 8, 8)
    assert float(grey[0, 0, 7]) == 1
    ids = {
        load_images(tmp_path / "wide", **options).ids[0]
        for options in ({"size": 8}, {"size": 8, "fit": "stretch"}, {"size": 8, "mirror": True})
    }  # type: ignore[arg-type]
    assert len(ids) == 3
    with pytest.raises(ValueError, match="too small to cut"):
        load_images(tmp_path / "wide", size=12, fit="centre")
    with pytest.raises(ValueError, match="resize method must be one of"):
        load_images(tmp_path / "wide", size=8, fit="sideways")


def test_the_original_stays_beside_the_transformed(folder: Path) -> None:
    found = load_images(folder, size=4, mirror=True)
    assert found.original(0).shape == (3, 8, 8)
    assert found[0].shape == (3, 4, 4)


def test_groups_come_from_folders_or_a_column(folder: Path, tmp_path: Path) -> None:
    assert (
        load_images(folder).grouped("folder").metadata["group"] == ["class-0"] * 3 + ["class-1"] * 3
    )
    write_parquet(folder, tmp_path / "set.parquet")
    assert (
        load_images(tmp_path / "set.parquet").grouped("label").metadata["group"]
        == ["cat"] * 3 + ["dog"] * 3
    )
    with pytest.raises(ValueError, match="no column 'colour'"):
        load_images(folder).grouped("colour")


def test_held_out_images_stand_beside_the_others_and_copies_among_them_count_as_trained(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    for seed in (4, 8, 9):  # 4 is among the images too
        (tmp_path / "other" / f"{seed}.png").write_bytes(png(seed))
    trained, other = load_images(folder), load_images(tmp_path / "other")
    both = trained.beside(other)
    assert both.names[6:] == ["held-out/8.png", "held-out/9.png"]
    assert both.metadata["group"] == ["trained"] * 6 + ["held-out"] * 2
    assert both.skipped == [("held-out/4.png", "is among the images too")]
    assert torch.equal(both[7], other[2])
    assert torch.equal(both[5], trained[5])
    assert both.digest != trained.digest
    assert len(trained) == 6
    with pytest.raises(ValueError, match="Resize both"):
        trained.beside(load_images(tmp_path / "other", size=4))


def test_a_large_set_is_read_from_its_index_the_second_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    monkeypatch.setattr(opening, "INDEXED", 3)
    first = load_images(folder)
    assert len(list(own_cache.glob("index-*.parquet"))) == 1

    def refuse(*_: object) -> None:
        raise AssertionError("decoded again")

    with monkeypatch.context() as patched:
        patched.setattr(opening, "_add", refuse)
        again = load_images(folder)
    assert (again.ids, again.names, again.digest) == (first.ids, first.names, first.digest)
    assert torch.equal(again[3], first[3])
    (folder / "class-0" / "0.png").write_bytes(png(77))
    assert load_images(folder).ids[0] != first.ids[0]
    for file in own_cache.glob("index-*.parquet"):
        file.write_bytes(b"damaged")
    assert load_images(folder).ids[1:] == first.ids[1:]


def test_reading_that_was_stopped_goes_on_where_it_stopped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "INDEXED", 3)
    monkeypatch.setattr(opening, "REPORT", 1)
    expected = load_images(folder, limit=6).ids
    seen: list[int] = []

    class Stopped(Exception):
        pass

    def stop(done: int, total: int) -> None:
        seen.append(done)
        if done == 4:
            raise Stopped

    with pytest.raises(Stopped):
        load_images(folder, callback=stop)
    assert load_images(folder, callback=lambda done, total: seen.append(done)).ids == expected
    assert seen == [1, 2, 3, 4, 5, 6]


def test_a_set_of_pictures_that_differ_in_size_is_refused_every_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "INDEXED", 3)
    (folder / "class-1" / "3.png").write_bytes(png(3, 9))
    for _ in range(2):
        with pytest.raises(ValueError, match="differ in size"):
            load_images(folder)


class Endless(Decoded):
    """A million pictures that exist only when asked for."""

    def __init__(self, count: int) -> None:
        self.names, self.metadata, self.stamp = (
            [f"{index}.png" for index in range(count)],
            {},
            f"endless {count}",
        )  # type: ignore[var-annotated]

    def picture(self, place: int) -> np.ndarray:
        return np.full((3, 16, 32), place % 251, np.uint8)


@pytest.mark.slow
def test_a_million_images_are_indexed_without_holding_them(monkeypatch: pytest.MonkeyPatch) -> None:
    million = Endless(1_000_000)
    monkeypatch.setattr(opening, "_open", lambda source, token, tick: (million, "million"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = load_images("million")
    assert len(found) == 1_000_000
    assert (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    ) * 1024 < 700e6  # names and ids; the pixels are 1.5 GB
    assert torch.equal(load_images("million")[999_999], found[999_999])


def test_small_pictures_of_large_images_are_kept_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    (tmp_path / "large").mkdir()
    for seed in range(3):
        (tmp_path / "large" / f"{seed}.png").write_bytes(png(seed, 200))
    found = load_images(tmp_path / "large")
    small = found.thumbnails([2, 0])
    assert small.shape == (2, 64, 64, 3)
    assert abs(float(small[1].mean()) - float(np.asarray(picture(0, 200)).mean())) < 1

    def refuse(*_: object) -> None:
        raise AssertionError("decoded again")

    with monkeypatch.context() as patched:
        patched.setattr(ImageSet, "__getitem__", refuse)
        assert np.array_equal(found.thumbnails([0, 2]), small[::-1])
    (own_cache / "thumbnails.sqlite").write_bytes(b"damaged" * 1000)
    assert np.array_equal(found.thumbnails([2, 0]), small)
    monkeypatch.setattr(cache, "MOST_THUMBNAILS", 2)
    (own_cache / "thumbnails.sqlite").unlink()
    found.thumbnails([0, 1, 2])
    found.thumbnails([0, 1, 2])
    assert (own_cache / "thumbnails.sqlite").stat().st_size < 100_000


def test_thumbnails_of_small_images_are_the_images(folder: Path) -> None:
    found = load_images(folder)
    assert np.array_equal(found.thumbnails([1])[0], np.asarray(picture(2)))


def test_links_out_of_the_folder_are_left_out_and_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png(50))
    (folder / "stolen.png").symlink_to(tmp_path / "secret.png")
    (folder / "twin.png").symlink_to(folder / "class-0" / "0.png")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.png").write_bytes(png(51))
    (folder / "door").symlink_to(tmp_path / "elsewhere")
    (folder / "metadata.csv").symlink_to(tmp_path / "secret.png")
    found = load_images(folder)
    assert found.skipped == [("stolen.png", "is a link that leads out of the folder")]
    assert len(found) == 7
    assert found.metadata == {}


def test_paths_in_archives_are_names_and_nothing_is_written(tmp_path: Path) -> None:
    for kind in ("zip", "tar"):
        place = tmp_path / kind
        place.mkdir()
        names = [
            "../../escape.png",
            "/etc/absolute.png",
            "a\nb\x1b[31m.png",
            "<script>alert(1)</script>.png",
        ]
        if kind == "zip":
            with zipfile.ZipFile(place / "bad.zip", "w") as archive:
                for seed, name in enumerate(names):
                    archive.writestr(name, png(seed))
        else:
            with tarfile.open(place / "bad.tar", "w") as tar:
                for seed, name in enumerate(names):
                    entry = tarfile.TarInfo(name)
                    entry.size = len(png(seed))
                    tar.addfile(entry, io.BytesIO(png(seed)))
                link = tarfile.TarInfo("link.png")
                link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
                tar.addfile(link)
        before = sorted(tmp_path.rglob("*"))
        found = load_images(place / f"bad.{kind}")
        assert len(found) == 4
        assert all(name.isprintable() for name in found.names)
        assert sorted(tmp_path.rglob("*")) == before
        assert not Path("/etc/absolute.png").exists()


def test_archives_that_unpack_to_far_too_much_are_refused_at_once(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for part in range(4):
            archive.writestr(f"{part}.png", bytes(50 * 2**20))
    with gzip.open(tmp_path / "bomb.tar.gz", "wb") as stream:
        for _ in range(200):
            stream.write(bytes(2**20))
    np.savez_compressed(tmp_path / "bomb.npz", images=np.zeros((100, 1024, 1024), np.uint8))
    table = pa.table({"image": pa.array([bytes(2**20)] * 300, pa.binary())})
    pq.write_table(table, tmp_path / "bomb.parquet")  # one value, a dictionary of 300 rows
    for name in ("bomb.zip", "bomb.tar.gz", "bomb.npz", "bomb.parquet"):
        with pytest.raises(ValueError, match="would unpack to"):
            load_images(tmp_path / name)


def test_a_tar_that_sends_its_reader_backwards_ends(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("a.png")
    entry.size = -1024
    header = bytearray(tarfile.TarInfo("a.png").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 10 + (65536 - 1024).to_bytes(2, "big")  # base 256, negative
    header[148:156] = b"        "
    header[148:156] = f"{sum(header[:512]):06o}\0 ".encode()
    (tmp_path / "loop.tar").write_bytes(bytes(header) * 4 + bytes(1024))
    with pytest.raises(ValueError, match=r"not a tar file|no picture"):
        load_images(tmp_path / "loop.tar")


def test_drawings_and_hostile_exif_are_not_looked_into(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    )
    (tmp_path / "set" / "b.png").write_text("<?xml version='1.0'?><svg/>")
    exif = Image.Exif()
    exif[0x010E] = "<script>alert(1)</script>"
    exif[0x0112] = 6  # turned by a quarter
    picture(1).save(tmp_path / "set" / "c.jpg", exif=exif, quality=95)
    (tmp_path / "plain").mkdir()
    picture(1).save(tmp_path / "plain" / "c.jpg", quality=95)
    found = load_images(tmp_path / "set")
    assert [name for name, _ in found.skipped] == ["a.svg", "b.png"]
    assert all("SVG" in reason for _, reason in found.skipped)
    assert torch.equal(found[0], load_images(tmp_path / "plain")[0])
    assert "script" not in json.dumps([found.names, found.metadata, found.skipped])


def test_a_name_that_is_no_unicode_is_shown_and_read(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    try:
        Path(os.fsdecode(os.fsencode(tmp_path / "set") + b"/\xff\xfe.png")).write_bytes(png(1))
    except OSError:
        pytest.skip("this file system takes unicode only")
    found = load_images(tmp_path / "set")
    found.names[0].encode()
    assert found[0].shape == (3, 8, 8)


def test_labels_in_an_npz_come_along(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=np.array([3, 1, 3, 2]))
    assert load_images(tmp_path / "a.npz").metadata == {"label": ["3", "1", "3", "2"]}
    np.savez(tmp_path / "b.npz", images=images, labels=np.arange(3))
    with pytest.raises(ValueError, match="4 images but 3 labels"):
        load_images(tmp_path / "b.npz")


def test_the_array_of_pictures_in_an_npz_is_found_or_asked_for_by_name(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "one.npz", arr_0=pixels, arr_1=np.arange(6), labels=np.arange(6))
    one = load_images(tmp_path / "one.npz")
    assert one.names[0] == "one:arr_0[0]" and one.metadata["label"][5] == "5"
    np.savez(tmp_path / "two.npz", train=pixels[:4], test=pixels[4:], labels=np.arange(4))
    with pytest.raises(
        ValueError, match=r"2 arrays .*train \(4 x 8 x 8 x 3\), test .*two\.npz:train"
    ):
        load_images(tmp_path / "two.npz")
    train, test = (load_images(f"{tmp_path}/two.npz:{name}") for name in ("train", "test"))
    assert [*train.ids, *test.ids] == one.ids
    assert "label" in train.metadata and "label" not in test.metadata
    with pytest.raises(ValueError, match="no array named other"):
        load_images(f"{tmp_path}/two.npz:other")
    np.savez(tmp_path / "usual.npz", images=pixels[:1], others=pixels)
    assert len(load_images(tmp_path / "usual.npz")) == 1
    with pytest.raises(ValueError, match="outside the folders"):
        load_images(f"{tmp_path}/two.npz:train", roots=[tmp_path / "inside"])


def test_an_image_set_knows_which_of_its_images_were_held_out(folder: Path) -> None:
    found = load_images(folder)
    assert found.held_out.tolist() == [False] * 6
    found.metadata["group"] = ["trained", HELD_OUT] * 3
    assert found.held_out.tolist() == [False, True] * 3
    assert found.held_out.dtype == bool
    spelled = {
        file.relative_to(PACKAGE).as_posix()
        for file in PACKAGE.rglob("*.py")
        if re.search(r"""[=[(] ?["']held-out["']""", file.read_text())
    }
    assert spelled <= {"images/imageset.py", "demo/emoji.py"}, "the literal is spelled once"
