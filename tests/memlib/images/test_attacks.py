"""Files made to cost memory or time: each is refused in a sentence, or left out by name, soon, and
whoever works beside the one who opened it does not notice.
"""

import io
import json
import os
import resource
import signal
import struct
import tarfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from memlib import load_images
from memlib.confined import Children, Frame
from memlib.images import columns, decode, pictures
from memlib.images.archives import Member
from memlib.images.pictures import DECODERS
from memlib.images.tables import HubData
from memlib.images.transform import Transform

LONGEST = 400  # letters of a message


def png(side: int = 8, mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (side, side)).save(stream, "PNG")
    return stream.getvalue()


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(ValueError, match=r".+") as caught:
        load_images(path, **options)  # type: ignore[arg-type]
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) <= LONGEST
    return said


def peak_of_children(kind: Children = DECODERS) -> int:
    """The most memory, in bytes, that one of the waiting children ever held."""
    peaks = [0]
    for child in kind._waiting:
        status = Path(f"/proc/{child.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        peaks.append(int(line.split()[1]) * 1024)
    return max(peaks)


def zip_with(path: Path, table: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", png())
        archive.writestr("metadata.csv", table)
    return path


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (b"file_name" + b"".join(b",c%d" % n for n in range(200_000)), "letters|columns"),
        (
            b"file_name" + b"".join(b",c%d" % n for n in range(5_000)) + b"\na.png\n",
            "5,000 columns",
        ),
        (
            b"file_name" + b"".join(b",c%d" % n for n in range(90)) + b"\na.png" * 200_000,
            "90 columns for",
        ),
        (b"file_name,a\n" + b"\n" * 3_000_000, "lines"),
        (b"file_name,a\n" + b'"\n",' * 100_000, "letters"),
        (b"file_name,a\n" + b"," * 48_000_000, "letters"),
    ],
    ids=["200,000 columns", "5,000 columns", "cells", "blank lines", "one row", "commas"],
)
def test_tables_of_any_number_of_cells_are_refused(table: bytes, said: str, tmp_path: Path) -> None:
    started = time.process_time()
    with pytest.raises(ValueError, match=said):
        load_images(zip_with(tmp_path / "a.zip", table))
    assert time.process_time() - started < 3  # of this process; the child did the work
    with pytest.raises(ValueError, match=said):  # the library has the limits too
        list(columns.read_table(table)[1])


def test_columns_times_pictures_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MOST_CELLS", 5)
    with pytest.raises(ValueError, match="2 columns for 3 pictures"):
        columns.join(["a", "b"], iter(()), ["1", "2", "3"])


def test_a_tar_header_of_a_million_digits_does_not_hold_the_interpreter(tmp_path: Path) -> None:
    """CVE-2024-6232: tarfile needs quadratic time for it."""
    body = b"1" * 2**20
    entry = tarfile.TarInfo("././@PaxHeader")
    entry.type, entry.size = tarfile.XHDTYPE, len(body)
    with (tmp_path / "a.tar").open("wb") as file:
        file.write(entry.tobuf(tarfile.USTAR_FORMAT) + body)
        picture = tarfile.TarInfo("a.png")
        picture.size = len(png())
        file.write(picture.tobuf(tarfile.USTAR_FORMAT) + png().ljust(512, b"\0") + bytes(1024))
    assert "no tar file" in refusal(tmp_path / "a.tar")


