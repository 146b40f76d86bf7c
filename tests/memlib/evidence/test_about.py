"""One image, and a picture from outside: against distances, ranks and shares computed another
way.
"""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import percentileofscore

from memlib import GaussianMixture
from memlib.evidence import (
    About,
    Remembered,
    Standing,
    counted_in_words,
    measure_table,
    ranks,
    resemblance,
    standings,
    surpassed_in_words,
    times_drawn,
)
from memlib.evidence.about import ordinal, surpassed
from memlib.images import ImageSet, of_pixels
from memlib.measures import MEASURES, volume_growth
from memlib.runs import Results, measure_images


@pytest.fixture(scope="module")
def images() -> ImageSet:
    """Twelve noise pictures, the last three held out."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 6, 6, 3), dtype=np.uint8)
    found = of_pixels("noise", pixels)
    found.metadata["group"] = ["trained"] * 9 + ["held-out"] * 3
    return found


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(np.sqrt(np.mean((one.numpy() - other.numpy()) ** 2)))


def test_the_nearest_training_image_is_that_of_a_loop_over_all_of_them(images: ImageSet) -> None:
    picture = torch.rand(3, 6, 6, generator=torch.Generator().manual_seed(1)) * 2 - 1
    loop = {
        (place, flipped): apart(picture.flip(2) if flipped else picture, images[place])
        for place in range(9)
        for flipped in (False, True)
    }
    found = resemblance(picture, images)
    best = min(loop, key=loop.__getitem__)
    assert (found.place, found.mirrored) == best and found.among == 9
    assert found.distance == pytest.approx(loop[best], rel=1e-5)
    assert not found.copy
    assert found.sentence().startswith("No training image is nearer than")


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_training_picture_is_found_as_it_is_mirrored_and_noised(
    images: ImageSet, mirrored: bool
) -> None:
    own = images[4].flip(2) if mirrored else images[4]
    found = resemblance(own, images)
    assert (found.place, found.distance, found.mirrored) == (4, 0, mirrored)
    assert "pixel for pixel" in found.sentence() and ("mirrored" in found.sentence()) == mirrored
    near = resemblance(own + 0.05, images)
    assert near.place == 4 and near.distance == pytest.approx(0.05, rel=1e-4)
    assert near.sentence().startswith("at a distance of .050")
    assert ("a mirrored copy of it" in near.sentence()) == mirrored
    assert resemblance(images[10], images).distance > 0.3  # a held-out image is no training image


def test_images_that_are_all_held_out_cannot_be_looked_through(images: ImageSet) -> None:
    with pytest.raises(ValueError, match="held out"):
        resemblance(images[0], images.subset([9, 10]))


def test_pictures_drawn_of_a_picture_are_counted_however_many_they_are(images: ImageSet) -> None:
    pixels = np.full((40, 6, 6, 3), 100, np.uint8)
    pixels[30:] = 200
    drawn = of_pixels("drawn", pixels)
    assert times_drawn(drawn[0] + 0.02, drawn) == 30
    assert times_drawn(images[0], drawn) == 0


def test_standings_are_the_measures_own_values_intervals_and_ranks(images: ImageSet) -> None:
    flat = torch.Generator().manual_seed(2)
    model = GaussianMixture(torch.randn(2, 3, 6, 6, generator=flat), 0.05)
    measure, results = MEASURES["volume_growth"], Results()
    for _ in measure_images(
        model, images, range(8), measure.name, measure.defaults(model), results
    ):
        pass
    values, errors = measure_table(model, images, results)
    tables = (values, errors, ranks(values))
    told = standings(model, images, results, tables, 3)
    assert set(told) == {"volume_growth", "log_likelihood"}
    direct = volume_growth(model, images.batch(range(8)), **measure.defaults(model))
    one = told["volume_growth"]
    assert one.value == pytest.approx(float(direct.value[3]), rel=1e-5)
    assert one.error == pytest.approx(float(direct.stderr[3]), rel=1e-4)
    low, high = (float(end[3]) for end in direct.interval)
    assert (one.low, one.high) == pytest.approx((low, high), rel=1e-4)
    assert one.rank == 1 + int((direct.value > direct.value[3]).sum()) and one.of == 8
    assert standings(model, images, results, tables, 8) == {}


def example(**changes: object) -> About:
    """The third of seven images, of a group of two with six copies among a hundred pictures."""
    found = Remembered(
        100,
        np.array([1, 2, 4, 0, 3, 0, 0]),
        torch.tensor([0, 1, 1, 3, 4, 5, 6]),
        np.array([True] * 6 + [False]),
    )
    growth = Standing("volume_growth", 20.0, 1.0, 18.0, 22.0, 3, 964)
    given = {"place": 2, "standings": {"volume_growth": growth}, "found": found}
    return About(**(given | changes))  # type: ignore[arg-type]


def test_the_sentence_counts_near_duplicates_together_and_says_what_is_not_known() -> None:
    assert example().sentence() == (
        f"came back in 6 of 100 pictures drawn, {counted_in_words(6, 100)}, and ranks 3rd of 964 "
        "by volume growth."
    )
    assert (
        example(place=3)
        .sentence()
        .startswith(
            "came back in none of 100 pictures drawn (less than once in 34 pictures) and ranks"
        )
    )
    assert example(found=None).sentence().endswith("it comes back is not counted yet.")
    assert example(standings={}).sentence().endswith("and is not measured yet.")
    assert example(place=6, trained=False).sentence() == (
        "was not trained on, and ranks 3rd of 964 by volume growth."
    )


def test_places_are_written_as_people_do() -> None:
    said = [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 111, 1002)]
    assert said == ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "111th", "1,002nd"]


def test_the_share_of_images_surpassed_is_the_percentile_in_the_measures_direction() -> None:
    values = np.random.default_rng(3).random(50).round(1)
    values[7] = np.nan
    known = values[~np.isnan(values)]
    less, of = surpassed(0.5, values, +1)
    assert 100 * less / of == pytest.approx(percentileofscore(known, 0.5, "strict"))
    less, of = surpassed(0.5, values, -1)
    assert 100 * less / of == pytest.approx(100 - percentileofscore(known, 0.5, "weak"))
    groups = {"training": pd.Series(values).to_numpy(), "held-out": np.full(3, np.nan)}
    said = surpassed_in_words("denoising_loss", 0.5, groups)
    assert said.startswith(f"By denoising loss it is more memorised than {less} of {of} training")
    assert "95%" in said and "held-out" not in said
