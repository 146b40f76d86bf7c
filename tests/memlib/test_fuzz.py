"""Thousands of damaged files for every loader: what comes out is a result or a ValueError of one
sentence, soon, and memory stays bounded.

`make fuzz` tries ten thousand and more, and says how long the slowest took.
"""

import contextlib
import dataclasses
import io
import json
import os
import resource
import shutil
import sqlite3
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from memlib import load_denoiser, load_images
from memlib.audit.review import agreements, outcomes, removal_list, standing, undoable
from memlib.audit.verdicts import VERDICTS, Change, Verdicts
from memlib.bundled import DEMO
from memlib.denoisers import Denoiser
from memlib.denoisers.trial import TRIALS
from memlib.extraction import load_surrogate, read_generations
from memlib.extraction.features.sscd import load_sscd
from memlib.images.pictures import DECODERS
from memlib.landscapes.mixtures import parse_modes
from memlib.measures import MEASURES
from memlib.runs import Filter, Numbers, Run, read_run
from memlib.tasks import Task
from memlib.workspace import Sources
from tests.conftest import tiny_unet
from tests.memlib.denoisers.test_loaders_models import tiny_dit, tiny_kl, tiny_ldm
from tests.memlib.images.test_attacks import peak_of_children
from tests.memlib.test_safety import grown
from tests.text_models import save_pipeline

PATIENCE = 10.0  # seconds of computing a file may take, of this process and its children
MEMORY = 1.5e9  # bytes a whole test may add to this process
USUAL = {"images": 2600, "models": 240, "runs": 200, "attacks": 300, "verdicts": 200, "words": 600}
WHOLE = {
    **{"images": 4500, "models": 1100, "runs": 1100},
    **{"attacks": 1200, "verdicts": 1000, "words": 1600},
}


def rounds(loader: str) -> pytest.MarkDecorator:
    """Run a test with some damaged inputs for a loader; behind the marker `fuzz`, with all."""
    every = pytest.param(WHOLE[loader], id="all", marks=[pytest.mark.fuzz, pytest.mark.slow])
    return pytest.mark.parametrize("rounds", [pytest.param(USUAL[loader], id="some"), every])


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


ODD = [
    *(None, -1, 0, 1, 2, 3.5, 10**9, 10**30, True, "x", "", [], [0], [8, 16, 32], [[8]], {}),
    *({"a": 1}, float("nan"), float("inf"), "DownBlock2D", 16, 257, 65537, -(10**400), [1] * 70),
    *(10**4000, "\ud800", "a\0b", "x" * 10**5, [None], [[[[]]]], {"": {}}, "../../x", "1e999"),
]


def strange(data: bytes, draw: np.random.Generator) -> bytes:
    """A JSON object with one of its values, at any depth, replaced by another that somebody might
    write there, or taken away.
    """
    content = json.loads(data)
    place, key = content, str(draw.choice(sorted(content)))
    while isinstance(place[key], (dict, list)) and len(place[key]) and draw.random() < 0.7:
        place = place[key]
        key = str(draw.choice(sorted(place))) if isinstance(place, dict) else 0  # type: ignore[assignment]
    if draw.random() < 0.15:
        del place[key]
    else:
        place[key] = ODD[int(draw.integers(0, len(ODD)))]
    return json.dumps(content).encode()


