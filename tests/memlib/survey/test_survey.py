"""A survey says its costs before, does nothing twice, and goes on from wherever it was killed."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
from torch import Tensor

from memlib import ImageSet, load_denoiser
from memlib.denoisers import NetworkDenoiser
from memlib.extraction import read_generations
from memlib.extraction.attack_settings import AttackSettings
from memlib.extraction.plan import EVIDENCE, GUIDED, SAMPLES
from memlib.extraction.stages import attack_run
from memlib.images import of_pixels
from memlib.measures import MEASURES
from memlib.progress import Progress
from memlib.runs import read_numbers
from memlib.survey import PRESETS, Places, Preset, Survey
from tests.conftest import tiny_unet

USED = ("denoising_loss", "volume_growth", "k_1_at_0.2")
SMALL = Preset("Standard", draws=70, steps=2, measures=USED, most=20, rates=1)


@pytest.fixture(scope="module")
def denoiser(tmp_path_factory: pytest.TempPathFactory) -> NetworkDenoiser:
    folder = tmp_path_factory.mktemp("model")
    tiny_unet().save_pretrained(folder / "unet")
    diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2").save_pretrained(folder / "scheduler")
    return load_denoiser(folder, "cpu")


@pytest.fixture(scope="module")
def images() -> ImageSet:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3), dtype=np.uint8)
    return of_pixels("noise", pixels)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "standard", SMALL)


@pytest.fixture
def forwards(denoiser: NetworkDenoiser) -> Iterator[list[int]]:
    """The number of images in every forward of the network."""
    seen: list[int] = []

    def count(_module: Any, inputs: tuple[Tensor, ...], _output: Any) -> None:
        seen.append(len(inputs[0]))

    hook = denoiser.network.register_forward_hook(count)
    yield seen
    hook.remove()


@pytest.fixture(scope="module")
def whole(
    denoiser: NetworkDenoiser, images: ImageSet, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A survey that was not interrupted."""
    root = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, "standard", SMALL)
        for _ in Survey(denoiser, images, "standard", Places.below(root)).run():
            pass
    return root


def contents(survey: Survey, root: Path) -> tuple[list[str], dict[str, Any], str]:
    """All that a survey found: its pictures, its numbers, and what it says of copies."""
    (run,) = (root / "extraction").iterdir()
    found, numbers = read_numbers(root / "runs"), {}
    for stage in survey.stages():
        if stage.measure:
            measure = MEASURES[stage.measure]
            alike = (survey.denoiser.digest, measure.run, measure.defaults(survey.denoiser))
            rows = found.rows(*alike).items()
            numbers[stage.measure] = {image: repr(row[measure.column]) for image, row in rows}
    return read_generations(run).images.ids, numbers, survey.remembered().sentence()


def test_what_is_said_to_be_left_is_what_the_network_does(
    denoiser: NetworkDenoiser, images: ImageSet, forwards: list[int], tmp_path: Path
) -> None:
    survey = Survey(denoiser, images, "standard", Places.below(tmp_path))
    plan, spent = survey.stages(), []

    def begun(title: str) -> Progress:
        spent.append(sum(forwards))
        return lambda done, total: None

    assert [stage.kind for stage in plan] == ["draw", *["measure"] * 3, "match", "estimate"]
    assert not any(stage.done for stage in plan)
    for _ in survey.run(begun):
        pass
    assert np.diff([*spent, sum(forwards)]).tolist() == [stage.left for stage in plan]
    assert not any(stage.left for stage in survey.stages())
    assert [*survey.run(begun)] == []


def test_killed_after_every_piece_it_ends_like_one_without_a_break_and_does_nothing_twice(
    denoiser: NetworkDenoiser,
    images: ImageSet,
    forwards: list[int],
    whole: Path,
    tmp_path: Path,
) -> None:
    total, pieces = 0, 0
    while True:
        survey = Survey(denoiser, images, "standard", Places.below(tmp_path))
        total = total or sum(stage.left for stage in survey.stages())
        if next(survey.run(), None) is None:
            break
        pieces += 1
    assert pieces > 9
    assert sum(forwards) == total
    assert contents(survey, tmp_path) == contents(survey, whole)


def test_a_larger_survey_measures_only_what_a_smaller_one_left(
    denoiser: NetworkDenoiser,
    images: ImageSet,
    forwards: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quick = dataclasses.replace(SMALL, draws=64, most=6, measures=("denoising_loss",), rates=0)
    monkeypatch.setitem(PRESETS, "quick", quick)
    for preset in ("quick", "standard"):
        survey = Survey(denoiser, images, preset, Places.below(tmp_path))
        left, before = sum(stage.left for stage in survey.stages()), sum(forwards)
        known = {stage.title: stage.done for stage in survey.stages()}
        for _ in survey.run():
            pass
        assert sum(forwards) - before == left
    assert known["Denoising loss"] == 6
    assert len({*survey.chosen}) == 20
    assert {*Survey(denoiser, images, "quick", survey.places).chosen} < {*survey.chosen}


def test_the_likeliest_are_estimated_one_of_each_group_and_none_that_was_held_out(
    denoiser: NetworkDenoiser, images: ImageSet, whole: Path
) -> None:
    survey = Survey(denoiser, images, "standard", Places.below(whole))
    places = survey.likeliest()
    growth = survey._known("volume_growth")
    assert places == sorted(growth, key=growth.__getitem__, reverse=True)[:1]


def test_a_model_is_not_measured_where_it_knows_no_noise_level(
    images: ImageSet, denoiser: NetworkDenoiser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(denoiser), "sigma_floor", 0.3)
    survey = Survey(denoiser, images, "standard", Places.below(tmp_path))
    assert all("0.2" not in stage.title for stage in survey.stages())
    ((title, why),) = survey.refused().items()
    assert "0.2" in title and "from 0.3" in why


def test_a_preset_says_by_the_rule_of_three_what_it_cannot_see() -> None:
    assert "at least 1 of 85 pictures" in PRESETS["quick"].tells()
    assert "4096" not in PRESETS["thorough"].tells()
    assert "50 likeliest" in PRESETS["thorough"].tells()


def test_another_preset_is_refused(denoiser: NetworkDenoiser, images: ImageSet) -> None:
    with pytest.raises(ValueError, match="quick, standard, thorough, not 'all'"):
        Survey(denoiser, images, "all", Places.of_the_app())


def test_the_samples_of_a_small_attack_are_no_evidence_until_they_are_drawn_for_that(
    denoiser: NetworkDenoiser, images: ImageSet, tmp_path: Path
) -> None:
    places = Places.below(tmp_path)
    settings = AttackSettings(
        count=4, steps=2, own=24, clusters=3, cohesion=-1.0, updates=2, seed=0
    )
    for _ in attack_run(denoiser, settings, places.draws):
        pass
    runs = [read_generations(file.parent) for file in places.draws.glob("*/manifest.json")]
    assert {run.purpose: run.counts for run in runs} == {SAMPLES: False, GUIDED: False}
    survey = Survey(denoiser, images, "standard", places)
    assert survey.stages()[0].done == 24  # the same pictures are used
    for stage in survey.run():
        if stage.kind != "draw":
            break
    (drawn,) = [
        run
        for run in (read_generations(file.parent) for file in places.draws.glob("*/manifest.json"))
        if run.purpose == EVIDENCE
    ]
    assert drawn.counts and len(drawn) == 70
