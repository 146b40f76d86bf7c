"""Tiny random pipelines of text, saved by diffusers itself."""

import json
from pathlib import Path
from typing import Any

import diffusers
import torch
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

STABLE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
SPECIAL = ("<|startoftext|>", "<|endoftext|>")
SIZES_3 = {
    "sample_size": 8,
    "patch_size": 2,
    "in_channels": 4,
    "out_channels": 4,
    "num_layers": 1,
    "attention_head_dim": 8,
    "num_attention_heads": 2,
    "joint_attention_dim": 40,
    "caption_projection_dim": 16,
    "pooled_projection_dim": 24,
    "pos_embed_max_size": 8,
}
MERGES = [("r", "e"), ("re", "d</w>"), ("c", "a"), ("ca", "t</w>")]


def vocabulary(letters: str = "abcdefghijklmnopqrstuvwxyz!") -> dict[str, int]:
    words = [one + end for one in letters for end in ("", "</w>")]
    words += [first + second for first, second in MERGES]
    return {word: number for number, word in enumerate(["!!", *words, *SPECIAL])}


def encoder(projected: bool = False, **options: Any) -> CLIPTextModel:
    ids = vocabulary()
    sizes = {
        "vocab_size": len(ids),
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "projection_dim": 12,
        "hidden_act": "gelu" if projected else "quick_gelu",
        "bos_token_id": ids[SPECIAL[0]],
        "eos_token_id": ids[SPECIAL[1]],
    }
    config = CLIPTextConfig(**(sizes | options))
    kind = CLIPTextModelWithProjection if projected else CLIPTextModel
    found = kind(config).eval()
    with torch.no_grad():  # its own initial weights are so small that a prompt hardly matters
        for weight in found.parameters():
            weight += 0.3 * torch.randn_like(weight)
    return found


def tokenizer(**options: Any) -> CLIPTokenizer:
    return CLIPTokenizer(vocab=vocabulary(), merges=MERGES, model_max_length=77, **options)


def unet(**options: Any) -> diffusers.UNet2DConditionModel:
    usual = {
        "sample_size": 8,
        "layers_per_block": 1,
        "block_out_channels": (8, 16),
        "norm_num_groups": 4,
        "attention_head_dim": 4,
        "cross_attention_dim": 16,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    }
    return diffusers.UNet2DConditionModel(**(usual | options))


def autoencoder() -> diffusers.AutoencoderKL:
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        scaling_factor=0.18215,
    )


def pipeline(family: str = "1", **options: Any) -> Any:
    """Return a tiny pipeline: Stable Diffusion "1" (noise), "2" (velocity), "xl", or "3" (flow)
    without its T5.
    """
    torch.manual_seed(0)
    scheduler = diffusers.PNDMScheduler(skip_prk_steps=True, steps_offset=1, **STABLE)
    parts: dict[str, Any] = {"vae": autoencoder(), "text_encoder": encoder()}
    if family == "3":
        return diffusers.StableDiffusion3Pipeline(
            vae=parts["vae"],
            text_encoder=encoder(projected=True),
            text_encoder_2=encoder(projected=True),
            text_encoder_3=None,
            tokenizer=tokenizer(),
            tokenizer_2=tokenizer(pad_token="!"),
            tokenizer_3=None,
            transformer=diffusers.SD3Transformer2DModel(**(SIZES_3 | options)),
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        )
    if family == "xl":
        added = {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 4,
            "projection_class_embeddings_input_dim": 12 + 6 * 4,
            "cross_attention_dim": 32,
        }
        return diffusers.StableDiffusionXLPipeline(
            **parts,
            text_encoder_2=encoder(projected=True),
            tokenizer=tokenizer(),
            tokenizer_2=tokenizer(pad_token="!"),
            unet=unet(**(added | options)),
            scheduler=diffusers.EulerDiscreteScheduler(**STABLE),
        )
    if family == "2":
        scheduler = diffusers.DDIMScheduler(prediction_type="v_prediction", **STABLE)
    return diffusers.StableDiffusionPipeline(
        **parts,
        tokenizer=tokenizer(pad_token="!") if family == "2" else tokenizer(),
        unet=unet(**options),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def save_pipeline(folder: Path, family: str = "1", *, old: bool = True, **options: Any) -> Any:
    """Save a tiny pipeline and return it; with `old`, with a tokenizer's files as older versions of
    transformers wrote them and as the models of the Hub have them.
    """
    made = pipeline(family, **options)
    made.save_pretrained(folder)
    if old:
        for part in folder.glob("tokenizer*"):
            data = json.loads((part / "tokenizer.json").read_text())["model"]
            (part / "vocab.json").write_text(json.dumps(data["vocab"]))
            pairs = "\n".join(" ".join(pair) for pair in data["merges"])
            (part / "merges.txt").write_text(f"#version: 0.2\n{pairs}\n")
            (part / "tokenizer.json").unlink()
    return made
