"""Measuring on a Ray cluster, or on all GPUs of one machine: actors with a copy of the model each, the images sent to them.

Ray is an extra: pip install -r requirements-ray.txt. Workers need no image files and no model files. A worker that dies is
started again and its batches are measured anew; results are stored where the run was started, batch by batch.
"""

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from memlib.denoisers import Denoiser, NetworkDenoiser, pick_device
from memlib.measures import Row
from memlib.runs.results import measure_pictures

PACKAGE = Path(__file__).resolve().parents[1]  # sent to the nodes of a cluster, which need the other requirements themselves
AHEAD = 2  # batches a worker has at once: one in hand and one waiting
TRIES = 3  # how often a batch whose worker died is given to another
POLL = 0.5  # seconds between two looks at whether to stop


class Worker:
    """One process of the cluster, with its own copy of the model (a list of one reference to it)."""

    def __init__(self, model: list[Any], measure: str, parameters: Mapping[str, Any], threads: int) -> None:
        import ray

        torch.set_num_threads(threads)
        denoiser: Denoiser = ray.get(model[0])
        if isinstance(denoiser, NetworkDenoiser):
            denoiser.to(pick_device())
        self.denoiser, self.measure, self.parameters = denoiser, measure, parameters

    def work(self, number: int, pictures: Tensor) -> tuple[int, list[Row]]:
        return number, measure_pictures(self.denoiser, pictures, self.measure, self.parameters)


@dataclass(frozen=True)
class OnRay:
    """The engine of a Ray cluster.

    `address` is that of a running cluster ("auto" for the one of this machine); None starts one here for the time of the
    run. There is one worker a GPU, or one for every `threads` CPUs where the cluster has no GPUs, at most `workers`.
    """

    address: str | None = None
    workers: int | None = None
    threads: int = 1

    def __call__(
        self, denoiser: Denoiser, measure: str, parameters: Mapping[str, Any], batches: Iterator[tuple[int, Tensor]], tick: Callable[[float], object]
    ) -> Iterator[tuple[int, list[Row]]]:  # fmt: skip
        try:
            import ray
        except ModuleNotFoundError as error:
            raise ValueError("Ray is not installed here: pip install -r requirements-ray.txt") from error
        started = not ray.is_initialized()
        if started:
            _knock(self.address)
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere unasked
            try:
                ours = {"include_dashboard": False} if self.address is None else {"runtime_env": {"py_modules": [str(PACKAGE)]}}
                ray.init(address=self.address, log_to_driver=False, logging_level="ERROR", **ours)
            except ConnectionError as error:
                raise ValueError(f"There is no Ray cluster at {self.address!r}.") from error
        try:
            yield from self._measured(ray, denoiser, measure, parameters, batches, tick)
        finally:
            if started:
                ray.shutdown()

    def _measured(
        self, ray: Any, denoiser: Denoiser, measure: str, parameters: Mapping[str, Any], batches: Iterator[tuple[int, Tensor]], tick: Callable[[float], object]
    ) -> Iterator[tuple[int, list[Row]]]:  # fmt: skip
        resources = ray.cluster_resources()
        gpus = int(resources.get("GPU", 0))
        most = gpus or max(1, int(resources.get("CPU", 1)) // self.threads)
        options = {"num_cpus": self.threads, "num_gpus": 1 if gpus else 0, "max_restarts": -1, "max_task_retries": TRIES}
        model = ray.put(denoiser)
        actor = ray.remote(**options)(Worker)
        workers = [actor.remote([model], measure, dict(parameters), self.threads) for _ in range(min(most, self.workers or most))]
        busy: dict[Any, int] = {}  # a batch that is under way, and whose it is
        try:
            for place, worker in [(place, worker) for _ in range(AHEAD) for place, worker in enumerate(workers)]:
                batch = next(batches, None)
                if batch is not None:
                    busy[worker.work.remote(*batch)] = place
            while busy:
                ready, _ = ray.wait(list(busy), num_returns=1, timeout=POLL)
                for one in ready:
                    place = busy.pop(one)
                    batch = next(batches, None)
                    if batch is not None:
                        busy[workers[place].work.remote(*batch)] = place
                    try:
                        yield ray.get(one)
                    except ray.exceptions.RayActorError as error:
                        raise RuntimeError(f"A worker died {TRIES + 1} times at the same images. What is finished is stored.") from error
                    except ray.exceptions.RayTaskError as error:
                        raise error.cause if isinstance(error.cause, ValueError) else error from error
                tick(0.0)
        finally:
            for worker in workers:
                ray.kill(worker)


def _knock(address: str | None) -> None:
    """ValueError where nobody listens at host:port; Ray itself would wait for minutes."""
    host, separator, port = (address or "").removeprefix("ray://").rpartition(":")
    if not separator or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise ValueError(f"There is no Ray cluster at {address!r}: {error.strerror or error}.") from error