def computed() -> float:
    """Seconds that this process and its children, those that wait included, have computed."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    ticks = 0
    for child in [*DECODERS._waiting, *TRIALS._waiting]:
        with contextlib.suppress(OSError):  # where there is no /proc
            said = Path(f"/proc/{child.process.pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(said[11]) + int(said[12])
    return time.process_time() + ended.ru_utime + ended.ru_stime + ticks / os.sysconf("SC_CLK_TCK")


def feed(cases: Iterator[tuple[str, Callable[[], object]]]) -> dict[str, int]:
    """Run every case; count how it ended, and fail on anything but success or a ValueError with a
    message, in time and memory.
    """
    ends, slowest = {"opened": 0, "refused": 0}, (0.0, "")
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    for name, case in cases:
        started = computed()  # a busy machine is no fault of the file
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
        taken = computed() - started
        assert taken < PATIENCE, (name, taken)
        slowest = max(slowest, (taken, name))
    added = grown(before)
    print(
        f"{sum(ends.values())} cases in {time.monotonic() - began:.0f} s: {ends}; the slowest "
        f"{slowest[0]:.2f} s ({slowest[1]:.80}); {added / 2**20:.0f} MB added, "
        f"{max(map(peak_of_children, (DECODERS, TRIALS))) / 2**20:.0f} MB in a child"
    )
    assert added < MEMORY
    return ends


def open_all(path: Path, transform: dict) -> None:
    found = load_images(path, **transform)
    found.batch(range(len(found)))


@rounds("images")
@pytest.mark.slow
def test_damaged_image_files_are_refused_in_a_sentence(
    tmp_path: Path, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFTERIMAGE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "kinds").mkdir()
    good = {**pictures(), **containers(tmp_path / "kinds")}
    table = b"file_name,group,copies\na.png,x,1\nb.png,y,2\n"
    draw = np.random.default_rng(20)

    def cases() -> Iterator[tuple[str, Callable[[], object]]]:
        for turn in range(rounds // (len(good) + 1)):
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

    ends = feed(cases())
    assert sum(ends.values()) >= 2500
    assert min(ends.values()) > 300, ends  # neither all harmless nor all hopeless


def models(folder: Path) -> dict[str, Path]:
    """Whole models of every kind that is read: networks, schedulers, autoencoders, shards."""
    found = {}
    for name, scheduler in {
        "ddpm": diffusers.DDPMScheduler(num_train_timesteps=100),
        "edm": diffusers.EDMEulerScheduler(),
        "ve": diffusers.ScoreSdeVeScheduler(sigma_max=50.0),
    }.items():
        found[name] = folder / name
        tiny_unet().save_pretrained(found[name] / "unet")
        scheduler.save_pretrained(found[name] / "scheduler")
    found["shards"] = folder / "shards"
    tiny_unet().save_pretrained(found["shards"] / "unet", max_shard_size="20KB")
    shutil.copytree(found["ddpm"] / "scheduler", found["shards"] / "scheduler")
    found["vq"], found["kl"] = folder / "vq", folder / "kl"
    tiny_ldm(found["vq"])
    schedule = diffusers.DDIMScheduler(clip_sample=False)
    diffusers.DiTPipeline(tiny_dit(), tiny_kl(), schedule).save_pretrained(found["kl"])
    for family, old in (("1", True), ("xl", False)):  # both forms of a tokenizer's files
        found[f"text {family}"] = folder / f"text {family}"
        save_pipeline(found[f"text {family}"], family, old=old)
    return found


def loaded(kind: str, folder: Path) -> Denoiser:
    """Load a model; one of text reads a prompt as well."""
    model = load_denoiser(folder, "cpu", roots=[folder.parent])
    return model.given("a red cat, 雪") if kind.startswith("text") else model


@rounds("models")
@pytest.mark.slow
def test_damaged_models_are_refused_in_a_sentence(tmp_path: Path, rounds: int) -> None:
    good = models(tmp_path / "good")
    for kind, folder in good.items():
        assert loaded(kind, folder)  # which starts the child
    files = [
        (kind, file.relative_to(folder))
        for kind, folder in good.items()
        for file in sorted(folder.rglob("*"))
        if file.suffix in (".json", ".safetensors", ".txt") and file.name != "model_index.json"
    ]
    draw, place = np.random.default_rng(21), tmp_path / "model"

    def cases() -> Iterator[tuple[str, Callable[[], object]]]:
        for turn in range(rounds):
            kind, name = files[turn % len(files)]
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(good[kind], place)
            data, again = (place / name).read_bytes(), turn // len(files)
            if name.suffix == ".json":
                damaged = mutated(data, draw) if again % 4 == 3 else strange(data, draw)
            elif name.suffix == ".txt":
                damaged = mutated(data, draw)
            else:
                header = 8 + int.from_bytes(data[:8], "little")
                only = header if again % 2 else len(data)  # half of the time the header alone
                damaged = mutated(data[:only], draw) + data[only:]
            (place / name).write_bytes(damaged)
            yield f"{turn} {kind}/{name}", lambda kind=kind: loaded(kind, place)  # type: ignore[misc]

    ends = feed(cases())
    assert min(ends.values()) > 20, ends


def read_all(folder: Path) -> None:
    """What the page of runs asks of a run."""
    read_run(folder)
    run = Run(folder)
    numbers = Numbers(run)
    name, column = next(iter(numbers.names)), next(iter(numbers.metadata), "")
    where = Filter("a", column, tuple(numbers.choices(column)[:1])) if column else Filter("a")
    table = numbers.page(name, True, 0, 8, where)
    numbers.histogram(name, where)
    numbers.rank(name, True, 0.0)
    run.arrays(run.spread(4), "map") if run.columns().get("map") else None
    assert len(table) <= 8


@rounds("runs")
@pytest.mark.slow
def test_damaged_runs_are_refused_in_a_sentence(tmp_path: Path, rounds: int) -> None:
    source, draw = DEMO / "runs" / "denoising-loss", np.random.default_rng(5)
    read_all(source)
    manifest, table = (
        (source / name).read_bytes() for name in ("manifest.json", "numbers.parquet")
    )

    def cases() -> Iterator[tuple[str, Callable[[], object]]]:
        for turn in range(rounds):
            change = (mutated, strange)[turn % 4 // 2]
            (tmp_path / "manifest.json").write_bytes(
                change(manifest, draw) if turn % 2 else manifest
            )
            (tmp_path / "numbers.parquet").write_bytes(table if turn % 2 else mutated(table, draw))
            yield str(turn), lambda: read_all(tmp_path)

    ends = feed(cases())
    assert min(ends.values()) > 10, ends


@rounds("attacks")
@pytest.mark.slow
def test_damaged_attacks_are_refused_in_a_sentence(tmp_path: Path, rounds: int) -> None:
    source, draw = DEMO / "extraction" / "side", np.random.default_rng(6)
    good = {file.name: file.read_bytes() for file in source.iterdir()}
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    stream = io.BytesIO()
    np.savez(stream, images=pixels)
    del good["images.npz"]
    good["part-000000.npz"] = stream.getvalue()
    denoiser = load_denoiser("demo", "cpu")

    def read() -> None:
        read_generations(tmp_path)
        load_surrogate(tmp_path, denoiser)

    def cases() -> Iterator[tuple[str, Callable[[], object]]]:
        for turn in range(rounds):
            name = sorted(good)[turn % len(good)]
            for other, data in good.items():
                (tmp_path / other).write_bytes(data)
            again = turn // len(good)
            change = strange if name.endswith(".json") and again % 4 else mutated
            (tmp_path / name).write_bytes(change(good[name], draw))
            yield f"{turn} {name}", read
            if name.endswith(".safetensors"):
                yield f"{turn} as sscd", lambda: load_sscd(tmp_path / "classifier.safetensors")

    ends = feed(cases())
    assert min(ends.values()) > 10, ends


@rounds("verdicts")
@pytest.mark.slow
def test_a_damaged_history_of_verdicts_is_read_or_refused_in_a_sentence(
    tmp_path: Path, rounds: int
) -> None:
    """Another program can write into the database."""
    draw, images = np.random.default_rng(7), load_images("demo", limit=8)
    place = tmp_path / "verdicts.db"
    verdicts = Verdicts(f"sqlite:///{place}")
    for turn in range(6):
        changes = [
            Change(image, VERDICTS[turn % 4], turn // 2, "a note", (0, 0, 2, 3), {"value": 1.5})
            for image in images.ids
        ]
        verdicts.decide("model", f"reviewer {turn % 2}", changes, f"action {turn}")
    verdicts.undo("model", "reviewer 0", "action 4", "undo 0")
    verdicts.close()
    good = place.read_bytes()
    columns = ("undoes", "verdict", "note", "region", "evidence", "reviewer", "at", "revision")

    def read() -> None:
        there = Verdicts(f"sqlite:///{place}")
        try:
            history = there.history("model")
            there.evidence(history["id"])
            for review in (standing, agreements, outcomes):
                review(history)
            removal_list(history, images, np.arange(len(images)))
            undoable(history, "reviewer 0")
            there.undo("model", "reviewer 0", "action 2", "undo 1")
        finally:
            there.close()

    def cases() -> Iterator[tuple[str, Callable[[], object]]]:
        for turn in range(rounds):
            place.write_bytes(good)
            column = str(draw.choice(columns))
            odd = ODD[int(draw.integers(0, len(ODD)))]
            value: Any = json.dumps(odd) if column in ("region", "evidence") else odd
            if isinstance(value, (list, dict)) or (type(value) is int and abs(value) > 2**62):
                value = str(value)[:100]
            if isinstance(value, str):
                value = value.encode(errors="surrogatepass")[:50].decode(errors="replace")
            value = mutated(str(value).encode(), draw).decode("latin1") if turn % 5 == 4 else value
            with sqlite3.connect(place) as connection:
                line = int(draw.integers(1, 49))
                connection.execute(
                    f"UPDATE OR IGNORE verdicts SET {column} = ? WHERE id = ?", (value, line)
                )
            connection.close()
            if turn % 10 == 9:
                place.write_bytes(mutated(good, draw))
            yield f"{turn} {column} {value!r}", read

    ends = feed(cases())
    assert ends["opened"] > 10, ends


@rounds("words")
def test_strange_words_are_settings_or_a_sentence(tmp_path: Path, rounds: int) -> None:
    """What addresses, manifests and the folders of background work say."""
    draw = np.random.default_rng(8)
    told = json.dumps(dataclasses.asdict(Sources(size=8, channels=3, label=1))).encode()
    texts = ["0.5", "1e-3", "12", "0.1,0.2", "true", "clean", "0,0,1,1,0,1;2,2,1,1,30,1"]
    (tmp_path / "task.json").write_text(json.dumps({"title": "t", "arguments": [], "began": 1.0}))
    (tmp_path / "progress.json").write_text(json.dumps({"done": 1, "total": 2, "text": "x"}))
    good = {file.name: file.read_bytes() for file in tmp_path.glob("*.json")}

    def progress(name: str, data: bytes) -> None:
        (tmp_path / name).write_bytes(data)
        task = Task(tmp_path)
        _ = task.details, task.progress()
        (tmp_path / name).write_bytes(good[name])

    def cases() -> Iterator[tuple[str, Callable[[], object]]]:
        for turn in range(rounds // 5):
            measure = list(MEASURES.values())[turn % len(MEASURES)].settings
            odd, name = ODD[turn % len(ODD)], list(measure.options())[turn % len(measure.options())]
            text = mutated(texts[turn % len(texts)].encode(), draw).decode("latin1")
            known = measure.options()[name].address
            data = strange(told, draw)
            yield f"{name} {odd!r:.40}", lambda m=measure, n=name, o=odd: m.changed({n: o})  # type: ignore[misc]
            yield f"?{known}={text!r}", lambda m=measure, k=known, t=text: m.with_address({k: t})  # type: ignore[misc]
            yield f"sources {data!r:.80}", lambda d=data: Sources.read(json.loads(d))  # type: ignore[misc]
            yield f"modes {text!r}", lambda t=text: parse_modes(t)  # type: ignore[misc]
            file = sorted(good)[turn % len(good)]
            data = (mutated if turn % 3 else strange)(good[file], draw)
            yield f"task {turn}", lambda f=file, d=data: progress(f, d)  # type: ignore[misc]

    ends = feed(cases())
    assert min(ends.values()) > 50, ends
