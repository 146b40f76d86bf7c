"""Training a surrogate's classifier: every update depends only on its number, so that training can
be stopped and resumed.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div

from memlib.denoisers import Denoiser
from memlib.extraction.classifier import TimeResNet
from memlib.seeds import generator

SAVE_EVERY = 100  # updates
BATCH = 64


class Training:
    """The classifier's training on fixed images and labels, resumable from a folder."""

    def __init__(
        self,
        denoiser: Denoiser,
        images: Tensor,
        labels: Tensor,
        classes: int,
        settings: dict[str, Any],
        folder: Path | None,
    ) -> None:
        chosen = torch.arange(len(images)) % 10 != 9
        self.images, self.labels = (
            images[chosen.to(images.device)],
            labels[chosen].to(images.device),
        )
        self.classes, self.settings, self.folder = classes, settings, folder
        self.ends = torch.tensor([denoiser.sigma_floor, denoiser.sigma_max]).log()
        data = hashlib.sha256(
            self.images.cpu().numpy().tobytes() + self.labels.cpu().numpy().tobytes()
        ).hexdigest()
        self.key = json.dumps(
            settings | {"data": data, "denoiser": denoiser.digest, "clean": 0}, sort_keys=True
        )

    def run(
        self,
        name: str,
        knows_level: bool,
        teacher: TimeResNet | None,
        progress: Callable[[int], object],
    ) -> TimeResNet:
        blocks, width = TimeResNet.LAYOUTS[self.settings["layout"]]
        updates, seed, device = self.settings["updates"], self.settings["seed"], self.images.device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = TimeResNet(self.images.shape[1], self.classes, blocks, width, knows_level)
        network = network.to(device).train()
        optimiser = torch.optim.AdamW(
            network.parameters(),
            lr=self.settings["rate"],
            weight_decay=1e-2,
            fused=device.type != "mps",
        )
        file = self.folder / f"{name}.safetensors" if self.folder else None
        first = self._load(file, network, optimiser) if file and file.exists() else 0
        done = first
        try:
            for step in range(first, updates):
                x, level, target = self._batch(step, knows_level)
                logits = network(x, level)
                if teacher is None:
                    loss = cross_entropy(logits, target)
                else:
                    with torch.no_grad():
                        soft = teacher(self.images[self._chosen(step)], 0.0).log_softmax(1)
                    loss = kl_div(
                        logits.log_softmax(1), soft, log_target=True, reduction="batchmean"
                    )
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                for group in optimiser.param_groups:
                    group["lr"] = self.settings["rate"] * min(
                        (step + 1) / (0.1 * updates), 0.5 * (1 + math.cos(math.pi * step / updates))
                    )
                optimiser.step()
                done = step + 1
                if file and done % SAVE_EVERY == 0:
                    self._save(file, done, network, optimiser)
                progress(done)
        except BaseException:  # a stop on a page is not an Exception
            if file and done > first:
                self._save(file, done, network, optimiser)
            raise
        if file and done > first and done % SAVE_EVERY:
            self._save(file, done, network, optimiser)
        network.eval().requires_grad_(False)
        return network

    def _chosen(self, step: int) -> Tensor:
        return torch.randint(
            len(self.images), (BATCH,), generator=generator(self.settings["seed"], step, 1)
        ).to(self.images.device)

    def _batch(self, step: int, noisy: bool) -> tuple[Tensor, Tensor, Tensor]:
        chosen, device = self._chosen(step), self.images.device
        x, target = self.images[chosen], self.labels[chosen]
        if not noisy:
            return x, torch.zeros(len(x), device=device), target
        draw = generator(self.settings["seed"], step, 2)
        level = (
            (self.ends[0] + (self.ends[1] - self.ends[0]) * torch.rand(BATCH, generator=draw))
            .exp()
            .to(device)
        )
        noise = torch.randn(x.shape, generator=draw).to(device)
        return x + level[:, None, None, None] * noise, level, target

    def _save(
        self, file: Path, step: int, network: TimeResNet, optimiser: torch.optim.Optimizer
    ) -> None:
        tensors = {
            f"network.{name}": value.contiguous() for name, value in network.state_dict().items()
        }
        for place, weight in enumerate(network.parameters()):
            tensors |= {
                f"{name}.{place}": value.contiguous()
                for name, value in optimiser.state[weight].items()
            }
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(f".{os.getpid()}.partial")
        save_file(tensors, partial, {"step": str(step), "key": self.key})
        partial.replace(file)

    def _load(self, file: Path, network: TimeResNet, optimiser: torch.optim.Optimizer) -> int:
        """Return the update that a saved training had reached; a training of other images or
        settings is not used.
        """
        try:
            with safe_open(file, "pt") as state:
                if (state.metadata() or {}).get("key") != self.key:
                    return 0
                network.load_state_dict(
                    {name: state.get_tensor(f"network.{name}") for name in network.state_dict()}
                )
                for place, weight in enumerate(network.parameters()):
                    saved = {
                        name: state.get_tensor(f"{name}.{place}")
                        for name in ("step", "exp_avg", "exp_avg_sq")
                    }
                    optimiser.state[weight] = {
                        name: value.to(weight.device if optimiser.defaults["fused"] else "cpu")
                        if name == "step"
                        else torch.empty_like(weight).copy_(value)
                        for name, value in saved.items()
                    }
                return int(state.metadata()["step"])
        except (SafetensorError, OSError, KeyError, RuntimeError) as error:
            raise ValueError(
                f"The saved training in {file.name!r} is damaged; delete it to train again."
            ) from error
