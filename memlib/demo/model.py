"""The demo's model: a small U-Net, trained on images each repeated `copies` times."""

import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

from memlib.demo.emoji import SIZE, training_rows
from memlib.demo.states import SAVE_EVERY, State
from memlib.progress import Stages

STEPS = 15_000
BATCH = 32
LEARNING_RATE = 1.5e-3
CHECKPOINTS = {"reference": STEPS // 20, "early": STEPS // 7, "middle": 2 * STEPS // 5}


def new_network() -> UNet2DModel:
    """Make the U-Net: 1.5 million parameters; attention only at 4x4, where it is cheap."""
    return UNet2DModel(
        sample_size=SIZE,
        layers_per_block=1,
        block_out_channels=(32, 64, 64, 64),
        norm_num_groups=8,
        attention_head_dim=32,
        down_block_types=("DownBlock2D",) * 4,
        up_block_types=("UpBlock2D",) * 4,
    )


def new_scheduler() -> DDPMScheduler:
    """Make the linear schedule of DDPM, with v-prediction, so that the denoiser's error stays
    bounded where noise dominates.
    """
    return DDPMScheduler(
        num_train_timesteps=1000, prediction_type="v_prediction", clip_sample=False
    )


def training(
    rows: torch.Tensor,
    state_file: Path,
    steps: int = STEPS,
    seed: int = 0,
    make: Callable[[], UNet2DModel] = new_network,
) -> Iterator[tuple[int, float, UNet2DModel]]:
    """Train with AdamW what `make` makes, and yield (step, loss, EMA network) after every step;
    training resumes from `state_file`.

    Noise levels are drawn as ln sigma ~ N(0, 1.5^2), rounded to a timestep. Every step seeds its
    own draws, so a resumed run sees the same batches.
    """
    torch.manual_seed(seed)
    network = make().to(memory_format=torch.channels_last)
    average = make().to(memory_format=torch.channels_last).requires_grad_(False)
    average.load_state_dict(network.state_dict())
    state = State(list(network.parameters()), LEARNING_RATE, list(average.parameters()))

    alphas_cumprod = new_scheduler().alphas_cumprod
    log_sigma = 0.5 * ((1 - alphas_cumprod) / alphas_cumprod).log()
    for step in range(state.load(state_file), steps):
        draw = torch.Generator().manual_seed(seed * 10_000_000 + step)
        x0 = rows[torch.randint(len(rows), (BATCH,), generator=draw)].float() / 127.5 - 1
        t = torch.searchsorted(log_sigma, 1.5 * torch.randn(BATCH, generator=draw)).clamp(
            max=len(log_sigma) - 1
        )
        alpha, sigma = (a[t].sqrt().view(-1, 1, 1, 1) for a in (alphas_cumprod, 1 - alphas_cumprod))
        noise = torch.randn(x0.shape, generator=draw)
        x_t = (alpha * x0 + sigma * noise).contiguous(memory_format=torch.channels_last)

        rate = min((step + 1) / 200, 0.5 * (1 + math.cos(math.pi * step / steps)))
        with torch.autocast("cpu", torch.bfloat16):
            v = network(x_t, t).sample
        loss = (v.float() - (alpha * noise - sigma * x0)).square().mean()
        state.step(loss, max(1e-5, LEARNING_RATE * rate), step)
        if (step + 1) % SAVE_EVERY == 0:
            state.save(state_file, step + 1)
        yield step + 1, loss.item(), average


def train(images: Path, folder: Path, work: Path, stages: Stages) -> None:
    """Train and save `model` and the earlier states named in CHECKPOINTS as pipeline folders below
    `folder`.
    """
    marks = {step: f"checkpoints/{name}" for name, step in CHECKPOINTS.items()} | {STEPS: "model"}
    losses = []
    for step, loss, network in training(training_rows(images), work / "training.safetensors"):
        losses.append(loss)
        if step in marks:
            save_pipeline(network, folder / marks[step])
        if step % 100 == 0:
            stages(f"training, loss {np.mean(losses):.4f}")(step, STEPS)
            losses.clear()


def save_pipeline(network: UNet2DModel, target: Path) -> None:
    """Save as a DDPMPipeline in half precision: half the size, and the rounding is far below the
    uncertainty of training.
    """
    saved = deepcopy(network).to(memory_format=torch.contiguous_format).half()
    DDPMPipeline(saved, new_scheduler()).save_pretrained(target, safe_serialization=True)
