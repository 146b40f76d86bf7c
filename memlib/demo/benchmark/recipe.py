"""The benchmark's model, and the earlier state that is its reference."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from diffusers import UNet2DModel
from safetensors.torch import load_file, save_file

from memlib import Denoiser, load_denoiser
from memlib.demo.benchmark.drawings import SIZE, validation
from memlib.demo.emoji import training_rows
from memlib.demo.model import save_pipeline, training
from memlib.measures import integrated_loss
from memlib.progress import Stages

STEPS = 4_500
KEPT = 16  # states are kept at every 16th of the training, and after the first 32nd


def new_network() -> UNet2DModel:
    """Make the U-Net: 1.7 million parameters; attention only at 4x4, where it is cheap."""
    return UNet2DModel(
        sample_size=SIZE,
        layers_per_block=1,
        block_out_channels=(32, 64, 96),
        norm_num_groups=8,
        attention_head_dim=32,
        down_block_types=("DownBlock2D",) * 3,
        up_block_types=("UpBlock2D",) * 3,
    )


def train_states(
    images: Path, work: Path, stages: Stages, steps: int = STEPS, seed: int = 0
) -> list[Path]:
    """Train on the images, each repeated `copies` times, and return the files of the states that
    are kept, in the order of training, the last one at its end; training resumes from `work`.
    """
    part = steps // KEPT
    marks = [part // 2, *(k * part for k in range(1, KEPT)), steps]
    files = {step: work / f"state-{step:06}.safetensors" for step in marks}
    if files[steps].exists():
        return list(files.values())
    losses: list[float] = []
    rows, state = training_rows(images), work / "training.safetensors"
    for step, loss, network in training(rows, state, steps, seed, new_network):
        losses.append(loss)
        if step in files:
            weights = {key: one.contiguous() for key, one in network.state_dict().items()}
            save_file(weights, files[step])
        if step % 100 == 0:
            stages(f"training, loss {np.mean(losses):.4f}")(step, steps)
            losses.clear()
    return list(files.values())


def save_state(state: Path, target: Path) -> None:
    """Save a kept state as a pipeline that `load_denoiser` reads."""
    network = new_network()
    network.load_state_dict(load_file(state))
    save_pipeline(network, target)


def state_losses(states: Sequence[Path], work: Path, stages: Stages) -> pd.DataFrame:
    """Return the integrated loss of every kept state on pictures that are in no group: columns
    `step`, `loss` (nats, mean), and `error`, its standard error over pictures.
    """
    pictures = torch.from_numpy(validation()).float() / 127.5 - 1
    lines = []
    for done, state in enumerate(states):
        found = integrated_loss(_opened(state, work), pictures).value.double()
        error = float(found.std()) / len(found) ** 0.5
        step = int(state.stem.removeprefix("state-"))
        lines.append({"step": step, "loss": float(found.mean()), "error": error})
        stages("choosing the reference")(done + 1, len(states))
    return pd.DataFrame(lines)


def _opened(state: Path, work: Path) -> Denoiser:
    folder = work / state.stem
    if not folder.exists():
        save_state(state, folder)
    return load_denoiser(folder, "cpu")


def chosen_reference(losses: pd.DataFrame) -> int:
    """Return the step of the reference, by a rule that looks at no training image: the state with
    the lowest loss on pictures that were not trained on. Before it the model still learns how such
    pictures look; what it learns later is of the training images only.
    """
    return int(losses["step"].to_numpy()[losses["loss"].to_numpy().argmin()])


def train(images: Path, folder: Path, work: Path, stages: Stages) -> None:
    """Train, and save `model` and `reference` and the losses they were chosen by below `folder`."""
    states = train_states(images, work, stages)
    losses = state_losses(states, work, stages)
    losses.to_csv(folder / "references.csv", index=False, float_format="%.6g")
    reference = f"state-{chosen_reference(losses):06}"
    save_state(next(one for one in states if one.stem == reference), folder / "reference")
    save_state(states[-1], folder / "model")
