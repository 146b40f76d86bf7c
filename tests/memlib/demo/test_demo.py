"""The bundled demo is what it says: groups, reproduction along the dose ladder, and a measure that
sees it.
"""

from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from memlib import MEASURES, ImageSet, load_denoiser, load_images, p_laplace, sample, volume_growth
from memlib.bundled import DEMO
from memlib.demo.attacks import ratio
from memlib.demo.emoji import COPIES, choose_groups, training_rows
from memlib.demo.findings import family_table, p_laplace_table, run_of, tables
from memlib.demo.model import CHECKPOINTS, new_scheduler, training
from memlib.demo.side import GUIDED, OWN, UNGUIDED
from memlib.evidence import match_samples, reproductions
from memlib.extraction import (
    UNCONDITIONAL,
    Generations,
    extract,
    load_surrogate,
    match,
    read_generations,
    training_set,
)
from memlib.extraction.control import same_test
from memlib.images import to_pixels
from memlib.measures import LEVELS
from memlib.neighbours import COPY_RATIO, duplicates
from memlib.runs import read_run


@cache
def images() -> ImageSet:
    return load_images("demo")


def columns() -> tuple[np.ndarray, np.ndarray]:
    return np.array(images().metadata["group"]), np.array(
        [int(copies) for copies in images().metadata["copies"]]
    )


@cache
def hits() -> np.ndarray:
    return reproductions(match_samples(generated(UNCONDITIONAL).images, images()), len(images()))


@cache
def generated(method: str) -> Generations:
    return read_generations(DEMO / "extraction" / method)


@cache
def found(method: str) -> pd.DataFrame:
    return match(generated(method), training_set(images(), duplicates(images())))


def values() -> np.ndarray:
    _, rows = read_run(DEMO / "runs" / "volume-growth")
    return np.array([rows[image]["value"] for image in images().ids])


def test_the_groups_are_as_described_and_no_picture_stands_in_two() -> None:
    group, copies = columns()
    assert Counter(group) == {"copied": 40, "family": 96, "single": 828, "held-out": 200}
    assert all(((group == "copied") & (copies == count)).sum() == 8 for count in COPIES)
    assert set(copies[group == "family"]) == {6}
    assert set(copies[group == "held-out"]) == {0}
    assert len(set(images().ids)) == len(images())
    families = np.array(images().metadata["family"])
    for name in ("copied", "family", "held-out"):
        assert not set(families[group == name]) & set(families[group != name])
    assert len(training_rows(DEMO / "images.zip")) == copies.sum()


def test_the_choice_of_groups_is_a_function_of_the_seed() -> None:
    from PIL import Image

    pictures = {
        f"{kind}-{i}": {
            tone: Image.new("RGB", (2, 2), (i, i, i))
            for tone in (["", "a", "b", "c", "d", "e"] if kind == "person" else [""])
        }
        for kind in ("person", "smiley")
        for i in range(150)
    }
    assert choose_groups(pictures, 1) == choose_groups(pictures, 1) != choose_groups(pictures, 2)


def test_copied_images_come_back_and_the_more_copies_the_more_of_them() -> None:
    """Of 4,096 samples: 6 of the 8 images copied 32 times, under 2% of the single ones, rising
    along the ladder.
    """
    group, copies = columns()
    assert len(generated(UNCONDITIONAL)) == UNGUIDED == 4096
    rungs = [hits()[(group == "copied") & (copies == count)].sum() for count in COPIES]
    assert (hits()[(group == "copied") & (copies == 32)] > 0).sum() >= 6
    assert (hits()[group == "single"] > 0).mean() < 0.02
    assert rungs[-1] > rungs[-2] >= max(rungs[:-2])


def test_held_out_images_never_count_as_reproduced() -> None:
    assert hits()[columns()[0] == "held-out"].sum() == 0


@pytest.mark.slow
def test_the_shipped_samples_are_what_the_model_draws() -> None:
    shipped = generated(UNCONDITIONAL).images.batch(range(4))
    drawn = sample(load_denoiser("demo", "cpu"), 4, steps=50, seed=0)
    assert (shipped - drawn.clamp(-1, 1)).abs().mean() < 0.02


