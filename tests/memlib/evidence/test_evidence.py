"""Evidence: curves, areas and rates against scikit-learn, counts against a loop, and words that say
what is known.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score, roc_curve

from memlib import MEASURES, GaussianMixture, ImageSet, load_denoiser, load_images
from memlib import evidence as tables
from memlib.__main__ import main
from memlib.bundled import DEMO
from memlib.commands.evidence import file_names
from memlib.evidence import (
    at_most,
    base_rate,
    believe,
    bounds,
    clusters,
    comparisons,
    copied,
    different,
    disagreement,
    held_out,
    ladder,
    match_samples,
    measure_table,
    quality,
    rank_agreement,
    ranks,
    reproductions,
    statement,
)
from memlib.extraction import read_generations
from memlib.images import of_pixels, to_pixels
from memlib.neighbours import duplicates
from memlib.runs import Results, read_run
from memlib.statistics import auc_interval, roc, tpr_at


def values(seed: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    one, other = draw.normal(0.7, 1, 83), draw.normal(0, 1, 131)
    return (one.round(1), other.round(1)) if ties else (one, other)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_auc_is_scikit_learns(seed: int, ties: bool) -> None:
    one, other = values(seed, ties)
    labels = np.repeat([1, 0], [len(one), len(other)])
    assert auc_interval(one, other)[0] == pytest.approx(
        roc_auc_score(labels, np.concatenate([one, other])), abs=1e-12
    )


@pytest.mark.parametrize("ties", [False, True])
def test_the_interval_is_about_that_of_drawing_images_anew(ties: bool) -> None:
    one, other = values(0, ties)
    _, low, high = auc_interval(one, other)
    draw, labels, found = np.random.default_rng(9), np.repeat([1, 0], [len(one), len(other)]), []
    for _ in range(300):
        drawn = np.concatenate([draw.choice(one, len(one)), draw.choice(other, len(other))])
        found.append(roc_auc_score(labels, drawn))
    np.testing.assert_allclose([low, high], np.quantile(found, [0.025, 0.975]), atol=0.02)


def test_rates_at_few_false_positives_are_those_of_the_curve() -> None:
    one, other = values(1, True)
    false, true = roc(one, other)
    expected = roc_curve(
        np.repeat([1, 0], [len(one), len(other)]),
        np.concatenate([one, other]),
        drop_intermediate=False,
    )
    np.testing.assert_array_equal(false, expected[0])
    np.testing.assert_array_equal(true, expected[1])
    for most in (0.0, 0.01, 0.1, 1.0):
        by_hand = max(
            (one >= cut).mean()
            for cut in np.append(np.concatenate([one, other]), np.inf)
            if (other >= cut).mean() <= most
        )
        assert tpr_at(one, other, most) == pytest.approx(by_hand)


def picture_set(groups: list[str], pictures: torch.Tensor | None = None) -> ImageSet:
    if pictures is None:
        pictures = (
            torch.rand(len(groups), 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
        )
    images = of_pixels("set", to_pixels(pictures))
    images.metadata = {"group": groups}
    return images


def samples_of(pictures: torch.Tensor) -> ImageSet:
    return of_pixels("samples", to_pixels(pictures))


def test_copies_are_counted_for_the_training_image_they_are_of() -> None:
    images = picture_set(["a", "a", "held-out", "a"])
    assert held_out(images).tolist() == [False, False, True, False]
    near = torch.stack(
        [
            images[0] + 0.02,
            images[0] - 0.02,
            images[3] + 0.02,
            images[2],
            (images[0] + images[1]) / 2,
        ]
    ).clamp(-1, 1)
    found = match_samples(samples_of(near), images)
    assert reproductions(found, 4).tolist() == [
        2,
        0,
        0,
        1,
    ]  # what is like a held-out image is no copy
    assert copied(found).tolist() == [0, 0, 3, -1, -1]
    assert reproductions(found, 4, "distance", 0.03).tolist() == [2, 0, 0, 1]
    assert reproductions(found, 4, "distance", 0.001).sum() == 0
    assert reproductions(found, 4, "ratio", 2.0).sum() == 5
    with pytest.raises(ValueError, match="not by 'taste'"):
        reproductions(found, 4, "taste")


def test_copies_in_the_training_set_do_not_hide_reproduction() -> None:
    images = picture_set(["a"] * 4)
    twins = torch.stack([images[0], images[0] * 0.98, images[2], images[3]])
    found = match_samples(samples_of(images[0][None]), picture_set(["a"] * 4, twins))
    assert reproductions(found, 4).tolist() == [1, 0, 0, 0]


def test_near_duplicates_of_what_came_back_are_no_negatives_and_a_group_counts_once() -> None:
    images = picture_set(["a"] * 5)
    pixels = torch.stack([images[0], images[0] * 0.98, images[0] * 0.97, images[3], images[4]])
    twins = picture_set(["copies x2"] * 5, pixels)
    groups = duplicates(twins)
    counts = np.array([3, 1, 0, 0, 0])
    above, below = comparisons(twins, counts)[tables.REPRODUCED]
    assert above.tolist() == [True, True, False, False, False]
    assert below.tolist() == [False, False, False, True, True]
    assert different(groups, counts > 0) == 1
    assert "of 1 different images" in statement(9, counts, "ratio", 1 / 3, groups)
    line = ladder(twins, counts, {}, groups).iloc[0]
    assert (line["images"], line["came back"], line["copies drawn"]) == (3, 1, 4)


def test_clusters_join_near_duplicates_and_families() -> None:
    images = picture_set(["a"] * 6)
    images.metadata["family"] = ["cat", "", "cat", "", "dog", ""]
    labels = clusters(images, torch.tensor([0, 1, 2, 2, 4, 5]))
    assert len(set(labels)) == 4
    assert labels[0] == labels[2] == labels[3]
    images.metadata = {}
    assert len(set(clusters(images, torch.arange(6)))) == 6


def test_brackets_are_always_printed_and_1_is_only_said_of_1() -> None:
    assert tables.interval(1, 0.986, 1) == "1 (.986 to 1)"
    assert tables.interval(1, 1, 1) == "1 (1 to 1)"
    assert tables.interval(0.9997, 0.99, 1) == ".9997 (.990 to 1)"
    assert tables.interval(-0.004, -0.042, 0) == "-.004 (-.042 to 0)"
    assert tables.short(0.994) == ".994"


def test_a_rate_of_0_stands_beside_its_upper_bound() -> None:
    assert tables.share(0, 1024) == "0 (at most 0.29%)"
    assert tables.share(256, 1024) == "25.0%"


def test_the_quality_of_measures_counts_clusters_and_says_what_the_best_means() -> None:
    images, value, _, counts = demo()
    groups = duplicates(images)
    above, below = comparisons(images, counts, groups)[tables.REPRODUCED]
    labels, denoiser = clusters(images, groups), load_denoiser("demo", "cpu")
    names = ["denoising_loss", "k_1_at_0.5", "volume_growth"]
    plain = quality(denoiser, value[names], above, below)
    table = quality(denoiser, value[names], above, below, labels)
    assert table["AUC"].tolist() == plain["AUC"].tolist()
    assert (table["low"] < plain["low"]).all() and (table["high"] > plain["high"]).all()
    assert (table["clusters above"] < table["above"]).all()
    assert table["difference"].tolist() == (table["AUC"] - table.at[0, "AUC"]).tolist()
    growth = table.set_index("measure").loc["volume_growth"]
    assert growth["difference high"] < 0  # worse, as the paired interval can tell ...
    assert growth["high"] > table.at[0, "low"]  # ... and the two intervals cannot
    assert table["may be best"].tolist() == [True, True, False]
    assert "one of 2" in tables.best_of(table)
    assert (table["TPR low"] <= table["TPR at 1% FPR"]).all()
    five = above & np.isin(labels, np.unique(labels[above])[:5])
    said = believe(quality(denoiser, value[names], five, below, labels), by_copies=True)
    assert said.startswith("Too few copies to say: only 5 different images came back.")
    assert "5 different on one side are too few to say which is best" in said
    assert "one of" not in said
    few = below & (np.cumsum(below) <= 99)
    assert quality(denoiser, value[names], above, few)["TPR at 1% FPR"].isna().all()


def test_where_nothing_came_back_the_bound_is_the_textbook_one() -> None:
    assert at_most(4096) == pytest.approx(1 - 0.05 ** (1 / 4096))
    assert at_most(100) == pytest.approx(0.0295, abs=1e-4)  # about 3 / N
    assert bounds(0, 4096) == "95%: at most 0.07%"
    assert bounds(1280, 4096) == "95%: 29.8% to 32.7%"


def test_base_rates_are_said_in_words() -> None:
    value = np.r_[np.full(300, 2.0), np.zeros(49_700), np.full(5, 2.0), np.zeros(995)]
    kept_out = np.r_[np.zeros(50_000, bool), np.ones(1000, bool)]
    rate = base_rate(value, 1.0, kept_out)
    assert str(rate).startswith(
        "300 of 50,000 flagged; at 0.5% false positives 250 expected by chance (95%: 107 to "
    )
    assert (rate.rate, rate.expected) == (0.005, 250)
    alone = base_rate(value, 1.0, np.zeros(len(value), bool))
    assert alone.expected is None
    assert "is unknown" in str(alone)
    assert base_rate(np.r_[value, np.nan], 1.0, np.r_[kept_out, False]).of == 50_000


def test_measures_are_read_in_their_own_direction() -> None:
    table = pd.DataFrame(
        {"volume_growth": [1.0, 3.0, 2.0, np.nan], "denoising_loss": [1.0, 3.0, 2.0, 0.5]}
    )
    assert ranks(table)["volume_growth"].tolist()[:3] == [3, 1, 2]
    assert ranks(table)["denoising_loss"].tolist() == [2, 4, 3, 1]
    assert rank_agreement(table).loc["volume_growth", "denoising_loss"] == pytest.approx(-1)
    apart = disagreement(table, "volume_growth", "denoising_loss")
    assert apart.to_dict() == {0: -1.0, 1: 1.0, 2: 0.0}


def test_agreement_is_spearmans() -> None:
    draw = np.random.default_rng(0)
    table = pd.DataFrame({"volume_growth": draw.normal(size=50), "flipd": draw.normal(size=50)})
    expected = spearmanr(table["volume_growth"], -table["flipd"]).statistic
    assert rank_agreement(table).loc["volume_growth", "flipd"] == pytest.approx(expected)


def test_forwards_are_those_a_measure_says_it_made() -> None:
    mixture = GaussianMixture(
        torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(0)), 0.1
    )
    for name, measure in MEASURES.items():
        if (
            name != "frame_growth"
        ):  # a frame of 100 does not fit in 12 dimensions, and takes a hundred thousand forwards
            made = measure.function(
                mixture, torch.zeros(1, 3, 2, 2), **measure.defaults(mixture)
            ).evaluations
            assert measure.forwards(mixture) == made, name
    assert (
        MEASURES["frame_growth"].forwards(mixture) == 1000 * 101
    )  # tests/memlib/measures/test_frame.py counts them


@cache
def demo() -> tuple[ImageSet, pd.DataFrame, pd.DataFrame, np.ndarray]:
    results, denoiser, images = Results(), load_denoiser("demo", "cpu"), load_images("demo")
    for manifest in DEMO.glob("runs/*/manifest.json"):
        details, rows = read_run(manifest.parent)
        results.add(details["model"]["digest"], details["measure"], details["parameters"], rows)
    value, error = measure_table(denoiser, images, results)
    return (
        images,
        value,
        error,
        reproductions(
            match_samples(read_generations(DEMO / "extraction" / "unconditional").images, images),
            len(images),
        ),
    )


def test_the_table_of_the_demo_holds_every_measure_that_was_run_where_it_was_run() -> None:
    images, value, error, _ = demo()
    assert list(value) == list(MEASURES)
    _, growth = read_run(DEMO / "runs" / "volume-growth")
    assert value.at[7, "volume_growth"] == growth[images.ids[7]]["value"]
    assert value.at[7, "log_likelihood"] == pytest.approx(
        growth[images.ids[7]]["value"] + growth[images.ids[7]]["log_prior"]
    )
    assert error.at[7, "volume_growth"] == growth[images.ids[7]]["stderr"]
    _, flux = read_run(DEMO / "runs" / "p-laplace-0.5")
    assert (value.at[7, "k_2_at_0.5"], error.at[7, "k_2_at_0.5"]) == (
        flux[images.ids[7]]["K_2"],
        flux[images.ids[7]]["stderr_2"],
    )
    assert np.isnan(error.at[7, "loss_at_0.5"])  # the table does not make one up
    assert value["frame_growth"].isna().all()


def test_the_quality_of_measures_is_scikit_learns_on_the_demo() -> None:
    images, value, _, counts = demo()
    sides = comparisons(images, counts)
    assert {"reproduced against not", "trained against held-out", "copied against held-out"} <= set(
        sides
    )
    above, below = sides["reproduced against not"]
    assert not (above | below)[held_out(images)].any()
    table = quality(load_denoiser("demo", "cpu"), value, above, below).set_index("measure")
    assert table["AUC"].is_monotonic_decreasing
    for name in ("volume_growth", "denoising_loss", "k_3_at_2"):
        one = MEASURES[name].direction * value[name]
        expected = roc_auc_score(
            np.repeat([1, 0], [above.sum(), below.sum()]), np.r_[one[above], one[below]]
        )
        assert table.at[name, "AUC"] == pytest.approx(expected, abs=1e-12)
        assert table.at[name, "low"] <= expected <= table.at[name, "high"]
    assert "frame_growth" not in table.index


def test_no_comparison_is_made_where_nothing_came_back() -> None:
    images = demo()[0]
    assert tables.REPRODUCED not in comparisons(images, np.zeros(len(images), int))


def test_the_command_writes_the_tables_of_the_docs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["evidence", "--output", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    table = [
        line
        for line in text.split("Reproduced against not")[0].splitlines()
        if line.startswith("|")
    ]
    docs = (Path(__file__).parents[3] / "docs" / "demo.md").read_text()
    assert len(table) == 10
    assert "\n".join(table) in docs
    assert text.startswith("1,280 of 4,096 generated images are copies")
    assert pd.read_csv(tmp_path / "groups.csv")["copies drawn"].sum() == 1280
    assert (tmp_path / "reproduced-against-not.csv").exists()


def test_the_command_speaks_json_and_gives_no_auc_of_reproduction_where_nothing_came_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["evidence", "--json", "--criterion", "distance", "--threshold", "1e-6"]) == 0
    lines = [
        line
        for line in map(json.loads, capsys.readouterr().out.splitlines())
        if line.get("event") != "progress"
    ]
    assert lines[0]["statement"].startswith(
        "0 of 4,096 generated images are copies by distance below 1e-06: at most 0.07%"
    )
    assert "reproduced against not" not in {line.get("table") for line in lines}
    assert any(line.get("measure") == "volume_growth" for line in lines)


@pytest.mark.parametrize(
    "asked", [["--model", "missing"], ["--images", "missing.zip"], ["--samples", "nowhere"]]
)
def test_bad_input_to_the_command_is_one_sentence_and_exit_code_two(
    asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evidence", *asked]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1


def test_groups_may_be_called_anything() -> None:
    images = picture_set(["size xl", "a x3", "a x12", "held-out"])
    table = ladder(images, np.array([1, 0, 0, 0]), {})
    assert table["group"].tolist() == ["a x3", "a x12", "held-out", "size xl"]


def test_tables_of_groups_called_anything_are_files_of_the_output_folder() -> None:
    names = file_names(
        [
            "groups",
            "train/cats against held-out",
            "train cats against held-out",
            "../../x",
            "/etc/y",
        ]
    )
    assert names == [
        "groups",
        "train-cats-against-held-out",
        "train-cats-against-held-out-2",
        "-x",
        "-etc-y",
    ]


def test_a_measure_known_for_fewer_images_is_never_the_best() -> None:
    images, value, _, counts = demo()
    above, below = comparisons(images, counts)[tables.REPRODUCED]
    few = value[["denoising_loss", "volume_growth"]].copy()
    perfect = np.where(above, 1.0, 0.0)
    perfect[np.flatnonzero(below)[50:]] = np.nan  # ranks without a fault, where it is known
    few["flipd"] = -perfect
    table = quality(load_denoiser("demo", "cpu"), few, above, below)
    assert table["measure"].tolist() == ["denoising_loss", "volume_growth", "flipd"]
    assert table["fewer"].tolist() == [False, False, True]
    assert not table["may be best"].iloc[-1]
    assert "of 2 measures" in tables.best_of(table)
    assert tables.table_line(table)[1][-1][2] == f"only {int(above.sum()) + 50:,} images"
