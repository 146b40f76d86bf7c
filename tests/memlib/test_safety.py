"""Thousands of damaged files for every loader: a ValueError with a message comes out, soon, and
memory stays bounded.
"""

import io
import json
import os
import resource
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import diffusers
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from memlib import load_denoiser, load_images
from memlib.runs import read_run
from tests.conftest import tiny_unet

PATIENCE = 5.0  # seconds of computing a file may take
MEMORY = 1.5e9  # bytes the whole test may add
WHOLE = int(os.environ.get("AFTERIMAGE_FUZZ", "0"))  # mutated files of each kind; 10000 is all
ROUNDS = {"images": WHOLE or 2600, "models": WHOLE or 600}  # the images' divide over the kinds


def pictures() -> dict[str, bytes]:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    found = {}
    for name, kind in (
        ("png", "PNG"),
        ("jpg", "JPEG"),
        ("webp", "WEBP"),
        ("bmp", "BMP"),
        ("gif", "GIF"),
        ("tiff", "TIFF"),
        ("ppm", "PPM"),
    ):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, kind)
        found[f"a.{name}"] = stream.getvalue()
    return found


def containers(folder: Path) -> dict[str, bytes]:
    good = pictures()["a.png"]
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", good)
        archive.writestr("b/c.png", good)
        archive.writestr("metadata.csv", "file_name,group\na.png,x\n")
    for name, mode in (("a.tar", "w"), ("a.tar.gz", "w:gz")):
        with tarfile.open(folder / name, mode, format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
            for member in (
                "a.png",
                "b/ä" + "x" * 120 + ".png",
            ):  # long enough for a header of its own
                entry = tarfile.TarInfo(member)
                entry.size = len(good)
                tar.addfile(entry, io.BytesIO(good))
    np.save(folder / "a.npy", np.zeros((3, 8, 8, 3), np.uint8))
    np.savez(folder / "a.npz", images=np.zeros((3, 3, 8, 8), np.float32), labels=np.arange(3))
    pq.write_table(
        pa.table({"label": [1, 2], "image": pa.array([{"bytes": good, "path": "a"}] * 2)}),
        folder / "a.parquet",
    )
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def mutated(data: bytes, draw: np.random.Generator) -> bytes:
    """Bits flipped, bytes set to extremes, runs cut out, doubled or blown up, the end lost."""
    changed = bytearray(data)
    for _ in range(int(draw.integers(1, 6))):
        at, way = int(draw.integers(0, max(1, len(changed)))), int(draw.integers(0, 7))
        span = int(draw.integers(1, 9))
        if way == 0 and changed:
            changed[at % len(changed)] ^= 1 << int(draw.integers(0, 8))
        elif way == 1:
            changed[at : at + span] = bytes([int(draw.choice([0, 1, 0x7F, 0x80, 0xFF]))]) * span
        elif way == 2:
            del changed[at : at + span]
        elif way == 3:
            changed[at:at] = changed[at : at + 16 * span]
        elif way == 4:
            changed[at:at] = draw.bytes(span)
        elif way == 5:
            changed[at : at + 4] = int(draw.choice([2**31 - 1, 2**32 - 1, 2**24, 0])).to_bytes(
                4, str(draw.choice(["big", "little"]))
            )  # type: ignore[arg-type]
        elif at > 8:
            del changed[at:]
    return bytes(changed)


def strange(data: bytes, draw: np.random.Generator) -> bytes:
    """A JSON object with one of its values replaced by another that somebody might write there."""
    content = json.loads(data)
    values = [
        None,
        -1,
        0,
        1,
        2,
        3.5,
        10**9,
        10**30,
        True,
        "x",
        "",
        [],
        [0],
        [8, 16, 32],
        [[8]],
        {},
        {"a": 1},
        float("nan"),
        float("inf"),
        "DownBlock2D",
        16,
    ]
    key = str(draw.choice(sorted(content)))
    content[key] = values[int(draw.integers(0, len(values)))]
    return json.dumps(content).encode()


def feed(cases: Iterator[tuple[str, Callable[[], object]]]) -> dict[str, int]:
    """Run every case; count how it ended, and fail on anything but success or a ValueError with a
    message, in time.
    """
    ends = {"opened": 0, "refused": 0}
    for name, case in cases:
        started = time.process_time()  # a busy machine is no fault of the file
        try:
            case()
            ends["opened"] += 1
        except ValueError as error:
            assert str(error).strip(), name
            assert "\n" not in str(error), (name, str(error))
            assert type(error) is ValueError or type(error).__module__.startswith("memlib"), (
                name,
                repr(error),
            )
            ends["refused"] += 1
        taken = time.process_time() - started
        assert taken < PATIENCE, (name, taken)
    return ends


def grown(before: int) -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit


def open_all(path: Path, transform: dict) -> None:
    found = load_images(path, **transform)
    found.batch(range(len(found)))


@pytest.mark.slow
def test_damaged_image_files_are_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFTERIMAGE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "kinds").mkdir()
    good = {**pictures(), **containers(tmp_path / "kinds")}
    table = b"file_name,group,copies\na.png,x,1\nb.png,y,2\n"
    draw = np.random.default_rng(20)

    def cases() -> Iterator[tuple[str, Callable[[], object]]]:
        for turn in range(ROUNDS["images"] // (len(good) + 1)):
            transform: dict = {} if turn % 2 else {"size": 8, "channels": 3}
            for name, data in good.items():
                place = tmp_path / f"{turn}-{name}"
                if name in pictures():
                    place.mkdir()
                    (place / name).write_bytes(mutated(data, draw))
                else:
                    place.write_bytes(mutated(data, draw))
                yield (
                    f"{turn} {name}",
                    lambda place=place, transform=transform: open_all(place, transform),
                )  # type: ignore[misc]
            place = tmp_path / f"{turn}-table"
            place.mkdir()
            (place / "a.png").write_bytes(good["a.png"])
            (place / "metadata.csv").write_bytes(mutated(table, draw))
            yield f"{turn} metadata.csv", lambda place=place: open_all(place, {})  # type: ignore[misc]

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ends = feed(cases())
    assert sum(ends.values()) >= 2500
    assert min(ends.values()) > 300, ends  # neither all harmless nor all hopeless
    assert grown(before) < MEMORY


@pytest.mark.slow
def test_damaged_models_are_refused_in_a_sentence(tmp_path: Path) -> None:
    tiny_unet().save_pretrained(tmp_path / "good" / "unet")
    diffusers.DDPMScheduler(num_train_timesteps=100).save_pretrained(
        tmp_path / "good" / "scheduler"
    )
    files = {
        name: (tmp_path / "good" / name).read_bytes()
        for name in (
            "unet/config.json",
            "unet/diffusion_pytorch_model.safetensors",
            "scheduler/scheduler_config.json",
        )
    }
    header = 8 + int.from_bytes(files["unet/diffusion_pytorch_model.safetensors"][:8], "little")
    draw = np.random.default_rng(21)

    def cases() -> Iterator[tuple[str, Callable[[], object]]]:
        for turn in range(ROUNDS["models"] // len(files)):
            for name, data in files.items():
                folder = tmp_path / f"model-{turn}-{Path(name).stem}"
                for other, content in files.items():
                    (folder / other).parent.mkdir(parents=True, exist_ok=True)
                    (folder / other).write_bytes(content)
                only = header if turn % 2 else len(data)  # half of the time the header alone
                damaged = (
                    mutated(data[:only], draw) + data[only:]
                    if name.endswith("safetensors") or turn % 2
                    else strange(data, draw)
                )
                (folder / name).write_bytes(damaged)
                yield f"{turn} {name}", lambda folder=folder: load_denoiser(folder, "cpu")  # type: ignore[misc]

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ends = feed(cases())
    assert sum(ends.values()) >= 590
    assert min(ends.values()) > 20, ends
    assert grown(before) < MEMORY


@pytest.mark.parametrize(
    ("name", "length", "header"),
    [
        ("longer than the file", 10**12, b"{}"),
        ("no json", 4, b"\xff\xfe{}"),
        ("a list", 2, b"[]"),
        ("nested without end", 60_000, b'{"a":' * 12_000),
        (
            "huge shapes",
            0,
            json.dumps(
                {"w": {"dtype": "F32", "shape": [10**9, 10**9], "data_offsets": [0, 4]}}
            ).encode(),
        ),
        (
            "negative shapes",
            0,
            json.dumps({"w": {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}}).encode(),
        ),
        (
            "offsets outside",
            0,
            json.dumps(
                {"w": {"dtype": "F32", "shape": [1], "data_offsets": [10**9, 10**9 + 4]}}
            ).encode(),
        ),
        (
            "an unknown type",
            0,
            json.dumps({"w": {"dtype": "F3000", "shape": [1], "data_offsets": [0, 4]}}).encode(),
        ),
    ],
)
def test_malformed_safetensors_headers_are_refused_before_anything_is_allocated(
    name: str, length: int, header: bytes, save_model: Callable[..., Path]
) -> None:
    folder = save_model(diffusers.DDPMScheduler())
    (folder / "unet/diffusion_pytorch_model.safetensors").write_bytes(
        (length or len(header)).to_bytes(8, "little") + header + bytes(64)
    )
    with pytest.raises(ValueError, match=r"damaged|do not fit") as caught:
        load_denoiser(folder, "cpu")
    assert "\n" not in str(caught.value)


def test_no_loader_knows_pickle() -> None:
    root = Path(__file__).parents[2]
    code = "\n".join(file.read_text() for file in (root / "memlib").rglob("*.py"))
    assert "import pickle" not in code
    assert "torch.load(" not in code
    assert "allow_pickle=True" not in code


def test_a_damaged_run_is_refused_in_a_sentence(tmp_path: Path) -> None:
    draw = np.random.default_rng(5)
    source = next((Path(__file__).parents[2] / "assets/demo/runs").iterdir())
    manifest, table = (
        (source / name).read_bytes() for name in ("manifest.json", "numbers.parquet")
    )

    def cases() -> Iterator[tuple[str, Callable[[], object]]]:
        for turn in range(20):
            (tmp_path / "manifest.json").write_bytes(
                mutated(manifest, draw) if turn % 2 else manifest
            )
            (tmp_path / "numbers.parquet").write_bytes(
                manifest if turn % 2 else mutated(table[:5000], draw)
            )
            yield str(turn), lambda: read_run(tmp_path)

    assert feed(cases())["refused"] == 20


def test_memory_is_asked_for_only_once_the_weights_fit(
    save_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A config of a network of hundreds of gigabytes is refused from the header of its small file."""
    folder = save_model(diffusers.DDPMScheduler())
    config = json.loads((folder / "unet/config.json").read_text())
    (folder / "unet/config.json").write_text(
        json.dumps({**config, "block_out_channels": [32768, 65536]})
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="do not fit"):
        load_denoiser(folder, "cpu")
    assert grown(before) < 2e8
    assert torch.get_default_device() == torch.device("cpu")
