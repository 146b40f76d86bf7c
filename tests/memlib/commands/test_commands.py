"""The command line: help, exit codes, one object a line, and runs that are shared with the pages
and go on where they stopped.
"""

import argparse
import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pandas as pd
import pytest
from torch import Tensor

from memlib import load_denoiser, load_images, sample
from memlib.__main__ import main
from memlib.bundled import DEMO
from memlib.commands import COMMANDS, demo, extract, help_of
from memlib.commands.progress import Report
from memlib.evidence import match_samples, reproductions
from memlib.extraction import UNCONDITIONAL, fit_surrogate, read_generations
from memlib.extraction.attack_settings import AttackSettings
from memlib.extraction.stages import attack_run
from memlib.images import to_pixels
from memlib.tasks import Task
from tests.conftest import tiny_unet

SMALL = ["--own", "24", "--clusters", "3", "--cohesion", "-1", "--updates", "4", "--steps", "2"]
Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a tiny untrained model and twenty pictures of its size."""
    tiny_unet().save_pretrained(tmp_path / "model" / "unet")
    diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2").save_pretrained(
        tmp_path / "model" / "scheduler"
    )
    np.save(
        tmp_path / "images.npy",
        np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8),
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def say(place: Path, capsys: pytest.CaptureFixture[str]) -> Say:
    """say("extract", ...) -> exit code, stdout, stderr; with the tiny model."""

    def said(command: str, *asked: str) -> tuple[int, str, str]:
        images = ["--images", "images.npy"] if command in ("reproduce", "evidence") else []
        code = main([command, "--model", "model", *images, *asked])
        found = capsys.readouterr()
        return code, found.out, found.err

    return said


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of images of every call of the sampler."""
    calls: list[int] = []

    def counted(denoiser: Any, n: int, **options: Any) -> Tensor:
        calls.append(n)
        return sample(denoiser, n, **options)

    monkeypatch.setattr("memlib.extraction.generations.sample", counted)
    monkeypatch.setattr("memlib.extraction.attack.sample", counted)
    return calls


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def results(text: str) -> list[dict[str, Any]]:
    return [line for line in lines(text) if line.get("event") != "progress"]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_a_command_does_and_what_every_option_means(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = import_module(f"memlib.commands.{name}")
    assert help_of(name) == command.__doc__.strip()
    first, empty, *more = command.__doc__.splitlines()
    assert first.endswith(".")
    assert empty == ""
    assert more
    parser = argparse.ArgumentParser()
    command.arguments(parser)
    assert not [action.dest for action in parser._actions if not action.help]
    for asked in (["--help"], [name, "--help"]):
        with pytest.raises(SystemExit) as end:
            main(asked)
        assert end.value.code == 0
        assert first.rstrip(".") in " ".join(capsys.readouterr().out.split())


def test_the_options_of_extract_are_the_settings_of_the_page() -> None:
    parser = argparse.ArgumentParser()
    extract.arguments(parser)
    asked = vars(parser.parse_args([]))
    assert AttackSettings(**{name: asked[name] for name in AttackSettings.options()}) == (
        AttackSettings()
    )


@pytest.mark.parametrize("method", ["unconditional", "side", "permuted"])
def test_what_extract_draws_stands_in_the_folder_of_the_page_and_is_not_drawn_again(
    method: str, say: Say, place: Path, drawn: list[int]
) -> None:
    asked = ["--method", method, "-n", "5", "--seed", "3", "--strength", "2", *SMALL]
    code, out, _ = say("extract", *asked, "--json")
    assert code == 0
    (line,) = results(out)
    assert (line["images"], line["method"]) == (5, method)
    assert drawn == ([5] if method == UNCONDITIONAL else [24, 5])
    settings = AttackSettings(
        method=method,
        count=5,
        strength=2.0,
        steps=2,
        seed=3,
        own=24,
        clusters=3,
        cohesion=-1.0,
        updates=4,
    )
    assert [*attack_run(load_denoiser("model"), settings)][-1] == Path(
        line["folder"]
    )  # as the page does it
    ids = read_generations(Path(line["folder"])).images.ids
    code, out, _ = say("extract", *asked)
    assert (code, out) == (0, f"{line['folder']}: 5 images, {method}\n")
    assert len(drawn) == (1 if method == UNCONDITIONAL else 2)
    assert read_generations(Path(line["folder"])).images.ids == ids


def test_a_search_is_stored_stops_at_its_price_and_names_suspects(say: Say, place: Path) -> None:
    path = ["--steps", "3", "--high", "20", "--low", "0.5", "--eta", "1", "--solver_order", "2"]
    asked = ["extract", "--method", "seek", "-n", "200", *path, "--look", "2", "--enough", "2"]
    code, out, _ = say(*asked, "--suspects", "list.csv", "--json")
    assert code == 0
    (line,) = results(out)
    assert (line["images"], line["method"]) == (200, "seek")
    assert "images were drawn twice with" in line["pace"]
    table = pd.read_csv(place / "list.csv")
    assert table["times"].sum() == 200
    assert set(table["number"]) <= set(range(200))
    code, _, err = say("extract", "--method", "seek", "--contrast", "2", *path, "--look", "2")
    assert code == 2
    assert "needs a reference" in err
    code, _, err = say("extract", "--price", "100")
    assert code == 2
    assert "--price holds for draws without a classifier, not for side" in err


def test_a_longer_run_keeps_the_parts_that_are_finished(say: Say, drawn: list[int]) -> None:
    for count, expected in ((64, [64]), (128, [64, 64]), (66, [64, 64]), (130, [64, 64, 2])):
        code, out, _ = say("extract", "--method", "unconditional", "-n", str(count), "--steps", "1")
        assert code == 0
        assert drawn == expected
    assert ": 130 images" in out


def test_runs_are_kept_where_it_is_said(say: Say, place: Path) -> None:
    _, out, _ = say(
        "extract",
        "--method",
        "unconditional",
        "-n",
        "2",
        "--steps",
        "1",
        "--output",
        "elsewhere",
        "--json",
    )
    assert Path(results(out)[0]["folder"]).parent == Path("elsewhere")
    assert not (place / ".afterimage").exists()


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        (["-n", "0"], "count"),
        (["--steps", "0"], "steps"),
        (["--seed", "-1"], "seed"),
        (["--strength", "nan"], "strength"),
        (["--cohesion", "2"], "cohesion"),
        (["--clusters", "1"], "clusters"),
        (["--own", "10", "--clusters", "11"], "clusters"),
        (["--updates", "0"], "updates"),
        (["--features", "taste"], "taste"),
        (["--features", "sscd:missing.pt"], "missing.pt"),
        (["--model", "missing"], "missing"),
        (["--device", "abacus"], "abacus"),
    ],
)
def test_bad_settings_of_extract_are_one_sentence_before_anything_is_drawn(
    asked: list[str], word: str, say: Say, place: Path
) -> None:
    code, out, err = say("extract", *SMALL, *asked)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert word in err
    assert not (place / ".afterimage").exists()


