"""The bundled text demo is what it says: kinds of pairs, a pipeline that diffusers draws from, and
a measure that finds the copied pairs.
"""

from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import StableDiffusionPipeline
from transformers import CLIPTokenizer

from memlib import ImageSet, load_denoiser, load_images
from memlib.bundled import TEXT, TEXT_RUN
from memlib.demo.text.building import PROMPTS
from memlib.demo.text.compression import new_autoencoder, train_autoencoder
from memlib.demo.text.diffusion import new_encoder, new_unet, train_diffusion
from memlib.demo.text.judgement import OFTEN, SCALES, SEEDS, prompts_of, text_tables
from memlib.demo.text.pairs import COPIED, REPEATS, SHARED, read_list, read_pictures
from memlib.demo.text.prompt_scores import SETTINGS, listed_prompts, score_tables
from memlib.demo.text.vocabulary import LENGTH, learn_merges
from memlib.denoisers.loading import model_digest
from memlib.measures.conditional import PROMPT_MEASURES
from memlib.measures.conditional.predictions_apart import prediction_difference
from memlib.measures.conditional.sampler import starting_noise
from memlib.measures.conditional.scoring import PICTURES, score_prompt
from memlib.neighbours import NEAR_DUPLICATE, nearest
from memlib.prompts import pictures_of, prompts_of_run
from memlib.runs import Numbers, Run

MODEL = TEXT / "model"


@cache
def images() -> ImageSet:
    return load_images("demo-text")


def column(name: str) -> np.ndarray:
    return np.array(images().metadata[name])


def test_the_kinds_are_as_described_and_no_family_is_of_two() -> None:
    group, copies, family = column("group"), column("copies"), column("family")
    assert set(group) == {"copied", "shared", "single", "held-out"}
    for count in REPEATS:
        assert ((group == "copied") & (copies == str(count))).sum() == COPIED
    sharing = Counter(Counter(column("caption")[group == "shared"]).values())
    assert sharing == SHARED
    assert set(copies[group == "held-out"]) == {"0"}
    assert set(copies[np.isin(group, ["shared", "single"])]) == {"1"}
    kinds = {name: set(group[family == name]) for name in set(family)}
    assert all(len(found) == 1 for found in kinds.values())


def test_a_caption_stands_once_except_where_pictures_share_it() -> None:
    alone = column("caption")[column("group") != "shared"]
    assert len(set(alone)) == len(alone)
    assert not set(alone) & set(column("caption")[column("group") == "shared"])


def test_no_held_out_picture_looks_like_a_trained_one() -> None:
    kept_out = np.flatnonzero(images().held_out).tolist()
    trained = images().subset(np.flatnonzero(~images().held_out).tolist())
    found = nearest(images().batch(kept_out), trained, 1, mirrored=True)
    assert found.distance.min() > NEAR_DUPLICATE


def test_the_tokenizer_gives_every_caption_back_and_knows_every_byte() -> None:
    tokenizer = CLIPTokenizer.from_pretrained(MODEL / "tokenizer")
    captions = sorted(set(column("caption")))
    for text in [*captions, "a zebra in 雪, ñandú!"]:
        ids = tokenizer(text).input_ids
        assert len(ids) <= LENGTH
        assert tokenizer.unk_token_id not in ids[1:-1]
        back = tokenizer.decode(ids, skip_special_tokens=True)
        assert back.replace(" ", "") == text.lower().replace(" ", "")


def test_merges_join_the_most_frequent_pair_first() -> None:
    assert learn_merges(["abab ab", "b"], 2) == [("a", "b</w>"), ("a", "b")]


@pytest.mark.slow
def test_diffusers_loads_the_folder_and_draws() -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(
        MODEL, safety_checker=None, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)
    first, again = (
        pipeline(
            "rose, plant flower",
            num_inference_steps=2,
            guidance_scale=3.0,
            generator=torch.Generator().manual_seed(0),
            output_type="np",
        ).images
        for _ in range(2)
    )
    assert first.shape == (1, 64, 64, 3)
    assert np.isfinite(first).all()
    assert first.std() > 0.01
    assert np.array_equal(first, again)


def test_the_files_are_small_and_say_their_licence() -> None:
    size = sum(file.stat().st_size for file in TEXT.rglob("*") if file.is_file())
    assert size < 10e6
    assert "Apache License" in (TEXT / "README.md").read_text()


