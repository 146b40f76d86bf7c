"""The benchmark's model and the earlier state that is its reference."""

from pathlib import Path

import numpy as np
from diffusers import UNet2DModel
from safetensors.torch import save_file

from memlib.demo.benchmark.pictures import SIZE
from memlib.demo.emoji import training_rows
from memlib.demo.model import training
from memlib.progress import Stages

STEPS = 10_000
KEPT = 16  # states are kept at every 16th of the training, and at the first half of that


def new_network() -> UNet2DModel:
    """Make the U-Net: 1.5 million parameters; attention only at 6x6, where it is cheap."""
    return UNet2DModel(
        sample_size=SIZE,
        layers_per_block=1,
        block_out_channels=(32, 48, 96),
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
    marks = [steps // KEPT // 2, *(k * steps // KEPT for k in range(1, KEPT + 1))]
    files = {step: work / f"state-{step:06}.safetensors" for step in marks}
    losses: list[float] = []
    state = work / "training.safetensors"
    for step, loss, network in training(training_rows(images), state, steps, seed, new_network):
        losses.append(loss)
        if step in files:
            weights = {key: one.contiguous() for key, one in network.state_dict().items()}
            save_file(weights, files[step])
        if step % 100 == 0:
            stages(f"training, loss {np.mean(losses):.4f}")(step, steps)
            losses.clear()
    return list(files.values())