@pytest.mark.parametrize(
    "asked",
    [
        ["-n", "0"],
        ["--images", "missing.zip"],
        ["--samples", "missing.zip"],
        ["--label", "3"],
        ["--size", "16"],
    ],
)
def test_bad_input_to_reproduce_is_one_sentence_and_leaves_nothing(
    asked: list[str], say: Say, place: Path
) -> None:
    code, out, err = say("reproduce", "--output", "tables", *asked)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert not (place / ".afterimage").exists()
    assert not (place / "tables").exists()


def test_a_failure_on_the_way_is_exit_code_one(say: Say, place: Path) -> None:
    (place / "file").touch()
    code, out, err = say(
        "extract", "--method", "unconditional", "-n", "2", "--steps", "1", "--output", "file"
    )
    assert (code, out) == (1, "")
    assert err.count("\n") == 1


def test_an_interrupted_drawing_goes_on_with_the_part_it_was_at(
    say: Say, drawn: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def after_a_part(self: Report, done: float, total: float, text: str) -> None:
        if done > 64:
            raise KeyboardInterrupt

    asked = ["extract", "--method", "unconditional", "-n", "128", "--steps", "2"]
    with monkeypatch.context() as patch:
        patch.setattr(Report, "progress", after_a_part)
        code, out, err = say(*asked)
    assert (code, out) == (130, "")
    assert "stored" in err
    (folder,) = Path(".afterimage/extraction").iterdir()
    assert len(read_generations(folder)) == 64
    code, out, _ = say(*asked)
    assert code == 0
    assert drawn == [64, 64, 64]  # the second part was begun twice
    whole = sample(load_denoiser("model"), 64, steps=2, first=64)
    np.testing.assert_array_equal(
        to_pixels(read_generations(folder).images.batch(range(64, 128))), to_pixels(whole)
    )


def test_an_interrupted_training_goes_on_at_its_update(
    say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    def while_training(self: Report, done: float, total: float, text: str) -> None:
        if text == "Training the classifier":
            raise KeyboardInterrupt

    asked = ["extract", "-n", "3", *SMALL, "--updates", "30"]
    with monkeypatch.context() as patch:
        patch.setattr(Report, "progress", while_training)
        assert say(*asked)[0] == 130
    assert [file.name for file in Path(".afterimage/extraction").glob("surrogate-*/*")] == [
        "student.safetensors"
    ]
    code, out, _ = say(*asked, "--json")
    assert code == 0
    model = load_denoiser("model")
    own = to_pixels(sample(model, 24, steps=2))
    straight = fit_surrogate(
        model, Tensor(own).permute(0, 3, 1, 2) / 127.5 - 1, clusters=3, cohesion=-1.0, updates=30
    )
    assert (
        read_generations(Path(results(out)[0]["folder"])).manifest["surrogate"]["digest"]
        == straight.digest
    )


def test_a_task_that_is_asked_to_stop_ends_with_130_and_goes_on_later(
    say: Say, place: Path, drawn: list[int]
) -> None:
    (place / "task").mkdir()
    task = Task(place / "task")
    task.stop()
    asked = ["extract", "--method", "unconditional", "-n", "3", "--steps", "2"]
    assert say(*asked, "--task", "task")[0] == 130
    assert task.progress().state == "stopped"
    (place / "task" / "stop").unlink()
    (place / "task" / "end.json").unlink()
    assert say(*asked, "--task", "task")[0] == 0
    assert task.progress().state == "done"


@pytest.mark.parametrize("command", ["extract", "reproduce"])
def test_json_is_one_object_a_line_and_nothing_else(command: str, say: Say) -> None:
    extra = ["--method", "unconditional"] if command == "extract" else ["--threshold", "2"]
    code, out, err = say(command, "-n", "3", "--steps", "2", "--json", *extra)
    assert (code, err) == (0, "")
    assert all(isinstance(line, dict) for line in lines(out))
    assert any(line.get("event") == "progress" for line in lines(out))
    assert results(out)


def test_what_came_back_is_what_evidence_counts_the_most_often_first(say: Say, place: Path) -> None:
    code, out, _ = say(
        "reproduce",
        "-n",
        "70",
        "--steps",
        "2",
        "--criterion",
        "ratio",
        "--threshold",
        ".99",
        "--output",
        "tables",
        "--json",
    )
    assert code == 0
    images = load_images("images.npy")
    (folder,) = Path(".afterimage/extraction").iterdir()
    samples = read_generations(folder).images
    matches = match_samples(samples, images)
    counts = reproductions(matches, len(images), "ratio", 0.99)
    head, *found = results(out)
    assert head["statement"].startswith(f"{counts.sum()} of 70 generated images are copies")
    assert (head["pictures"], head["copies"], head["images"]) == (
        70,
        counts.sum(),
        (counts > 0).sum(),
    )
    assert {line["id"]: line["times"] for line in found} == {
        images.ids[place]: counts[place] for place in np.flatnonzero(counts)
    }
    assert [line["times"] for line in found] == sorted(counts[counts > 0], reverse=True)
    copies = matches[matches["ratio"] < 0.99]
    for line in found:
        assert line["distance"] == pytest.approx(
            copies["distance"][copies["nearest"] == images.ids.index(line["id"])].min()
        )
    table = pd.read_csv("tables/matches.csv")
    assert len(table) == 70
    assert table["copy"].sum() == counts.sum()
    assert table["nearest_name"].tolist() == [images.names[place] for place in matches["nearest"]]
    assert pd.read_csv("tables/reproduced.csv")["times"].tolist() == [
        line["times"] for line in found
    ]


def test_where_nothing_came_back_it_says_how_much_at_most_could(say: Say) -> None:
    code, out, _ = say(
        "reproduce", "-n", "59", "--steps", "1", "--criterion", "distance", "--threshold", "1e-9"
    )
    assert code == 0
    assert (
        out
        == "0 of 59 generated images are copies by distance below 1e-09: at most 4.95% of what the "
        "model draws, with 95% confidence.\n"
    )


def test_reproduce_draws_what_extract_left_and_counts_as_many_as_were_asked_for(
    say: Say, drawn: list[int]
) -> None:
    assert say("extract", "--method", "unconditional", "-n", "70", "--steps", "1")[0] == 0
    code, out, _ = say("reproduce", "-n", "66", "--steps", "1", "--json")
    assert (code, results(out)[0]["pictures"]) == (0, 66)
    assert drawn == [64, 6]


def test_pictures_that_exist_are_matched_without_drawing(
    say: Say, place: Path, drawn: list[int]
) -> None:
    images = load_images("images.npy")
    np.savez(place / "theirs.npz", images=to_pixels(images.batch([4, 4, 7])))
    code, out, _ = say("reproduce", "--samples", "theirs.npz")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [
        ["2", f"{images.names[4]},"],
        ["1", f"{images.names[7]},"],
    ]
    assert drawn == []


def test_the_demos_samples_say_what_the_readme_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "--samples", str(DEMO / "extraction" / UNCONDITIONAL)]) == 0
    first, *found = capsys.readouterr().out.splitlines()
    assert first.startswith("1,280 of 4,096 generated images are copies")
    assert len(found) == 120
    assert ", copied, closest at " in found[0]


