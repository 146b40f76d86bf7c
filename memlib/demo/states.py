"""What training resumes from: weights, the optimiser's moments and, if wanted, averaged weights."""

from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from memlib.progress import Progress

SAVE_EVERY, TOLD = 500, 50  # steps
DECAY = 0.999  # of the averaged weights


class State:
    """Weights that AdamW trains; `averages` follow them with exponential weights."""

    def __init__(
        self, weights: list[Tensor], rate: float, averages: list[Tensor] | None = None
    ) -> None:
        self.weights, self.averages = weights, averages or []
        self.optimiser = torch.optim.AdamW(
            weights, lr=rate, weight_decay=1e-4, betas=(0.9, 0.99), fused=True
        )

    def step(self, loss: Tensor, rate: float, number: int = 0) -> None:
        """Take one step down the loss; `number` steps were taken before it."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        if self.averages:
            with torch.no_grad():
                share = 1 - min(DECAY, (1 + number) / (10 + number))
                torch._foreach_lerp_(self.averages, self.weights, share)

    def report(self, file: Path, progress: Progress, done: int, total: int) -> None:
        """Save and report the progress every now and then."""
        if done % SAVE_EVERY == 0 or done == total:
            self.save(file, done)
        if done % TOLD == 0 or done == total:
            progress(done, total)

    def save(self, file: Path, done: int) -> None:
        tensors = {f"weight.{i}": one.detach().contiguous() for i, one in enumerate(self.weights)}
        tensors |= {
            f"average.{i}": one.detach().contiguous() for i, one in enumerate(self.averages)
        }
        for i, weight in enumerate(self.weights):
            moments = self.optimiser.state[weight]
            tensors |= {f"{key}.{i}": value.contiguous() for key, value in moments.items()}
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        save_file(tensors, partial, {"step": str(done)})
        partial.replace(file)

    def load(self, file: Path) -> int:
        """Load what was saved and return how many steps are done: none, if there is no file."""
        if not file.exists():
            return 0
        with safe_open(file, "pt") as saved, torch.no_grad():
            for i, weight in enumerate(self.weights):
                weight.copy_(saved.get_tensor(f"weight.{i}"))
                moments = {"step": saved.get_tensor(f"step.{i}")}
                for key in ("exp_avg", "exp_avg_sq"):
                    kept = torch.empty_like(weight).copy_(saved.get_tensor(f"{key}.{i}"))
                    moments[key] = kept
                self.optimiser.state[weight] = moments
            for i, average in enumerate(self.averages):
                average.copy_(saved.get_tensor(f"average.{i}"))
            return int(saved.metadata()["step"])
