"""The attack that looks for what is new: equal to plain sampling where it does nothing, more
different images where it does, every forward counted.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from memlib import FiniteDataset, nearest, sample
from memlib.denoisers import Denoiser
from memlib.extraction import Attack, generate_run, read_generations, read_manifest
from memlib.extraction.seeking.found import Found
from memlib.extraction.seeking.seek import seek
from memlib.extraction.seeking.steering import Steered
from memlib.extraction.seeking.suspects import suspects
from memlib.flow import descending

SHAPE = (3, 4, 4)
POINTS = 40


def pictures(n: int, seed: int = 0) -> Tensor:
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.fixture(scope="module")
def points() -> FiniteDataset:
    """Points of which the most likely is drawn a thousand times as often as the rarest."""
    return FiniteDataset(pictures(POINTS), 10 ** torch.linspace(0, -3, POINTS, dtype=torch.float64))


@pytest.fixture(scope="module")
def sigmas(points: FiniteDataset) -> Tensor:
    return descending(points, 10, 20, 0.05)


class Counting(Denoiser):
    """Counts the images that the network sees."""

    def __init__(self, model: Denoiser) -> None:
        self.model, self.forwards = model, 0
        self.shape, self.device, self.name = model.shape, model.device, model.name
        self.sigma_min, self.sigma_max = model.sigma_min, model.sigma_max
        self.digest = model.digest

    def __call__(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        self.forwards += len(y)
        return self.model(y, sigma)


def known(points: FiniteDataset, sigmas: Tensor, n: int = 64) -> Found:
    found = Found(SHAPE)
    found.add(sample(points, n, sigmas=sigmas, seed=1))
    return found


def different(images: Tensor) -> int:
    return len(torch.unique(nearest(images, pictures(POINTS), 1).index))


@pytest.mark.parametrize(("look", "eta"), [(1, 0.0), (4, 1.0), (10, 0.0)])
def test_a_path_that_is_never_ended_is_a_sample_bit_for_bit(
    points: FiniteDataset, sigmas: Tensor, look: int, eta: float
) -> None:
    how = {"sigmas": sigmas, "seed": 3, "first": 5, "eta": eta}
    plain = sample(points, 70, **how)
    still = Steered(points, reference=points, band=(0, 100))
    never = 10**9
    for denoiser, found in ((points, Found(SHAPE)), (still, known(points, sigmas))):
        told = seek(denoiser, 70, look=look, found=found, enough=never, **how)
        assert torch.equal(told.images, plain)
        assert told.forwards.tolist() == [10] * 70


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_paths_that_end_early_show_what_they_would_have_become(
    points: FiniteDataset, sigmas: Tensor, eta: float
) -> None:
    how = {"sigmas": sigmas, "seed": 2, "eta": eta}
    plain = sample(points, 64, **how)
    sought = seek(points, 64, look=6, found=known(points, sigmas), **how)
    ended = sought.forwards < 10
    assert 40 < int(ended.sum()) < 64
    torch.testing.assert_close(sought.images[~ended], plain[~ended], atol=1e-5, rtol=0)
    assert (sought.images - plain).square().mean().sqrt() < 0.1


@pytest.mark.parametrize("contrast", [1.0, 2.0])
def test_every_forward_is_counted(points: FiniteDataset, sigmas: Tensor, contrast: float) -> None:
    model = Counting(points)
    steered = Steered(
        model, reference=model, contrast=contrast, repulsion=1.0, radius=0.5, band=(0.5, 8)
    )
    steered.found = pictures(3)
    sought = seek(steered, 70, sigmas=sigmas, look=6, found=known(points, sigmas))
    assert int(sought.forwards.sum()) == model.forwards
    assert len(torch.unique(sought.forwards)) == 2


def test_a_batch_equals_a_loop(points: FiniteDataset, sigmas: Tensor) -> None:
    found = known(points, sigmas)
    batch = seek(points, 16, sigmas=sigmas, look=6, found=found)
    for i in range(16):
        one = seek(points, 1, sigmas=sigmas, look=6, found=found, first=i)
        torch.testing.assert_close(one.images[0], batch.images[i], atol=1e-5, rtol=0)
        assert one.forwards[0] == batch.forwards[i]


def test_it_finds_more_different_points_than_plain_sampling_at_equal_forwards(
    points: FiniteDataset, sigmas: Tensor
) -> None:
    more = 0
    for seed in range(3):
        found, drawn, spent = Found(SHAPE), [], 0
        while spent < 6_000:
            part = seek(
                points, 64, sigmas=sigmas, look=5, found=found, seed=seed, first=64 * len(drawn)
            )
            found.add(part.images)
            drawn.append(part.images)
            spent += int(part.forwards.sum())
        plain = sample(points, spent // 10, sigmas=sigmas, seed=seed)
        assert different(torch.cat(drawn)) >= different(plain)
        more += different(torch.cat(drawn)) - different(plain)
    assert more > 0


def test_repulsion_leads_away_from_what_was_found(points: FiniteDataset, sigmas: Tensor) -> None:
    plain = sample(points, 64, sigmas=sigmas)
    steered = Steered(points, repulsion=2.0, radius=0.8, band=(0.3, 20))
    steered.found = pictures(POINTS)[:5]
    led = sample(steered, 64, sigmas=sigmas)

    def share(images: Tensor) -> float:
        return float((nearest(images, pictures(POINTS), 1).index < 5).float().mean())

    assert share(led) < 0.5 * share(plain)


def test_contrast_leads_to_what_only_the_model_knows(sigmas: Tensor) -> None:
    """The reference knows every point alike, the model the first ten ten times as well."""
    weights = torch.where(torch.arange(POINTS) < 10, 10.0, 1.0).double()
    model, reference = (FiniteDataset(pictures(POINTS), one) for one in (weights, None))
    led = sample(Steered(model, reference=reference, contrast=3.0), 64, sigmas=sigmas)
    plain = sample(model, 64, sigmas=sigmas)
    first = [
        float((nearest(images, pictures(POINTS), 1).index < 10).float().mean())
        for images in (plain, led)
    ]
    assert first[1] > first[0] + 0.1


def test_steering_that_cannot_work_is_refused(points: FiniteDataset, sigmas: Tensor) -> None:
    with pytest.raises(ValueError, match="contrast of 2 needs a reference"):
        Steered(points, contrast=2.0)
    other = FiniteDataset(torch.zeros(2, 1, 4, 4))
    with pytest.raises(ValueError, match=r"\(1, 4, 4\)"):
        Steered(points, reference=other, contrast=2.0)
    with pytest.raises(ValueError, match="after 1 to 10 of them, not after 11"):
        seek(points, 1, sigmas=sigmas, look=11, found=Found(SHAPE))


def test_nearly_equal_images_are_one_group_and_counted() -> None:
    drawn = pictures(9)
    found = Found(SHAPE)
    first = found.add(torch.cat([drawn[:5], drawn[:2] + 0.01]))
    assert first.tolist() == [0, 1, 2, 3, 4, 0, 1]
    assert found.add(torch.cat([drawn[7:], drawn[7:] - 0.02, drawn[:1]])).tolist() == [
        5,
        6,
        5,
        6,
        0,
    ]
    assert found.times.tolist() == [3, 2, 1, 1, 1, 2, 2]
    assert found.place(drawn[6:8]).tolist() == [-1, 5]


def drawn(folder: Path, points: FiniteDataset, n: int, **settings: float) -> Path:
    how = {"steps": 10, "high": 20.0, "low": 0.05, "look": 6, "again": 2.0, "repulsion": 0.5}
    assert [*generate_run(folder, points, n, **how | settings)][-1] == (n, n)
    return folder


def test_a_stopped_run_continues_as_if_it_had_not_been_stopped(tmp_path: Path) -> None:
    points = FiniteDataset(pictures(60))
    whole = drawn(tmp_path / "whole", points, 1000)
    parts = tmp_path / "parts"
    for n in (64, 100, 350, 1000):
        drawn(parts, points, n)
    (parts / "part-000006.npz").unlink()
    drawn(parts, points, 1000)
    for file in sorted(whole.glob("*.npz")):
        assert file.read_bytes() == (parts / file.name).read_bytes()
    one, other = (read_manifest(folder)["spent"] for folder in (whole, parts))
    assert one == other
    assert set(one[:64]) == {10}  # nothing was found before the first part
    assert set(one[64:]) == {2, 6, 10}  # drawn again, ended, or neither
    with pytest.raises(ValueError, match="with other settings"):
        drawn(parts, points, 64, repulsion=0.0)


def test_the_forwards_of_a_stored_run_are_those_that_were_made(
    points: FiniteDataset, tmp_path: Path
) -> None:
    model = Counting(points)
    found = read_generations(drawn(tmp_path / "run", model, 384))
    spent = found.forwards()
    assert spent is not None
    assert int(spent.sum()) == model.forwards
    attack = Attack("seek", found, np.zeros(384, bool), torch.full((384,), -1))
    assert attack.evaluations()[-1] == model.forwards


def test_suspects_are_what_comes_most_often_then_most_sharply() -> None:
    drawn, noise = pictures(5), 0.02 * pictures(9, seed=1)
    often = drawn[0] + noise[:4]
    sharp, blurred = drawn[1] + 0.1 * noise[4:6], drawn[2] + noise[6:8]
    table = suspects(torch.cat([drawn[3:4], blurred, often, sharp, drawn[4:5]]))
    assert table["times"].tolist() == [4, 2, 2, 1, 1]
    assert table["number"].tolist()[1:3] in ([7, 1], [7, 2], [8, 1], [8, 2])
    assert set(table["number"][3:]) == {0, 9}
    assert table["number"][0] in range(3, 7)
    expected = (often - often.mean(0)).square().mean((1, 2, 3)).sum().div(3).sqrt()
    assert table["spread"][0] == pytest.approx(float(expected), rel=1e-4)
    assert table["spread"][3:].isna().all()