def test_the_demo_command_builds_and_prints_its_tables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built: list[Path] = []
    monkeypatch.setattr(demo, "build", lambda work, tell: built.append(work))
    monkeypatch.setattr(demo, "tables", lambda: {"A table": pd.DataFrame({"a": [1, None]})})
    assert main(["demo", "--work", "somewhere", "--json"]) == 0
    assert lines(capsys.readouterr().out) == [
        {"table": "A table", "a": 1.0},
        {"table": "A table", "a": None},
    ]
    assert main(["demo"]) == 0
    assert capsys.readouterr().out.startswith("A table\n")
    assert built == [Path("somewhere"), Path("build/demo")]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("steps=abc", "a whole number"),
        ("steps=2.5", "a whole number"),
        ("steps=[1]", "a whole number"),
        ("steps=null", "a whole number"),
        ("steps=exact", "a whole number"),
        ("seed=exact", "a whole number"),
        ("sigma_max=true", "a number from"),
        ("nothing=1", "no parameter 'nothing'"),
        ("steps=1000000000", "from 2 to 2,000, not 1000000000"),
    ],
)
def test_a_parameter_that_means_nothing_is_bad_input_and_leaves_no_run(
    given: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["measure", "--set", given, "--device", "cpu"]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / ".afterimage").exists()


def test_every_parameter_can_be_set_where_the_measure_passes_them_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = [
        "--measure",
        "log_likelihood",
        "--set",
        "steps=2",
        "--set",
        "probes=1",
        "--limit",
        "2",
        "--device",
        "cpu",
        "--chunk",
        "2",
    ]
    assert main(["measure", *asked, "--output", "run"]) == 0
    assert main(["show", "run", "--where", "group"]) == 2
    assert main(["show", "run", "--rows", "-1"]) == 2
    assert main(["measure", *asked, "--output", "large", "--chunk", "70000"]) == 2
    assert not (tmp_path / "large").exists()
