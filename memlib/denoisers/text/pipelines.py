"""Which pipelines of text are supported, and their prompts from the files of one."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from memlib.denoisers.model_files import Parts
from memlib.denoisers.text.prompts import Prompts, Tower
from memlib.denoisers.text.tokenizer import Tokenizer, Vocabulary, read_vocabulary
from memlib.denoisers.weights import ENCODERS, read_json, read_network
from memlib.quoting import quoted

DISTILLED = re.compile(r"turbo|lightning|schnell|(?<![a-z])lcm(?![a-z])|hyper-sd", re.IGNORECASE)
# the text encoders of Stable Diffusion 1 and 2, XL, and 3 without its T5
KNOWN = (["CLIPTextModel"], ["CLIPTextModel", "CLIPTextModelWithProjection"])
KNOWN_3 = ["CLIPTextModelWithProjection", "CLIPTextModelWithProjection"]
MASKED = 9  # channels of an inpainting network: latent, mask and masked latent


def check_text_network(config: Mapping[str, Any]) -> None:
    """Raise ValueError for a network of text that takes more than a noisy latent and a prompt."""
    if config.get("in_channels") == MASKED:
        raise ValueError(
            "This is an inpainting model: its network also takes a mask and the rest of a "
            "picture, so it has no density of whole pictures. Use the model it was made from."
        )
    if config.get("time_cond_proj_dim"):
        raise ValueError(
            "This is a distilled model: its network takes the guidance scale as an input. Use the "
            "diffusion model it was distilled from."
        )
    if config.get("addition_embed_type") not in (None, "text", "text_time"):
        raise ValueError(
            f"The network also takes {quoted(config['addition_embed_type'], 40)}; only prompts, "
            "and the pooled text and picture size of Stable Diffusion XL, are supported."
        )
    for name in ("encoder_hid_dim_type", "num_class_embeds", "class_embed_type"):
        if config.get(name):
            raise ValueError(
                f"The network takes more than a prompt ({name} is {quoted(config[name], 40)}); "
                "this is not supported."
            )


def check_name(*names: str) -> None:
    """Raise ValueError for a model that its name calls distilled: no config says so."""
    for name in names:
        if DISTILLED.search(name):
            raise ValueError(
                f"{quoted(name, 100)} is a distilled model, as its name says: it draws in a few "
                "large steps and does not denoise at every noise level. Use the diffusion model it "
                "was distilled from."
            )


def described_texts(parts: Parts) -> dict[str, Any]:
    """Return all that the text encoders of a model are built from beside their weights, as JSON.

    Raises ValueError for encoders and tokenizers that are not supported.
    """
    index = read_json(parts.index) if parts.index else {}
    check_name(parts.name, str(index.get("_name_or_path", "")))
    found = []
    for text in parts.texts:
        config = read_json(parts.source.file(text.encoder / "config.json"))
        kinds = config.get("architectures")
        kind = kinds[0] if isinstance(kinds, list) and kinds else None
        if kind not in ENCODERS or config.get("use_attention_mask"):
            raise ValueError(
                f"The text encoder is a {quoted(kind, 60)}; only {' and '.join(ENCODERS)} are "
                "supported."
            )
        vocabulary = read_vocabulary(text.tokenizer, parts.source)
        found.append({"kind": kind, "config": config, "vocabulary": asdict(vocabulary)})
    kinds_found = [one["kind"] for one in found]
    if read_json(parts.config)["_class_name"] == "SD3Transformer2DModel":
        third = index.get("text_encoder_3")
        if kinds_found != KNOWN_3 or (isinstance(third, list) and any(third)):
            raise ValueError(
                f"{parts.name} has a T5 text encoder, which is not supported; diffusers saves the "
                "pipeline without it when it is loaded with text_encoder_3=None, tokenizer_3=None."
            )
    elif kinds_found not in KNOWN:
        names = " and ".join(text.encoder.name for text in parts.texts)
        raise ValueError(
            f"{parts.name} has {names or 'no text encoder'}; a model of text needs one, a "
            "CLIPTextModel, or two, the second a CLIPTextModelWithProjection. (A refiner, which "
            "has only the second, continues another model's pictures and is not supported.)"
        )
    zeros = index.get("force_zeros_for_empty_prompt", True)
    return {"encoders": found, "zeros": kinds_found == KNOWN[1] and bool(zeros)}


def build_prompts(
    described: Mapping[str, Any], files: Sequence[Sequence[Path]], name: str
) -> Prompts:
    """Build the text encoders with the weights in `files`. Raises ValueError if these do not fit
    their configs.
    """
    towers = []
    for one, weights in zip(described["encoders"], files, strict=True):
        encoder = read_network(
            one["kind"], one["config"], [*weights], f"the text encoder of {name}"
        )
        towers.append(Tower(encoder, Tokenizer(Vocabulary(**one["vocabulary"]))))
    return Prompts(towers, described["zeros"])