def header_of(shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    return stream.getvalue()


@pytest.mark.parametrize("count", [10**7, 10**9])
def test_arrays_that_claim_millions_of_pictures_are_refused(count: int, tmp_path: Path) -> None:
    header = header_of((count, 1, 1))
    with (tmp_path / "a.npy").open("wb") as file:  # as long as it claims, and takes no disk
        file.write(header)
        file.truncate(len(header) + count)
    assert "claims to hold" in refusal(tmp_path / "a.npy")
    (tmp_path / "b.npy").write_bytes(header)
    assert "cut off" in refusal(tmp_path / "b.npy")
    with zipfile.ZipFile(tmp_path / "c.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", header + bytes(min(count, 2**26)))
    assert refusal(tmp_path / "c.npz")


def test_an_array_that_is_cut_off_while_it_is_open_is_a_sentence(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((100, 64, 64, 3), np.uint8))
    found = load_images(tmp_path / "a.npy")
    os.truncate(tmp_path / "a.npy", 1000)  # a memory map would end the server here
    with pytest.raises(ValueError, match=r"'a\[99\]' is cut off; the images changed"):
        found[99]


def test_a_column_major_array_holds_the_same_pictures(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    np.save(tmp_path / "c.npy", pixels)
    np.save(tmp_path / "f.npy", np.asfortranarray(pixels))
    assert load_images(tmp_path / "f.npy").ids == load_images(tmp_path / "c.npy").ids


def test_a_small_table_of_long_words_is_refused(tmp_path: Path) -> None:
    words = pa.DictionaryArray.from_arrays(np.zeros(20_000, np.int32), ["x" * 2**20])
    table = pa.table({"word": words, "image": pa.array([png()] * 20_000)})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd", store_schema=False)
    assert (tmp_path / "a.parquet").stat().st_size < 50_000
    assert "would unpack to" in refusal(tmp_path / "a.parquet")


def scans_of(count: int, side: int) -> bytes:
    """A progressive JPEG of which the last scan is repeated."""
    stream = io.BytesIO()
    Image.new("L", (side, side), 77).save(stream, "JPEG", progressive=True)
    data = stream.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


def test_a_jpeg_of_hundreds_of_scans_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(scans_of(500, 2000))
    (tmp_path / "b.png").write_bytes(png())
    (tmp_path / "c.jpg").write_bytes(scans_of(1, 8))
    found = load_images(tmp_path, size=8, channels=3)
    assert [name for name, _ in found.skipped] == ["a.jpg"]
    assert "scans" in found.skipped[0][1]
    with pytest.raises(ValueError, match="scans"):
        decode.decode(scans_of(500, 2000))


def test_the_largest_transparent_picture_takes_less_than_two_gigabytes(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(8192, "RGBA"))
    DECODERS.end()
    assert load_images(tmp_path, size=8).shape == (3, 8, 8)
    assert 2**28 < peak_of_children() < 1.6e9


def test_transparency_in_strips_is_transparency_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 4), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    expected = decode.decode(stream.getvalue())
    monkeypatch.setattr(decode, "STRIP", 20)
    assert np.array_equal(decode.decode(stream.getvalue()), expected)


def test_a_zip_entry_without_a_name_is_passed_over(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x", b"nothing")
        archive.writestr("a.png", png())
    data = bytearray((tmp_path / "a.zip").read_bytes())
    central = data.rindex(b"PK\x01\x02", 0, data.rindex(b"a.png"))
    first = data.index(b"PK\x01\x02")
    assert first < central
    data[first + 28 : first + 30] = struct.pack("<H", 0)  # the name's length
    data[first + 46 : first + 47] = b""
    end = data.rindex(b"PK\x05\x06")
    data[end + 12 : end + 16] = struct.pack("<I", end - first)
    (tmp_path / "a.zip").write_bytes(data)
    assert load_images(tmp_path / "a.zip").names == ["a.png"]


def test_links_in_circles_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "b.png").symlink_to("c.png")
    (tmp_path / "c.png").symlink_to("b.png")
    (tmp_path / "round").symlink_to(".")
    (tmp_path / "metadata.csv").symlink_to("metadata.csv")
    os.mkfifo(tmp_path / "d.png")  # would wait for a writer for ever
    assert load_images(tmp_path).names == ["a.png"]


def test_paths_in_tables_are_never_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(png())
    rows = [{"bytes": None, "path": str(secret)}, {"bytes": png(), "path": str(secret)}]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"image": pa.array(rows, kind)}), tmp_path / "a.parquet")
    found = load_images(tmp_path / "a.parquet")
    assert found.skipped == [("a.parquet[0]", "has no picture")]
    hub = HubData.__new__(HubData)
    hub.column, hub._data = "image", [{"image": row} for row in rows]  # type: ignore[assignment]
    refused, usable = hub.read([0, 1], Transform())
    assert "names a file" in str(refused)
    assert isinstance(usable, np.ndarray)


