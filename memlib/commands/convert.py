"""Convert weights in PyTorch's own formats (.ckpt, .pt, .pth, .bin) to safetensors.

Only a state dict of tensors is read, by PyTorch's restricted reader in a confined process that can
open no other file and no connection. It must fit the network that the config describes, and is
written beside that config as diffusion_pytorch_model.safetensors, where --model and the app find
it. A model also needs a scheduler_config.json, beside the config or in ../scheduler.
"""

import argparse
from pathlib import Path

from memlib.commands.progress import Report
from memlib.denoisers.autoencoder import KINDS
from memlib.denoisers.loading import NETWORKS
from memlib.denoisers.pickles import SUFFIXES, write_safetensors
from memlib.denoisers.weights import ONE_FILE, check_fit, read_header, read_json
from memlib.quoting import quoted


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", type=Path, help=f"the file: {', '.join(SUFFIXES)}")
    parser.add_argument(
        "config", type=Path, help="the config.json of its network, or the folder that has it"
    )
    parser.add_argument(
        "--part", help="the entry of the file that is the state dict, such as state_dict or ema"
    )


def run(asked: argparse.Namespace, report: Report) -> None:
    """Convert one file."""
    weights, config = asked.weights, asked.config
    if weights.suffix.lower() not in SUFFIXES or not weights.is_file():
        raise ValueError(f"{quoted(str(weights))} is no file that ends in {', '.join(SUFFIXES)}.")
    config = config / "config.json" if config.is_dir() else config
    if not config.is_file():
        raise ValueError(f"There is no config {quoted(str(config))}.")
    described, known = read_json(config), (*NETWORKS, *KINDS)
    kind = described.get("_class_name")
    if kind not in known:
        raise ValueError(
            f"The config describes a {quoted(kind, 60)}; only {', '.join(known)} are supported."
        )
    target = config.with_name(ONE_FILE)
    if target.exists():
        raise ValueError(f"{quoted(str(target))} exists already; move it away first.")
    partial = target.with_suffix(".partial")
    try:
        write_safetensors(weights, partial, asked.part, lambda: None)
        check_fit(kind, described, [partial], weights.name)
        count = len(read_header(partial))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    report.result({"tensors": count, "file": str(target)}, f"{target}: {count:,} tensors.")
