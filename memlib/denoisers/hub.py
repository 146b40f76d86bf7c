"""Models of the Hugging Face Hub: named, pinned to a commit, and downloaded without files that can
run code.

A name is "owner/name", or "owner/name@revision" with a branch, tag or commit. A token for private
repositories comes from the environment (HF_TOKEN) or the caller, and is sent only to the Hub.
"""

from collections.abc import Callable
from pathlib import Path

from memlib.quoting import quoted
from memlib.sources import HUB_NAME

PARTS = ("unet", "transformer", "vae", "vqvae", "text_encoder", "text_encoder_2")
TOKENIZERS = ("tokenizer", "tokenizer_2")
CONFIGS = [
    *("*.json", "scheduler/*.json"),
    *(f"{part}/*.json" for part in (*PARTS, *TOKENIZERS)),
    *(f"{part}/*.txt" for part in TOKENIZERS),
]
WEIGHTS = ["*.safetensors", *(f"{part}/*.safetensors" for part in PARTS)]


def fetch(name: str, look: Callable[[Path], object], token: str | None = None) -> tuple[Path, str]:
    """Return the folder of a Hub model in the Hub's own cache, and its name with the commit.

    Configs are downloaded first and checked by `look`, so that weights of a refused model are not
    downloaded. Raises ValueError for an invalid name, and for anything the Hub or the connection
    refuses.
    """
    match = HUB_NAME.fullmatch(name)
    if not match:
        raise ValueError(
            f"There is no folder {quoted(name)}; a model is a diffusers folder or a Hub id such "
            "as google/ddpm-cifar10-32."
        )
    import huggingface_hub  # imported only for a download

    repo = match["repo"]
    try:
        folder = Path(
            huggingface_hub.snapshot_download(
                repo, revision=match["revision"], allow_patterns=CONFIGS, token=token
            )
        )
        look(folder)
        commit = folder.name  # the Hub's cache keeps every commit in a folder named after it
        ignored = ["*/*/*", "*.fp16.safetensors", "*.bf16.safetensors", "*non_ema*"]
        huggingface_hub.snapshot_download(
            repo,
            revision=commit,
            allow_patterns=[*CONFIGS, *WEIGHTS],
            ignore_patterns=ignored,
            token=token,
        )
    except ValueError:
        raise
    except (
        Exception
    ) as error:  # offline, unknown, private, interrupted: the user can only try another way
        raise ValueError(
            f"{quoted(name)} is not a folder here and could not be downloaded from the Hub "
            f"({type(error).__name__})."
        ) from error
    return folder, f"{repo}@{commit}"
