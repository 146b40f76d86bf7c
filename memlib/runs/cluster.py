"""Measuring on a Ray cluster, or on all GPUs of one machine: each actor has a copy of the model,
and images are sent to the actors.

Ray is an extra: pip install -r requirements-ray.txt. Workers need no image files and no model
files. A worker that dies is restarted and its batches are measured again; results are stored where
the run was started, batch by batch.
"""

import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from memlib.denoisers import Denoiser, NetworkDenoiser, pick_device
from memlib.measures import Row
from memlib.progress import Progress
from memlib.quoting import first_line, quoted
from memlib.runs.results import Batch, measure_batch

PACKAGE = (
    Path(__file__).resolve().parents[1]
)  # sent to the nodes of a cluster, which need the other requirements themselves
AHEAD = 2  # batches given to a worker: one being measured and one waiting
TRIES = 3  # how often a batch is given to another worker if its worker died
POLL = 0.5  # seconds between two checks whether to stop


class Worker:
    """One process of the cluster, with its own copy of the model (a list of one reference
    to it).
    """

    def __init__(
        self, model: list[Any], measure: str, parameters: Mapping[str, Any], threads: int
    ) -> None:
        import ray

        torch.set_num_threads(threads)
        denoiser: Denoiser = ray.get(model[0])
        if isinstance(denoiser, NetworkDenoiser):
            denoiser.to(pick_device())
        self.denoiser, self.measure, self.parameters = denoiser, measure, parameters

    def ready(self) -> None:
        """Answer once the worker has started."""

    def work(self, number: int, batch: Batch) -> tuple[int, list[Row]]:
        return number, measure_batch(self.denoiser, batch, self.measure, self.parameters)


@dataclass(frozen=True)
class OnRay:
    """The engine of a Ray cluster.

    `address` is that of a running cluster ("auto" for the one of this machine); None starts one
    here for the duration of the run. There is one worker per GPU, or one for every `threads` CPUs
    if the cluster has no GPUs, at most `workers`.
    """

    address: str | None = None
    workers: int | None = None
    threads: int = 1

    def __call__(
        self,
        denoiser: Denoiser,
        measure: str,
        parameters: Mapping[str, Any],
        batches: Iterator[tuple[int, Batch]],
        tick: Progress,
    ) -> Iterator[tuple[int, list[Row]]]:
        try:
            import ray
        except ModuleNotFoundError as error:
            raise ValueError(
                "Ray is not installed here: pip install -r requirements-ray.txt"
            ) from error
        started = not ray.is_initialized()
        if started:
            _knock(self.address)
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no usage statistics are sent
            try:
                ours = (
                    {"include_dashboard": False}
                    if self.address is None
                    else {"runtime_env": {"py_modules": [str(PACKAGE)]}}
                )
                ray.init(address=self.address, log_to_driver=False, logging_level="ERROR", **ours)
            except ConnectionError as error:
                raise ValueError(f"There is no Ray cluster at {quoted(self.address)}.") from error
        try:
            yield from self._measured(ray, denoiser, measure, parameters, batches, tick)
        finally:
            if started:
                ray.shutdown()

    def _measured(
        self,
        ray: Any,
        denoiser: Denoiser,
        measure: str,
        parameters: Mapping[str, Any],
        batches: Iterator[tuple[int, Batch]],
        tick: Progress,
    ) -> Iterator[tuple[int, list[Row]]]:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        gpus = any(node.get("GPU", 0) >= 1 for node in nodes)
        room = [int(node.get("CPU", 0)) // self.threads for node in nodes]
        most = sum(
            min(cpus, int(node.get("GPU", 0))) if gpus else cpus
            for node, cpus in zip(nodes, room, strict=True)
        )
        if not most:
            raise ValueError(
                f"No node of the Ray cluster has {self.threads} CPUs for a worker; ask for fewer "
                "threads."
            )
        options = {
            "num_cpus": self.threads,
            "num_gpus": 1 if gpus else 0,
            "max_restarts": -1,
            "max_task_retries": TRIES,
        }
        model = ray.put(denoiser)
        actor = ray.remote(**options)(Worker)
        workers = [
            actor.remote([model], measure, dict(parameters), self.threads)
            for _ in range(min(most, self.workers or most))
        ]
        # batches go only to workers that have answered: others may wait for resources that someone
        # else is using
        waiting: dict[Any, Any] = {worker.ready.remote(): worker for worker in workers}
        busy: dict[Any, Any] = {}  # a batch that is being measured, and its worker
        left = next(batches, None)
        try:
            while busy or left is not None:
                done, _ = ray.wait([*busy, *waiting], num_returns=1, timeout=POLL)
                for one in done:
                    try:
                        rows = ray.get(one)
                    except ray.exceptions.RayActorError as error:
                        raise RuntimeError(
                            f"A worker died {TRIES + 1} times, or could not start: "
                            f"{first_line(error)}. Finished results are stored."
                        ) from error
                    except ray.exceptions.RayTaskError as error:
                        raise (
                            error.cause if isinstance(error.cause, ValueError) else error
                        ) from error
                    worker = busy.pop(one, None) or waiting.pop(one)
                    for _ in range(AHEAD if rows is None else 1):
                        if left is not None:
                            busy[worker.work.remote(*left)] = worker
                            left = next(batches, None)
                    if rows is not None:
                        yield rows
                tick(0, 1)
        finally:
            for worker in workers:
                ray.kill(worker)


def _knock(address: str | None) -> None:
    """Raise ValueError if nothing listens at host:port; Ray itself would wait for minutes."""
    host, separator, port = (address or "").removeprefix("ray://").rpartition(":")
    if not separator or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise ValueError(
            f"There is no Ray cluster at {quoted(address)}: {error.strerror or error}."
        ) from error
