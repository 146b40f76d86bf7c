"""Build the text demo stage by stage, skipping what exists."""

from pathlib import Path

import torch
from transformers import CLIPTokenizer

from memlib.bundled import TEXT, TEXT_RUN
from memlib.demo.text.compression import latents, train_autoencoder
from memlib.demo.text.diffusion import save_pipeline, train_diffusion
from memlib.demo.text.judgement import judge
from memlib.demo.text.pairs import build_pairs, read_list, read_pictures
from memlib.demo.text.prompt_scores import score
from memlib.demo.text.vocabulary import write_tokenizer
from memlib.progress import Stages

PROMPTS = TEXT / "prompts.csv"


def build_text(work: Path, stages: Stages) -> None:
    """Build everything below assets/text; training keeps its state in `work`."""
    images = TEXT / "images.zip"
    if not images.exists():
        build_pairs(images)
    if not (TEXT / "model").exists():
        train_text(images, TEXT / "model", work, stages)
    if not PROMPTS.exists():
        judge(PROMPTS, stages)
    if not TEXT_RUN.exists():
        score(work / "run", TEXT_RUN, stages)


def train_text(images: Path, target: Path, work: Path, stages: Stages) -> None:
    """Train the autoencoder, then the text encoder with the U-Net, and save them as a pipeline."""
    rows = [row for row in read_list(images) if int(row["copies"])]
    pictures = read_pictures(images, [row["file_name"] for row in rows])
    captions = [row["caption"] for row in rows]
    write_tokenizer(work / "tokenizer", captions)
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    autoencoder = train_autoencoder(pictures, work / "autoencoder.safetensors", stages)
    unet, encoder = train_diffusion(
        latents(autoencoder, pictures) * autoencoder.config.scaling_factor,
        captions,
        torch.tensor([int(row["copies"]) for row in rows]),
        tokenizer,
        work / "diffusion.safetensors",
        stages,
    )
    save_pipeline(unet, encoder, work / "tokenizer", autoencoder, target)
