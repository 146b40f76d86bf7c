"""The text demo's diffusion: a text encoder and a U-Net of latents, trained together."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import diffusers
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from memlib.demo.states import State
from memlib.demo.text.vocabulary import LENGTH
from memlib.progress import Stages

STEPS = 2_200
BATCH = 16
LEARNING_RATE = 1.5e-3
COOLING = 0.7  # of the steps are at the full rate, which then falls to zero
DROPPED = 0.1  # of the captions, so that the model knows the empty prompt
WIDTH = 64  # of the text encoder


def new_unet() -> UNet2DConditionModel:
    """Make the U-Net: 2.1 million parameters; attention at 4 x 4, where it is cheap."""
    return UNet2DConditionModel(
        sample_size=16,
        layers_per_block=1,
        block_out_channels=(48, 64, 80),
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=2,  # heads
        addition_embed_type="text",  # the prompt is told to every layer, with the time
        addition_embed_type_num_heads=4,
        norm_num_groups=8,
    )


def new_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Make the text encoder: two layers."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            projection_dim=WIDTH,
        )
    )


def new_scheduler() -> DDIMScheduler:
    """Make the schedule of Stable Diffusion 2, with v-prediction.

    With predicted noise, the loss hardly counts what the prompt decides, at the highest noise
    levels, and so short a training does not get there.
    """
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def token_ids(tokenizer: CLIPTokenizer, captions: Sequence[str]) -> Tensor:
    """Return the tokens of captions, (N, LENGTH), padded."""
    ids: Tensor = tokenizer(
        list(captions),
        padding="max_length",
        max_length=LENGTH,
        truncation=True,
        return_tensors="pt",
    ).input_ids
    return ids


def train_diffusion(
    rows: Tensor,
    captions: Sequence[str],
    times: Tensor,
    tokenizer: CLIPTokenizer,
    state_file: Path,
    stages: Stages,
    until: int = STEPS,
    seed: int = 0,
) -> tuple[UNet2DConditionModel, CLIPTextModel]:
    """Train on scaled latents `rows` (N, 4, 16, 16) with their captions, repeated `times` (N,), and
    return the averaged networks; training resumes from `state_file`.

    Every step seeds its own draws, so a resumed run sees the same batches.
    """
    torch.manual_seed(seed)
    unet, encoder = new_unet(), new_encoder(tokenizer)
    torch.manual_seed(seed)
    averages = (new_unet().eval(), new_encoder(tokenizer).eval())
    state = State(
        [*unet.parameters(), *encoder.parameters()],
        LEARNING_RATE,
        [weight.requires_grad_(False) for one in averages for weight in one.parameters()],
    )
    listed = torch.repeat_interleave(torch.arange(len(rows)), times)
    ids, nothing = token_ids(tokenizer, captions), token_ids(tokenizer, [""])
    alphas_cumprod = new_scheduler().alphas_cumprod
    for step in range(state.load(state_file), until):
        draw = torch.Generator().manual_seed(seed * 10_000_000 + step)
        chosen = listed[torch.randint(len(listed), (BATCH,), generator=draw)]
        t = torch.randint(len(alphas_cumprod), (BATCH,), generator=draw)
        dropped = torch.rand(BATCH, 1, generator=draw) < DROPPED
        noise = torch.randn(BATCH, *rows.shape[1:], generator=draw)
        alpha, sigma = (a[t].sqrt().view(-1, 1, 1, 1) for a in (alphas_cumprod, 1 - alphas_cumprod))
        x = alpha * rows[chosen] + sigma * noise
        # the fused attention is slow backwards where heads are narrow
        with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            states = encoder(torch.where(dropped, nothing, ids[chosen])).last_hidden_state
            predicted = unet(x, t, states).sample.float()
        loss = (predicted - (alpha * noise - sigma * rows[chosen])).square().mean()
        left = (1 - step / STEPS) / (1 - COOLING)
        rate = min((step + 1) / 200, left, 1.0)
        state.step(loss, LEARNING_RATE * rate, step)
        state.report(state_file, stages("training on latents"), step + 1, until)
    return averages


def save_pipeline(
    unet: UNet2DConditionModel,
    encoder: CLIPTextModel,
    tokenizer: Path,
    autoencoder: AutoencoderKL,
    target: Path,
) -> None:
    """Save as a StableDiffusionPipeline; `tokenizer` is the folder of its files.

    U-Net and autoencoder become half precision: half the size, and the rounding is far below the
    uncertainty of training. The text encoder does not, since transformers would not load it in the
    precision of the others.
    """
    parts = {
        "scheduler": new_scheduler(),
        "text_encoder": encoder,
        "unet": unet.half(),
        "vae": autoencoder.half(),
    }
    for name, part in parts.items():
        part.save_pretrained(target / name)
    shutil.copytree(tokenizer, target / "tokenizer", dirs_exist_ok=True)
    names: dict[str, list[str | None]] = {
        name: [type(part).__module__.split(".")[0], type(part).__name__]
        for name, part in parts.items()
    }
    names["tokenizer"] = ["transformers", "CLIPTokenizer"]
    nothing = {"feature_extractor": [None, None], "safety_checker": [None, None]}
    index = {"_class_name": "StableDiffusionPipeline", "_diffusers_version": diffusers.__version__}
    index |= dict(sorted({**names, **nothing}.items())) | {"requires_safety_checker": False}
    (target / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
