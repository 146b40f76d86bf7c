"""The benchmark is what it says: doses, masks that are true, a model, and results that follow."""

import random
from collections import Counter
from functools import cache

import numpy as np
import pandas as pd
import pytest

from memlib import ImageSet, load_denoiser, load_images
from memlib.bundled import BENCHMARK
from memlib.demo.benchmark.doses import kinds_of
from memlib.demo.benchmark.drawings import (
    COPIED,
    KINDS,
    NEW,
    SHARED,
    SINGLE,
    SIZE,
    STYLES,
    chosen_mask,
    drawing,
)
from memlib.demo.benchmark.making import MAPS, MEASURES, benchmark_tables
from memlib.demo.benchmark.recipe import chosen_reference
from memlib.evidence.masks import mask_in_words, masked_examples, true_masks
from memlib.measures import redraw_precision

LARGEST = 8 * 2**20  # bytes of everything that ships


@cache
def images() -> ImageSet:
    return load_images("benchmark")


def test_there_are_as_many_pictures_of_each_dose_as_described() -> None:
    kinds = Counter(kinds_of(images()).tolist())
    expected = {"single x1": SINGLE, "held-out": NEW}
    expected |= {f"copied x{dose}": count for dose, count in COPIED.items()}
    expected |= {f"partial x{dose}": dose * len(KINDS) * many for dose, many in SHARED.items()}
    assert kinds == expected
    assert set(images().metadata["style"]) == set(STYLES)
    assert images().held_out.sum() == NEW


def test_pictures_with_a_mask_agree_in_it_and_nowhere_else() -> None:
    """Outside, two pictures may have a pixel in common by chance, but never most of them."""
    families: dict[str, list] = {}
    for mask in true_masks(images()):
        families.setdefault(mask.cluster, []).append(mask)
    assert len(families) == len(KINDS) * sum(SHARED.values())
    for members in families.values():
        batch = images().batch(mask.place for mask in members)
        spread = (batch.amax(0) - batch.amin(0)).amax(0).numpy()
        truth = members[0].truth
        assert 0.1 < truth.mean() < 0.65
        assert not spread[truth].any()
        assert (spread[~truth] > 0.05).mean() > 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_drawings_and_masks_depend_on_the_seed_alone(kind: str) -> None:
    one, other = random.Random(5), random.Random(5)
    words = chosen_mask(kind, one)
    assert words == chosen_mask(kind, other)
    assert mask_in_words(words, SIZE, SIZE).any()
    np.testing.assert_array_equal(drawing("stars", one), drawing("stars", other))


def test_the_reference_is_the_state_with_the_lowest_loss_on_other_pictures() -> None:
    losses = pd.DataFrame({"step": [1, 2, 3], "loss": [5.0, 3.0, 4.0]})
    assert chosen_reference(losses) == 2


def test_model_and_reference_are_two_states_of_one_network_and_everything_is_small() -> None:
    model, reference = (load_denoiser(name, "cpu") for name in ("benchmark", "benchmark-reference"))
    assert model.shape == reference.shape == images().shape
    assert model.parameters == reference.parameters < 2.5e6
    assert model.digest != reference.digest
    assert sum(file.stat().st_size for file in BENCHMARK.rglob("*") if file.is_file()) < LARGEST


def test_stored_values_are_those_of_the_model() -> None:
    table, places = pd.read_csv(MEASURES), [0, 300, 500]
    assert list(table["file_name"]) == images().names
    found = redraw_precision(load_denoiser("benchmark", "cpu"), images().batch(places)).value
    np.testing.assert_allclose(found, table["redraw-precision"][places], rtol=1e-2)


def test_a_map_shows_the_masks_of_the_examples() -> None:
    examples = masked_examples(load_denoiser("benchmark", "cpu"), images(), 4)
    assert len({mask.cluster for mask, _ in examples}) == 4
    for mask, heat in examples:
        assert heat[mask.truth].mean() > heat[~mask.truth].mean()


def test_the_tables_have_a_line_for_every_map_and_measure() -> None:
    found = benchmark_tables()
    maps = pd.read_csv(MAPS)
    assert set(maps["subject"]) == {"demo", "benchmark"}
    assert maps["IoU"].between(0, 1).all()
    assert all(len(table) for table in found.values())
