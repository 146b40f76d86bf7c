"""What a report states of a model and its images is found again with them, or the difference is
named.
"""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch

from memlib import GaussianMixture, ImageSet, load_images
from memlib.__main__ import main
from memlib.audit.recomputed import recompute
from memlib.audit.record import Record, draws_table, facts_of, images_table
from memlib.evidence import measure_table
from memlib.extraction import Generations, imported
from memlib.extraction.plan import plan_of
from memlib.images import HELD_OUT
from memlib.measures import MEASURES
from memlib.neighbours import duplicates
from memlib.runs import Results, measure_images

COUNT, DRAWS = 12, 40
MEASURED = ("denoising_loss", "flipd", "volume_growth")


def pictures(place: Path, count: int, seed: int, near: np.ndarray | None = None) -> Path:
    """Random pictures, the first of them close to `near`; place and picture 1 are duplicates."""
    made = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), "u1")
    made[1] = made[0]
    made[1, 0, 0, 0] ^= 1
    if near is not None:
        made[: len(near)] = near
    np.savez(place, images=made)
    return place


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, GaussianMixture, ImageSet]:
    """A mixture with as many components as images, and what a report states of it; the pictures
    drawn are the images themselves and others.
    """
    place = tmp_path_factory.mktemp("pictures")
    images = load_images(str(pictures(place / "images.npz", COUNT, 0)))
    groups = [""] * (COUNT - 3) + [HELD_OUT] * 3
    images = replace(images, metadata={"group": groups})
    denoiser = GaussianMixture(images.batch(range(COUNT)), 0.1)
    results = Results()
    for name in MEASURED:
        parameters = MEASURES[name].defaults(denoiser)
        assert [*measure_images(denoiser, images, range(COUNT), name, parameters, results)]
    values, _ = measure_table(denoiser, images, results)
    alike = duplicates(images)
    table = images_table(images, values, alike)
    facts = facts_of(denoiser, images, None, table, ("ratio", 1 / 3))
    samples = drawn(place, images).images
    facts["draws"] = {"digest": samples.digest, "how": "drawn", "guided": False}
    return Record(facts, table, draws_table(samples, images, alike)), denoiser, images


def drawn(place: Path, images: ImageSet) -> Generations:
    first = np.load(place / "images.npz")["images"][2:6]
    return imported(pictures(place / "drawn.npz", DRAWS, 1, first), images)


Known = tuple[Record, GaussianMixture, ImageSet]


def test_a_true_report_is_found_again_and_what_was_not_looked_at_is_said(known: Known) -> None:
    record, denoiser, images = known
    samples = drawn(Path(images.source).parent, images)
    found = recompute(record, denoiser, images, samples, seed=3)
    assert found.differences == found.left == []
    said = "; ".join(found.done)
    assert f"matches of 32 of {DRAWS} pictures" in said and "of 3 of 12 images" in said
    bare = recompute(record, denoiser, images, seconds=0)
    assert not bare.differences
    assert "not given" in bare.left[0] and "the time was too short" in bare.left[1]


def test_a_value_a_match_and_a_group_that_were_made_up_are_named(known: Known) -> None:
    record, denoiser, images = known
    samples = drawn(Path(images.source).parent, images)
    table = record.images.copy()
    table["flipd"] *= 1.01
    table["near_duplicates"] = np.arange(COUNT)
    made_up = replace(record, images=table, draws=record.draws.assign(distance=0.0))
    said = "; ".join(recompute(made_up, denoiser, images, samples).differences)
    assert said.count("Local dimension (FLIPD) of ") == 3
    assert "the near-duplicates of " in said and "distance of picture " in said
    assert "Volume growth" not in said


def test_another_sampler_than_the_report_states_is_named(known: Known) -> None:
    record, denoiser, images = known
    plan = plan_of(denoiser, None, steps=40)
    stated = record.facts["draws"] | {"plan": asdict(plan)}
    told = replace(record, facts={**record.facts, "draws": stated})
    samples = drawn(Path(images.source).parent, images)
    samples = replace(samples, manifest={"plan": asdict(plan)})
    assert not recompute(told, denoiser, images, samples, seconds=0).differences
    other = replace(samples, manifest={"plan": asdict(replace(plan, steps=10))})
    found = recompute(told, denoiser, images, other, seconds=0)
    assert found.differences == ["steps of the pictures drawn is 10, in the report 40"]


def test_another_model_set_or_choice_of_held_out_images_is_named_and_ends_the_comparison(
    known: Known,
) -> None:
    record, denoiser, images = known
    other = GaussianMixture(torch.zeros(1, 3, 8, 8), 0.3)
    trained = replace(images, metadata={})
    table = record.images.assign(id=record.images["id"][::-1].to_numpy())
    for found, said in (
        (recompute(record, other, images), "the digest of the model is"),
        (recompute(record, denoiser, images.subset(range(5))), "the digest of the images is"),
        (recompute(record, denoiser, trained), "3 images are held out in one of the two only"),
        (recompute(replace(record, images=table), denoiser, images), "lists other ids"),
    ):
        assert len(found.differences) == 1 and said in found.differences[0]
        assert found.left == ["everything else, because these differ"]


def test_verify_compares_a_report_with_its_model_images_and_pictures(
    save_model: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(save_model(diffusers.DDPMScheduler(num_train_timesteps=50)))
    images = str(pictures(tmp_path / "images.npz", COUNT, 0))
    samples = str(pictures(tmp_path / "drawn.npz", DRAWS, 1))
    report, given = str(tmp_path / "report"), ["--model", model, "--images", images]
    assert main(["report", *given, "--samples", samples, "--output", report]) == 0
    assert main(["verify", report, *given, "--samples", samples]) == 0
    said = capsys.readouterr().out
    assert "Computed again, with seed 0: the digests" in said and f"of {DRAWS} pictures" in said
    assert main(["verify", report, *given, "--limit", "5"]) == 2
    assert "differs from what was computed again: the digest of the images is" in (
        capsys.readouterr().err
    )
    for wrong, why in (
        (["--model", model], "needed together"),
        (["--samples", samples], "give --model and --images too"),
        ([*given, "--seed", "-1"], "must not be negative, not -1"),
    ):
        assert main(["verify", report, *wrong]) == 2
        assert why in capsys.readouterr().err