def test_pictures_deleted_under_an_open_page_are_a_sentence(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(png())
    found = load_images(tmp_path)
    (tmp_path / "a.png").unlink()
    (tmp_path / "b.png").write_bytes(png(9))
    for ask in (found.batch, found.thumbnails):
        with pytest.raises(ValueError, match="changed since they were loaded"):
            ask([0])
        with pytest.raises(ValueError, match="changed since they were loaded"):
            ask([1])


@pytest.mark.parametrize(
    "value", [10**5000, -(10**5000), 2**31, 1.5, "8", True], ids=list("abcdef")
)
def test_sizes_and_limits_are_bounded_and_quoted_shortly(value: object, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    for option in ("size", "channels", "limit"):
        assert "whole number between 1 and" in refusal(tmp_path, **{option: value})


def test_long_and_odd_names_make_short_plain_messages(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("b\n\x1b[31m" + "x" * 60_000 + ".png")
    with zipfile.ZipFile(tmp_path / "a\n\x1b.zip", "w") as archive:
        archive.writestr(entry, b"no picture")
        archive.writestr("c\n" + "x" * 3000 + ".png", b"no picture")
    said = refusal(tmp_path / "a\n\x1b.zip")
    assert said.isprintable()
    (tmp_path / "a\n.rar").write_bytes(b"")
    assert refusal(tmp_path / "a\n.rar").isprintable()


def test_a_picture_that_takes_too_long_ends_its_process_and_no_other_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decoder that hangs or dies costs the one picture it hung on."""
    for name in "abcd":
        (tmp_path / f"{name}.png").write_bytes(png(8 + (name == "c")))
    ask = DECODERS.ask

    def deadly(header: dict, body: Sequence[bytes] = (), **options: Any) -> Iterator[Frame]:
        for place, answer in enumerate(ask(header, body, **options)):
            if header["do"] == "decode" and body[place] != png(8):
                raise pictures.Ended("takes too long to read")
            yield answer

    monkeypatch.setattr(DECODERS, "ask", deadly)
    found = load_images(tmp_path)
    assert found.names == ["a.png", "b.png", "d.png"]
    assert found.skipped == [("c.png", "takes too long to read")]
    monkeypatch.setattr(pictures, "MOST_ENDED", 2)
    for number in range(5):
        (tmp_path / f"x{number}.png").write_bytes(png(9))
    assert "take too long or too much memory" in refusal(tmp_path)


def test_what_a_child_sends_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = [(Member(0, 1, 1), b"x")]
    for shape in ([3, 8, 9], [2, 8, 8], [3, 8, 8.0], [3, -8, -8], "3", None, [3, 8]):
        answer = iter([({"shape": shape}, bytearray(192))])
        monkeypatch.setattr(DECODERS, "ask", lambda *_, answer=answer, **__: answer)
        with pytest.raises(pictures.Ended, match="nonsense"):
            list(pictures.decoded(packed, Transform()))


class Stopped(Exception):
    pass


def evil_tar(path: Path) -> Path:
    """Headers that each take tarfile a while, so many that listing them takes longer than
    it may.
    """
    body = b"1" * 15_000
    entry = tarfile.TarInfo("././@PaxHeader")
    entry.type, entry.size = tarfile.XGLTYPE, len(body)
    block = entry.tobuf(tarfile.USTAR_FORMAT) + body.ljust(15_360, b"\0")
    path.write_bytes(block * 2000)
    return path


def test_stopping_ends_the_process_that_parses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children: list = []
    take = DECODERS._take

    def seen() -> object:
        children.append(take())
        return children[-1]

    monkeypatch.setattr(DECODERS, "_take", seen)

    def stop(done: int, total: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        load_images(evil_tar(tmp_path / "a.tar"), callback=stop)
    assert children[-1].process.poll() == -signal.SIGKILL


@pytest.mark.slow
def test_the_sessions_process_hardly_computes_while_the_worst_file_is_opened(
    tmp_path: Path,
) -> None:
    """Other sessions keep the interpreter's lock: the child computes for seconds, its parent does
    not.
    """

    def spent(who: int) -> float:
        used = resource.getrusage(who)
        return used.ru_utime + used.ru_stime

    DECODERS.end()
    path = evil_tar(tmp_path / "a.tar")
    before = spent(resource.RUSAGE_SELF), spent(resource.RUSAGE_CHILDREN)
    assert "takes too long" in refusal(path)
    own, child = (
        spent(resource.RUSAGE_SELF) - before[0],
        spent(resource.RUSAGE_CHILDREN) - before[1],
    )
    assert child > 5
    assert own < child / 10


def test_one_process_is_started_and_reused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    load_images(tmp_path)
    (first,) = {child.process.pid for child in DECODERS._waiting[-1:]}
    for _ in range(5):
        load_images(tmp_path).batch([0])
    assert DECODERS._waiting[-1].process.pid == first
    loaded = Path(f"/proc/{first}/maps").read_text()
    assert "torch" not in loaded
    limits = Path(f"/proc/{first}/limits").read_text().splitlines()
    held = {line[:26].strip(): line[26:].split()[0] for line in limits}
    assert held["Max core file size"] == held["Max file size"] == "0"
    assert int(held["Max address space"]) <= 2 * 2**30
    assert os.getpriority(os.PRIO_PROCESS, first) > os.getpriority(os.PRIO_PROCESS, 0)


def test_no_pickle_crosses() -> None:
    text = Path(pictures.__file__).parents[1].joinpath("confined.py").read_text()
    assert json.__name__ in text
    assert not any(word in text for word in ("pickle", "marshal", "multiprocessing", "eval("))
