"""Measuring on a cluster of several nodes and processes: the same numbers, and a worker that is
killed loses nothing.
"""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from torch import Tensor

from memlib import GaussianMixture, ImageSet, load_denoiser, load_images
from memlib.runs import OnRay, Run, create_run, measure_run
from memlib.runs.measuring import in_this_process
from tests.conftest import tiny_unet

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow
PARAMETERS = {"sigma_min": 0.1, "sigma_max": 10.0, "steps": 4, "probes": 2, "seed": 0}


class Mortal(GaussianMixture):
    """Kills the process it runs in, `lives` times over all processes."""

    def __init__(self, marks: Path, lives: int) -> None:
        super().__init__(torch.linspace(-1, 1, 2 * 3 * 8 * 8).view(2, 3, 8, 8), 0.3)
        self.marks, self.lives, self.home = marks, lives, os.getpid()

    def noise(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        dead = len(list(self.marks.iterdir()))
        if os.getpid() != self.home and dead < self.lives and float(sigma) > 5:
            (self.marks / f"{os.getpid()}-{dead}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().noise(y, sigma)


class Refusing(GaussianMixture):
    """Finds its input bad, which only the process that measures can see."""

    def noise(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        if float(torch.as_tensor(sigma).max()) > 5:
            raise ValueError("No noise above 5.")
        return super().noise(y, sigma)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster of two nodes with one CPU each."""
    from ray.cluster_utils import Cluster

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False, "object_store_memory": 2**27},
    )
    cluster.add_node(num_cpus=1, object_store_memory=2**27)
    yield cluster.address
    cluster.shutdown()


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    np.save(
        tmp_path / "images.npy",
        np.random.default_rng(0).integers(0, 256, (70, 8, 8, 3), dtype=np.uint8),
    )
    return load_images(tmp_path / "images.npy")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def measured(place: Path, denoiser: Any, images: ImageSet, **asked: Any) -> Run:
    run = create_run(place, denoiser, images, "volume_growth", PARAMETERS, chunk=4)
    for _ in measure_run(run, denoiser, images, **asked):
        pass
    return run.again()


def same(one: Run, other: Run) -> bool:
    rows, others = one.rows(), other.rows()
    return list(rows) == list(others) and all(
        np.array_equal(rows[image][name], others[image][name])
        for image in rows
        for name in rows[image]
    )


def test_a_cluster_gives_the_numbers_of_one_process_to_the_bit(
    address: str, images: ImageSet, tmp_path: Path, save_model: Any
) -> None:
    denoiser = load_denoiser(save_model(diffusers.DDPMScheduler(), unet=tiny_unet()), "cpu")
    shared = measured(tmp_path / "ray", denoiser, images, engine=OnRay(address))
    assert shared.done == 70
    assert same(shared, measured(tmp_path / "here", denoiser, images))


def test_killed_workers_lose_nothing(address: str, images: ImageSet, tmp_path: Path) -> None:
    (tmp_path / "marks").mkdir()
    mortal = Mortal(tmp_path / "marks", 3)
    shared = measured(tmp_path / "ray", mortal, images, engine=OnRay(address))
    assert len(list((tmp_path / "marks").iterdir())) == 3
    assert same(shared, measured(tmp_path / "here", mortal, images))


def test_a_worker_that_always_dies_ends_the_run_with_a_sentence_and_what_was_done_is_kept(
    address: str, images: ImageSet, tmp_path: Path
) -> None:
    (tmp_path / "marks").mkdir()
    mortal = Mortal(tmp_path / "marks", 10**6)
    with pytest.raises(RuntimeError, match="A worker died"):
        measured(tmp_path / "ray", mortal, images, engine=OnRay(address, workers=1))
    assert not Run(tmp_path / "ray").done
    mortal.lives = 0
    assert measured(tmp_path / "ray", mortal, images, engine=OnRay(address)).done == 70


def test_bad_input_of_a_worker_and_stopping_are_those_of_one_process(
    address: str, images: ImageSet, tmp_path: Path
) -> None:
    bad = Refusing(torch.zeros(1, 3, 8, 8), 0.3)
    for name, engine in (("here", in_this_process), ("ray", OnRay(address))):
        with pytest.raises(ValueError, match="No noise above 5"):
            measured(tmp_path / f"bad-{name}", bad, images, engine=engine)

    denoiser = GaussianMixture(torch.zeros(1, 3, 8, 8), 0.3)

    def stop(done: float, total: int) -> None:
        if done >= 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(tmp_path / "stopped", denoiser, images, engine=OnRay(address), progress=stop)
    assert 16 <= Run(tmp_path / "stopped").done < 70
    with pytest.raises(ValueError, match="no Ray cluster"):
        measured(tmp_path / "nowhere", denoiser, images, engine=OnRay("127.0.0.1:1"))
