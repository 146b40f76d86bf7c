"""The small network of the plane: it finds the truth from many samples, remembers few, and can be
stopped.
"""

import pytest
import torch

from memlib import FiniteDataset, p_laplace, volume_growth
from memlib import landscapes as land
from memlib.landscapes.toy import ToyDenoiser, noise_error, training

LEVELS = [0.1, 0.4, 1.6, 6.4]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_trained_on_many_samples_it_approaches_the_exact_score() -> None:
    truth = land.mixture(land.three_modes())
    fresh = truth.sample(1000, seed=9)
    reports = list(training(truth.sample(4000, seed=1), 600, every=100))
    assert [report.step for report in reports] == [100, 200, 300, 400, 500, 600]
    before = noise_error(ToyDenoiser(2.0), truth, fresh, LEVELS)
    after = noise_error(reports[-1].denoiser, truth, fresh, LEVELS)
    assert (after < 0.15).all()
    assert (after < before / 2)[:3].all()
    assert reports[-1].loss < reports[0].loss


def test_trained_long_on_few_samples_it_is_nearer_to_the_memoriser_than_to_the_truth() -> None:
    truth = land.mixture(land.ring())
    samples = truth.sample(6, seed=1)
    network = list(training(samples, 600))[-1].denoiser
    many = samples.repeat(100, 1, 1, 1)
    memory = noise_error(network, FiniteDataset(samples), many, LEVELS)
    assert (memory < 0.7 * noise_error(network, truth, many, LEVELS)).all()


def test_training_can_stop_early_and_what_it_reported_stays() -> None:
    samples = land.mixture(land.ring()).sample(100)
    state = torch.get_rng_state()
    run = training(samples, 100, every=10)
    first = next(run)
    kept = first.denoiser.digest
    second = next(run)
    run.close()
    assert torch.equal(torch.get_rng_state(), state)
    assert (first.step, first.steps, second.step) == (10, 100, 20)
    assert first.denoiser.digest == kept != second.denoiser.digest
    again = next(training(samples, 100, every=10))
    assert again.denoiser.digest == kept


def test_it_keeps_the_contract_of_a_denoiser() -> None:
    network = next(training(land.mixture(land.ring()).sample(100), 20, every=20)).denoiser
    y = torch.randn(5, 1, 1, 2, generator=torch.Generator().manual_seed(0))
    sigma = torch.tensor([0.05, 0.2, 1.0, 3.0, 10.0])
    each = torch.cat([network(y[i : i + 1], float(sigma[i])) for i in range(5)])
    torch.testing.assert_close(network(y, sigma), each, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        network.noise(y, sigma), (y - each) / sigma.view(-1, 1, 1, 1), rtol=1e-3, atol=1e-3
    )
    assert network(y.double(), 0.5).dtype == torch.float64
    assert p_laplace(network, y, 0.5, directions=4).value.isfinite().all()
    assert volume_growth(network, y, steps=4).value.isfinite().all()
    assert not network(y, 0.5).requires_grad


def test_before_training_it_is_the_best_linear_guess() -> None:
    network, y = ToyDenoiser(2.0), torch.ones(1, 1, 1, 2)
    torch.testing.assert_close(network(y, 2.0), y / 2)


def test_bad_input_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="shape"):
        next(training(torch.zeros(3, 2), 10))
    with pytest.raises(ValueError, match="at least one step"):
        next(training(torch.zeros(3, 1, 1, 2), 0))
    with pytest.raises(ValueError, match="positive"):
        ToyDenoiser(0.0)
    assert next(training(torch.zeros(1, 1, 1, 2), 2)).denoiser.scale == 0.1