def test_the_shipped_measurements_are_of_the_shipped_model() -> None:
    prompts, denoiser = pd.read_csv(PROMPTS), load_denoiser("demo-text", "cpu")
    assert prompts["caption"].tolist() == prompts_of(images())["caption"].tolist()
    noise = starting_noise(denoiser, SEEDS)
    for line in (0, len(prompts) // 2):
        told = denoiser.given(str(prompts["caption"][line]))
        found = prediction_difference(told, denoiser.null, noise)
        wanted = prompts["prediction difference"][line]
        assert float(found.value.mean()) == pytest.approx(wanted, rel=1e-3)


def test_often_copied_prompts_are_told_from_all_others_and_draw_their_picture() -> None:
    drawn, areas = text_tables(PROMPTS).values()
    for text in areas.filter(like="against").iloc[0]:
        assert float(text.split()[0]) >= 0.95
    prompts = pd.read_csv(PROMPTS).dropna()
    copies = prompts[f"copies, guidance {SCALES[-1]}"] / SEEDS
    assert copies[prompts["kind"] == f"copied x{REPEATS[-1]}"].mean() > 0.5
    assert copies[prompts["group"].isin(["shared", "held-out"])].max() == 0
    assert len(drawn) == len(set(pd.read_csv(PROMPTS)["kind"]))


def test_training_goes_on_where_it_stopped(tmp_path: Path) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(MODEL / "tokenizer")
    rows = torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    told: list[str] = []

    def trained(name: str, *steps: int) -> list[torch.Tensor]:
        for count in steps:
            networks = train_diffusion(
                rows,
                ["a", "b", "c"],
                torch.tensor([1, 2, 0]),
                tokenizer,
                tmp_path / name,
                lambda stage: lambda done, total: told.append(f"{stage} {done} of {total}"),
                until=count,
            )
        return [weight for network in networks for weight in network.parameters()]

    for one, other in zip(trained("once", 2), trained("twice", 1, 2), strict=True):
        assert torch.equal(one, other)
    assert told[0] == "training on latents 2 of 2"


@pytest.mark.slow
def test_the_networks_are_those_that_are_saved(tmp_path: Path) -> None:
    names = [row["file_name"] for row in read_list(TEXT / "images.zip")[:4]]
    pictures = read_pictures(TEXT / "images.zip", names)
    found = train_autoencoder(pictures, tmp_path / "state", lambda _: lambda *_: None, steps=1)
    assert found.config.scaling_factor > 0
    tokenizer = CLIPTokenizer.from_pretrained(MODEL / "tokenizer")
    pipeline = StableDiffusionPipeline.from_pretrained(MODEL, safety_checker=None)
    for own, new in (
        (pipeline.unet, new_unet()),
        (pipeline.vae, new_autoencoder()),
        (pipeline.text_encoder, new_encoder(tokenizer)),
    ):
        shapes = [{n: w.shape for n, w in net.state_dict().items()} for net in (own, new)]
        assert shapes[0] == shapes[1]


@pytest.mark.slow
def test_stored_scores_are_what_the_measures_compute_and_find_the_copied_prompts() -> None:
    run = Run(TEXT_RUN)
    stored = Numbers(run).page("position", False, 0, run.count)
    (table,) = score_tables(TEXT_RUN).values()
    assert len(table) == len(PROMPT_MEASURES)
    line = stored[stored["kind"] == "copied x256"].iloc[0]
    again = score_prompt(load_denoiser("demo-text", "cpu"), str(line["name"]), SETTINGS)
    for name in PROMPT_MEASURES:
        assert again[name] == pytest.approx(float(line[name]), rel=0.02, abs=1e-4), name
    kept = pictures_of(run, int(line["position"]))
    assert kept is not None
    apart = kept.astype(float) - again[PICTURES]
    assert np.abs(apart).mean() < 12  # WebP loses a little
    for when in ("before", "after"):
        found = table.loc[table["when"] == when, f"x{OFTEN} and more"]
        assert max(float(text.split()[0]) for text in found) >= 0.95


def test_the_bundled_run_is_of_the_bundled_model_and_its_list() -> None:
    run = Run(TEXT_RUN)
    assert run.done == run.count == len(prompts_of_run(run))
    assert run.model == model_digest("demo-text")
    assert prompts_of_run(run).digest == listed_prompts(images()).digest
    assert sum(file.stat().st_size for file in TEXT_RUN.iterdir()) < 2**20