@pytest.mark.slow
def test_the_shipped_guided_images_are_what_the_shipped_surrogate_draws() -> None:
    denoiser = load_denoiser("demo", "cpu")
    surrogate = load_surrogate(DEMO / "extraction" / "side", denoiser)
    plan = generated("side").plan
    assert plan is not None and plan.surrogate == surrogate.digest and plan.model == denoiser.digest
    again = extract(
        denoiser,
        surrogate,
        4,
        strength=plan.strength,
        steps=plan.steps,
        seed=plan.seed,
        first=plan.first,
    )
    assert (
        generated("side").images.batch(range(4)) - again.images.clamp(-1, 1)
    ).abs().mean() < 0.02
    assert torch.equal(generated("side").clusters[:4], again.clusters)  # type: ignore[index]


def test_the_classifier_knows_its_clusters_below_a_noise_level_and_the_permuted_one_does_not() -> (
    None
):
    side, permuted = (generated(kind).manifest["surrogate"] for kind in ("side", "permuted"))
    for level, accuracy in side["accuracy"].items():
        if float(level) <= 5:
            assert accuracy > 4 * side["chance"]
    assert max(permuted["accuracy"].values()) < 2 * permuted["chance"]


def test_the_attack_draws_copies_and_hardly_any_of_images_never_trained_on() -> None:
    """From the same starting noise; whether SIDE does better is reported, not demanded."""
    for method in ("side", "permuted", UNCONDITIONAL):
        table = found(method)
        assert len(table) >= GUIDED >= 1024
        assert (table["ratio"] < COPY_RATIO).mean() > 0.2
        assert (table["held_out_ratio"] < COPY_RATIO).mean() < 0.01
        control = same_test(generated(method).images, training_set(images(), duplicates(images())))
        assert control is not None
        assert 0.09 < control.copies("ratio", COPY_RATIO).mean() < 0.15
    assert found("side")["number"].iloc[0] == found("permuted")["number"].iloc[0] == OWN


def test_generated_images_carry_their_growth_and_k_1() -> None:
    for method in ("side", "permuted"):
        for name in ("volume-growth", "p-laplace-0.5"):
            manifest, rows = read_run(DEMO / "runs" / f"{name}-{method}")
            assert set(rows) == set(generated(method).images.ids)
            assert manifest["model"]["digest"] == load_denoiser("demo", "cpu").digest


def test_growth_tells_copied_images_from_held_out_ones() -> None:
    group, copies = columns()
    chosen, held_out = values()[copies >= 16], values()[group == "held-out"]
    labels = np.concatenate([np.ones(len(chosen)), np.zeros(len(held_out))])
    assert roc_auc_score(labels, np.concatenate([chosen, held_out])) >= 0.95


def test_the_precomputed_run_is_what_the_default_settings_compute() -> None:
    denoiser = load_denoiser("demo", "cpu")
    manifest, rows = read_run(DEMO / "runs" / "volume-growth")
    assert manifest["model"]["digest"] == denoiser.digest
    assert manifest["images"]["digest"] == images().digest
    places = [0, 500, 1163]
    growth = volume_growth(denoiser, images().batch(places), **manifest["parameters"])
    for place, value, heat in zip(places, growth.value, growth.map, strict=True):
        row = rows[images().ids[place]]
        assert float(value) == pytest.approx(row["value"], rel=1e-3)
        assert np.corrcoef(heat.numpy().ravel(), row["map"].ravel())[0, 1] > 0.999
        assert row["map"].sum(dtype=np.float64) == pytest.approx(row["value"], rel=1e-5)


def test_the_report_has_a_line_for_every_group_level_map_and_setting() -> None:
    found = tables()
    assert len(found) == 11

    def table(title: str) -> pd.DataFrame:
        return next(one for name, one in found.items() if name.startswith(title))

    copies = table("Copies among the samples")
    assert len(copies) == len(COPIES) + 3
    assert "copied x32" in set(copies["group"])
    assert len(table("AUC of p-Laplace")) == len(LEVELS) * (len(COPIES) + 1)
    assert "growth minus reference" in table("Pixel AUC").to_string()
    rates = table("Estimated reproduction rates").set_index("images")
    assert rates.loc["all", "estimated"] == rates["estimated"].iloc[:-1].sum() == 62
    assert "Reproduction rate" in set(table("AUC of the rate")["measure"])


