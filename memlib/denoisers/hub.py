"""Models of the Hugging Face Hub: named, pinned to a commit, and fetched without anything that can
run code.

A name is "owner/name", or "owner/name@revision" with a branch, tag or commit. A token for private
repositories comes from the environment (HF_TOKEN) or the caller, and is handed to the Hub alone.
"""

from collections.abc import Callable
from pathlib import Path

from memlib.quoting import quoted
from memlib.sources import HUB_NAME

PARTS = ("unet", "transformer", "vae", "vqvae")
CONFIGS = ["*.json", "scheduler/*.json", *(f"{part}/*.json" for part in PARTS)]
WEIGHTS = ["*.safetensors", *(f"{part}/*.safetensors" for part in PARTS)]


def fetch(name: str, look: Callable[[Path], object], token: str | None = None) -> tuple[Path, str]:
    """The folder of a Hub model in the Hub's own cache, and its name with the commit.

    Configs come first and `look` sees them, so that a model it refuses costs no download.
    ValueError for a name that is none, and for anything the Hub or the network refuses.
    """
    match = HUB_NAME.fullmatch(name)
    if not match:
        raise ValueError(
            f"There is no folder {quoted(name)}; a model is a diffusers folder or a Hub id such "
            "as google/ddpm-cifar10-32."
        )
    import huggingface_hub  # only where a download was asked for

    repo = match["repo"]
    try:
        folder = Path(
            huggingface_hub.snapshot_download(
                repo, revision=match["revision"], allow_patterns=CONFIGS, token=token
            )
        )
        look(folder)
        commit = folder.name  # the Hub's cache keeps every commit in a folder of its name
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
    ) as error:  # offline, unknown, private, cut off: the user can only try another way
        raise ValueError(
            f"{quoted(name)} is no folder here and could not be fetched from the Hub "
            f"({type(error).__name__})."
        ) from error
    return folder, f"{repo}@{commit}"
