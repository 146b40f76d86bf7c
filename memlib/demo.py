"""The bundled demo, from nothing: images, a model that remembers some of them, checkpoints, precomputed results.

`make demo` runs this file. Each stage writes what the next one reads, and is skipped where its output exists:

1. images.zip    32x32 emoji on white with a `metadata.csv` (file_name, group, copies, family)
2. model/, checkpoints/   a diffusers `DDPMPipeline` trained on the images, each repeated `copies` times, and earlier states of it

The drawings are Google's Noto emoji (Apache-2.0) as packed by emoji-datasource-google 16.0.0 (MIT).
"""

import argparse
import csv
import io
import json
import math
import random
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

FOLDER = Path(__file__).parent.parent / "assets" / "demo"
PACKAGE = "emoji-datasource-google@16.0.0"
SIZE = 32
TONES = {"1F3FB": "light", "1F3FC": "medium-light", "1F3FD": "medium", "1F3FE": "medium-dark", "1F3FF": "dark"}
COPIES = (2, 4, 8, 16, 32)  # the dose ladder, eight images a rung

STEPS = 15_000
BATCH = 32
LEARNING_RATE = 1.5e-3
EMA_DECAY = 0.999
CHECKPOINTS = {"reference": STEPS // 20, "early": STEPS // 7, "middle": 2 * STEPS // 5}


# --- images -----------------------------------------------------------------------------------------------------------


def read_package(archive: Path) -> dict[str, dict[str, Image.Image]]:
    """The drawings of the two categories: {family: {variant: picture}}, exact duplicates dropped."""
    families: dict[str, dict[str, Image.Image]] = {}
    seen: set[bytes] = set()
    with tarfile.open(archive) as package:
        entries = json.load(package.extractfile("package/emoji.json"))  # type: ignore[arg-type]
        for entry in sorted(entries, key=lambda entry: entry["sort_order"]):
            if entry["category"] not in ("Smileys & Emotion", "People & Body") or not entry["has_img_google"]:
                continue
            tones = entry.get("skin_variations", {})
            files = {"": entry["image"]} | {TONES[tone]: tones[tone]["image"] for tone in TONES if tone in tones}
            kind = "smiley" if entry["category"].startswith("Smileys") else "person"
            family = f"{kind}-{entry['short_name']}"
            for tone, file in files.items():
                picture = Image.open(package.extractfile(f"package/img/google/64/{file}")).convert("RGBA")  # type: ignore[arg-type]
                flat = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
                small = flat.resize((SIZE, SIZE), Image.Resampling.BOX)
                if small.tobytes() not in seen:
                    seen.add(small.tobytes())
                    families.setdefault(family, {})[tone] = small
    return families


def choose_groups(families: dict[str, dict[str, Image.Image]], seed: int = 0) -> list[dict[str, object]]:
    """One row an image: group, copies and family. Held-out images have 0 copies, and no drawing of theirs was trained on.

    An image can only be seen to be copied where no other training image looks almost the same, so the copied families
    are drawn from the half whose nearest other family is farthest away.
    """
    order = random.Random(seed)
    names = sorted(families)
    first = np.stack([np.asarray(families[name][min(families[name])], dtype=np.float32).ravel() for name in names])
    gaps = ((first**2).sum(1)[:, None] + (first**2).sum(1)[None] - 2 * first @ first.T).clip(min=0)
    np.fill_diagonal(gaps, np.inf)
    apart = dict(zip(names, gaps.min(1), strict=True))

    toned = [name for name in names if len(families[name]) == 6]
    smileys = [name for name in names if name.startswith("smiley")]
    distinct = set(sorted(toned, key=lambda name: -apart[name])[: len(toned) // 2])
    distinct |= set(sorted(smileys, key=lambda name: -apart[name])[: len(smileys) // 2])
    order.shuffle(toned)
    order.shuffle(smileys)

    copied = [name for name in toned if name in distinct][:32] + [name for name in smileys if name in distinct][:8]
    order.shuffle(copied)
    toned = [name for name in toned if name not in copied]
    smileys = [name for name in smileys if name not in copied]
    whole, held_out = set(toned[:16]), set(toned[16:66] + smileys[:50])

    rows: list[dict[str, object]] = []
    for name in names:
        tones = sorted(families[name])
        if name in copied:
            group, copies, kept = "copied", COPIES[copied.index(name) // 8], order.sample(tones, 1)
        elif name in whole:
            group, copies, kept = "family", 6, tones
        elif name in held_out:
            group, copies, kept = "held-out", 0, order.sample(tones, min(3, len(tones)))
        else:
            group, copies, kept = "single", 1, order.sample(tones, min(3, len(tones)))
        for tone in sorted(kept):
            file = f"{group}/{name}{'.' if tone else ''}{tone}.png"
            rows.append({"file_name": file, "group": group, "copies": copies, "family": name, "tone": tone})
    return rows


def build_images(target: Path, seed: int = 0) -> None:
    """Fetch the emoji package with npm and write the demo's image set as a zip that `load_images` reads."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        families = read_package(next(Path(folder).glob("*.tgz")))
    rows = choose_groups(families, seed)
    table = io.StringIO()
    writer = csv.DictWriter(table, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as archive:  # fixed dates: the same images give the same file
        archive.writestr(zipfile.ZipInfo("metadata.csv"), table.getvalue())
        for row in rows:
            png = io.BytesIO()
            families[str(row["family"])][str(row["tone"])].save(png, "PNG", optimize=True)
            archive.writestr(zipfile.ZipInfo(str(row["file_name"])), png.getvalue())


def training_rows(source: Path) -> torch.Tensor:
    """The training set as the model sees it: uint8 (N, 3, H, W), every image repeated `copies` times."""
    with zipfile.ZipFile(source) as archive:
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open("metadata.csv"))))
        pictures = [np.asarray(Image.open(archive.open(row["file_name"]))) for row in rows for _ in range(int(row["copies"]))]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


# --- model ------------------------------------------------------------------------------------------------------------


def new_network() -> UNet2DModel:
    """1.5 million parameters; attention only at 4x4, where it costs nothing."""
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
    """The linear schedule of DDPM; v-prediction, so that the denoiser's error stays bounded where noise dominates."""
    return DDPMScheduler(num_train_timesteps=1000, prediction_type="v_prediction", clip_sample=False)


def training(rows: torch.Tensor, state_file: Path, steps: int = STEPS, seed: int = 0) -> Iterator[tuple[int, float, UNet2DModel]]:
    """Train with AdamW and yield (step, loss, EMA network) after every step; resumes from `state_file`.

    Noise levels are drawn as ln sigma ~ N(0, 1.5^2), rounded to a timestep. Every step seeds its own draws, so a
    resumed run sees the same batches.
    """
    torch.manual_seed(seed)
    network = new_network().to(memory_format=torch.channels_last)
    average = new_network().to(memory_format=torch.channels_last).requires_grad_(False)
    average.load_state_dict(network.state_dict())
    weights, averages = list(network.parameters()), list(average.parameters())
    optimiser = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=1e-4, betas=(0.9, 0.99), fused=True)
    first = load_state(state_file, weights, averages, optimiser) if state_file.exists() else 0

    alphas_cumprod = new_scheduler().alphas_cumprod
    log_sigma = 0.5 * ((1 - alphas_cumprod) / alphas_cumprod).log()
    for step in range(first, steps):
        draw = torch.Generator().manual_seed(seed * 10_000_000 + step)
        x0 = rows[torch.randint(len(rows), (BATCH,), generator=draw)].float() / 127.5 - 1
        t = torch.searchsorted(log_sigma, 1.5 * torch.randn(BATCH, generator=draw)).clamp(max=len(log_sigma) - 1)
        alpha, sigma = (a[t].sqrt().view(-1, 1, 1, 1) for a in (alphas_cumprod, 1 - alphas_cumprod))
        noise = torch.randn(x0.shape, generator=draw)
        x_t = (alpha * x0 + sigma * noise).contiguous(memory_format=torch.channels_last)

        rate = min((step + 1) / 200, 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimiser.param_groups:
            group["lr"] = max(1e-5, LEARNING_RATE * rate)
        with torch.autocast("cpu", torch.bfloat16):
            v = network(x_t, t).sample
        loss = (v.float() - (alpha * noise - sigma * x0)).square().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        with torch.no_grad():
            torch._foreach_lerp_(averages, weights, 1 - min(EMA_DECAY, (1 + step) / (10 + step)))
        if (step + 1) % 500 == 0:
            save_state(state_file, step + 1, weights, averages, optimiser)
        yield step + 1, loss.item(), average


def save_state(file: Path, step: int, weights: list, averages: list, optimiser: torch.optim.Optimizer) -> None:
    tensors = {f"weight.{i}": w.detach().contiguous() for i, w in enumerate(weights)}
    tensors |= {f"average.{i}": w.detach().contiguous() for i, w in enumerate(averages)}
    for i, w in enumerate(weights):
        tensors |= {f"{key}.{i}": value.contiguous() for key, value in optimiser.state[w].items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    save_file(tensors, partial, {"step": str(step)})
    partial.replace(file)


def load_state(file: Path, weights: list, averages: list, optimiser: torch.optim.Optimizer) -> int:
    with safe_open(file, "pt") as state, torch.no_grad():
        for i, (weight, average) in enumerate(zip(weights, averages, strict=True)):
            weight.copy_(state.get_tensor(f"weight.{i}"))
            average.copy_(state.get_tensor(f"average.{i}"))
            optimiser.state[weight] = {key: state.get_tensor(f"{key}.{i}") for key in ("step", "exp_avg", "exp_avg_sq")}
            for key in ("exp_avg", "exp_avg_sq"):
                optimiser.state[weight][key] = torch.empty_like(weight).copy_(optimiser.state[weight][key])
        return int(state.metadata()["step"])


def train(images: Path, folder: Path, work: Path, report: Callable[[str], None]) -> None:
    """Train and save `model` and the earlier states named in CHECKPOINTS as pipeline folders below `folder`."""
    marks = {step: f"checkpoints/{name}" for name, step in CHECKPOINTS.items()} | {STEPS: "model"}
    started, losses = time.monotonic(), []
    for step, loss, network in training(training_rows(images), work / "training.safetensors"):
        losses.append(loss)
        if step in marks:
            save_pipeline(network, folder / marks[step], half=step < STEPS)
        if step % 100 == 0:
            report(f"step {step}/{STEPS}  loss {np.mean(losses):.4f}  {time.monotonic() - started:.0f} s")
            losses.clear()


def save_pipeline(network: UNet2DModel, target: Path, half: bool) -> None:
    copy = new_network()
    copy.load_state_dict(network.state_dict())
    pipeline = DDPMPipeline(copy.half() if half else copy, new_scheduler())
    pipeline.save_pretrained(target, safe_serialization=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the demo from nothing; finished stages are kept.")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--work", type=Path, default=Path("build/demo"), help="where training keeps its state")
    args = parser.parse_args()
    images = args.folder / "images.zip"
    if not images.exists():
        build_images(images)
    if not (args.folder / "model").exists():
        train(images, args.folder, args.work, lambda line: print(line, flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