def test_k_1_tells_copied_images_from_held_out_ones_and_rises_with_the_dose() -> None:
    group, copies = columns()
    table = p_laplace_table(images()).set_index("copied")
    assert all(float(cell.split()[0]) >= 0.95 for cell in table.loc["x16 and more", "K_1"])
    k_1 = np.array([row["K_1"] for row in run_of("p-laplace-0.5", images())])
    medians = [np.median(k_1[(group == "copied") & (copies == count)]) for count in (2, 8, 32)]
    assert np.median(k_1[group == "held-out"]) < medians[0] < medians[1] < medians[2]


def test_the_p_laplace_runs_are_what_their_settings_compute() -> None:
    denoiser = load_denoiser("demo", "cpu")
    for sigma in LEVELS:
        manifest, rows = read_run(DEMO / "runs" / f"p-laplace-{sigma:g}")
        assert manifest["model"]["digest"] == denoiser.digest
        assert manifest["parameters"] == MEASURES[f"k_1_at_{sigma:g}"].defaults(denoiser)
        result = p_laplace(denoiser, images().batch([3, 900]), **manifest["parameters"])
        for place, index in enumerate((3, 900)):
            row = result.row(place)
            for name in ("K_1", "K_3", "loss"):
                assert row[name] == pytest.approx(
                    rows[images().ids[index]][name], rel=1e-3, abs=1e-5
                )


def test_growth_maps_find_what_the_variants_share_better_than_maps_that_know_no_model() -> None:
    table = family_table(images()).set_index("map")
    for region in ("whole picture", "inside the drawing"):
        assert table.loc["growth", region] > table.loc[["flatness", "typicality"], region].max()


def test_the_default_setting_ranks_like_a_long_run_within_forty_forwards() -> None:
    table = pd.read_csv(DEMO / "frontier.csv").set_index(["steps", "probes"])
    default = MEASURES["volume_growth"].defaults(load_denoiser("demo", "cpu"))
    line = table.loc[(default["steps"], default["probes"])]
    assert line["forwards"] == 39
    assert line["rank correlation"] >= 0.98


def test_checkpoints_load_as_reference_models_and_licences_are_shipped() -> None:
    for name in CHECKPOINTS:
        assert load_denoiser(DEMO / "checkpoints" / name, "cpu").shape == (3, 32, 32)
    assert load_denoiser("demo-reference", "cpu").digest != load_denoiser("demo", "cpu").digest
    assert "Apache License" in (DEMO / "README.md").read_text()
    assert "Apache License" in (DEMO.parents[1] / "LICENSE").read_text()
    assert sum(file.stat().st_size for file in DEMO.rglob("*") if file.is_file()) < 25e6


def test_training_resumes_where_it_stopped_and_sees_the_same_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memlib.demo.model.BATCH", 2)
    monkeypatch.setattr("memlib.demo.model.SAVE_EVERY", 2)
    rows = torch.from_numpy(to_pixels(torch.zeros(4, 3, 32, 32))).permute(0, 3, 1, 2)
    straight = [loss for _, loss, _ in training(rows, tmp_path / "a.safetensors", steps=4)]
    first = training(rows, tmp_path / "b.safetensors", steps=4)
    losses = [next(first)[1], next(first)[1]]
    losses += [loss for _, loss, _ in training(rows, tmp_path / "b.safetensors", steps=4)]
    assert losses == pytest.approx(straight, rel=1e-3)
    assert new_scheduler().config.prediction_type == "v_prediction"


def test_a_ratio_is_paired_by_seed_with_students_interval() -> None:
    curves = pd.DataFrame(
        {
            "method": ["a", "b"] * 3,
            "seed": [0, 0, 1, 1, 2, 2],
            "forwards": 100,
            "different": [12, 10, 24, 20, 36, 30],
        }
    )
    early = curves.assign(forwards=50, different=1)
    found = ratio(pd.concat([early, curves]), "a", "b", "different")
    assert found == pytest.approx((1.2, 1.2, 1.2))
    curves.loc[0, "different"] = 15
    middle, low, high = ratio(curves, "a", "b", "different")
    assert low < 1.2 < middle < high
    assert middle == pytest.approx((1.5 * 1.2 * 1.2) ** (1 / 3))
