"""Models of text against diffusers' own pipelines, on tiny random ones; and refused ones."""

import json
from pathlib import Path
from typing import Any

import diffusers
import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file

from memlib import load_denoiser, sample
from memlib.denoisers.loading import model_digest, model_stamp
from memlib.denoisers.network import NetworkDenoiser
from tests.memlib.denoisers.test_loaders_models import FakeHub
from tests.text_models import STABLE, save_pipeline

PROMPT = "a red cat!"
FAMILIES = ("1", "2", "xl", "3")


@pytest.fixture(scope="module", params=FAMILIES)
def both(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, NetworkDenoiser]:
    """A pipeline of each family, and its denoiser."""
    folder = tmp_path_factory.mktemp("text") / request.param
    made = save_pipeline(folder, request.param, old=request.param != "2")
    return made, load_denoiser(folder, "cpu")


def encoded(made: Any, prompt: str, negative: str | None = None) -> tuple[Any, ...]:
    if isinstance(made, diffusers.StableDiffusion3Pipeline):
        return made.encode_prompt(prompt, None, None)
    if isinstance(made, diffusers.StableDiffusionXLPipeline):
        return made.encode_prompt(prompt, negative_prompt=negative)
    return made.encode_prompt(prompt, "cpu", 1, True, negative)


@torch.no_grad()
@pytest.mark.parametrize("prompt", [PROMPT, "A  RED\tcat", "cat " * 100, "!", "<|endoftext|> cat"])
def test_a_prompt_is_encoded_as_the_pipeline_does(both: Any, prompt: str) -> None:
    made, denoiser = both
    found = encoded(made, prompt)
    told = denoiser.texts.condition(prompt).arguments
    null = denoiser.texts.condition("").arguments
    torch.testing.assert_close(told["encoder_hidden_states"], found[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(null["encoder_hidden_states"], found[1], rtol=1e-4, atol=1e-4)
    if len(found) == 4:
        for one, pooled in ((told, found[2]), (null, found[3])):
            named = one.get("added_cond_kwargs", one)
            projected = named.get("text_embeds", named.get("pooled_projections"))
            torch.testing.assert_close(projected, pooled, rtol=1e-4, atol=1e-4)
        assert denoiser.texts.zeros == (not null["encoder_hidden_states"].any())


def outputs(made: Any, x: torch.Tensor, t: float) -> list[torch.Tensor]:
    """The network's outputs with the prompt, without, and as the pipeline combines them."""
    text, empty, *pooled = encoded(made, PROMPT)
    found = []
    for place, states in enumerate((text, empty)):
        told: dict[str, Any] = {"encoder_hidden_states": states.expand(len(x), -1, -1)}
        if isinstance(made, diffusers.StableDiffusion3Pipeline):
            told["pooled_projections"] = pooled[place].expand(len(x), -1)
        elif pooled:
            sizes = torch.tensor([[16.0, 16, 0, 0, 16, 16]]).expand(len(x), -1)
            embeds = pooled[place].expand(len(x), -1)
            told["added_cond_kwargs"] = {"text_embeds": embeds, "time_ids": sizes}
        network = made.unet if hasattr(made, "unet") else made.transformer
        found.append(network(x, timestep=torch.full((len(x),), t), **told).sample)
    return [*found, found[1] + 7.5 * (found[0] - found[1])]


@torch.no_grad()
def test_noise_and_guidance_are_the_pipelines_at_its_own_timesteps(both: Any) -> None:
    made, denoiser = both
    three = (denoiser.given(PROMPT), denoiser.null, denoiser.given(PROMPT, guidance_scale=7.5))
    scheduler = diffusers.DDIMScheduler(**STABLE)
    made.scheduler.set_timesteps(10)
    usable = [float(t) for t in made.scheduler.timesteps if denoiser.schedule.times[-1] >= t]
    assert len(usable) > 5
    for t in usable[::3]:
        x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(int(t)))
        raw = outputs(made, x, t)
        assert (raw[0] - raw[1]).abs().max() > 1e-3  # the prompt matters
        for one, output in zip(three, raw, strict=True):
            if isinstance(made, diffusers.StableDiffusion3Pipeline):  # x_t = (1 - s) x_0 + s n
                sigma, y = t / (1000 - t), x / (1 - t / 1000)
                expected = x + (1 - t / 1000) * output
            else:
                alpha = float(scheduler.alphas_cumprod[int(t)]) ** 0.5
                sigma, y, expected = float(denoiser.schedule.sigmas[int(t)]), x / alpha, output
                if made.scheduler.config.prediction_type == "v_prediction":
                    expected = alpha * output + (1 - alpha**2) ** 0.5 * x
            torch.testing.assert_close(one.noise(y, sigma), expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_pictures_are_encoded_and_decoded_as_the_pipeline_does(both: Any) -> None:
    made, denoiser = both
    assert denoiser.picture_shape == (3, 16, 16)
    pictures = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latents = denoiser.given(PROMPT).encode(pictures)
    expected = made.vae.encode(pictures).latent_dist.mode() * made.vae.config.scaling_factor
    torch.testing.assert_close(latents, expected, rtol=1e-4, atol=1e-4)
    decoded = made.vae.decode(expected / made.vae.config.scaling_factor).sample
    torch.testing.assert_close(denoiser.decode(latents), decoded, rtol=1e-4, atol=1e-4)


def test_what_is_drawn_is_what_the_pipeline_draws(tmp_path: Path) -> None:
    made = save_pipeline(tmp_path / "model")
    denoiser = load_denoiser(tmp_path / "model", "cpu", PROMPT, guidance_scale=3.0)
    made.scheduler = diffusers.DDIMScheduler(steps_offset=1, clip_sample=False, **STABLE)
    made.set_progress_bar_config(disable=True)
    draw = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    drawn = made(
        PROMPT, num_inference_steps=5, guidance_scale=3.0, latents=draw, output_type="latent"
    ).images
    levels = [float(denoiser.schedule.sigmas[int(t)]) for t in made.scheduler.timesteps]
    y = draw * (1 + levels[0] ** 2) ** 0.5
    for sigma, lower in zip(levels, [*levels[1:], 0.0], strict=True):
        y = y + (lower - sigma) * denoiser.noise(y, sigma)
    torch.testing.assert_close(y, drawn, rtol=1e-4, atol=1e-4)


def test_conditions_share_weights_and_have_digests_of_their_own(both: Any) -> None:
    _, denoiser = both
    cases = [("", None), (PROMPT, None), (PROMPT, 7.5), (PROMPT, 3), ("a cat", None)]
    found = [denoiser.given(prompt, scale) for prompt, scale in cases]
    assert all(one.network is denoiser.network and one._lock is denoiser._lock for one in found)
    assert len({one.digest for one in found}) == len(cases)
    assert found[0].digest == denoiser.digest == denoiser.null.digest
    assert denoiser.given(PROMPT, 1.0).digest == found[1].digest  # w = 1 is no guidance
    assert found[2].given("a cat").digest == found[4].digest
    assert found[2].null.name == denoiser.name
    for (prompt, scale), one in zip(cases, found, strict=True):
        assert (one.prompt, one.guidance_scale) == (prompt, scale)
        said = (prompt or None, scale)
        assert model_digest(denoiser.source, None, *said) == one.digest
    assert found[2].null.guidance_scale is None


def test_a_prompt_is_encoded_once(both: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, denoiser = both
    first = denoiser.given("once more")
    monkeypatch.setattr(denoiser.texts, "_encode", lambda _: pytest.fail("it was encoded again"))
    assert denoiser.given("once more").conditions[0][0] is first.conditions[0][0]


def test_another_process_gets_the_prompts_without_the_encoders(both: Any) -> None:
    cloudpickle = pytest.importorskip("ray.cloudpickle")
    _, denoiser = both
    sent = cloudpickle.loads(cloudpickle.dumps(denoiser.given(PROMPT, 2.0)))
    y = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(sent.noise(y, 1.0), denoiser.given(PROMPT, 2.0).noise(y, 1.0))
    assert torch.equal(sent.null.noise(y, 1.0), denoiser.null.noise(y, 1.0))
    with pytest.raises(ValueError, match="only the prompts that it was sent with"):
        sent.given("another prompt")


def test_what_was_cut_or_not_known_is_said(both: Any) -> None:
    _, denoiser = both
    assert denoiser.given(PROMPT).reading.sentence == ""
    long = denoiser.given("cat " * 75 + "red dog").reading
    assert long.cut == "red dog" and "longer than 77 tokens: 'red dog'" in long.sentence
    assert denoiser.given("cat " * 75).reading.cut == ""
    odd = denoiser.given("a 3 né cat").reading
    assert odd.unknown == ("3", "é")
    assert odd.sentence == "The tokenizer does not know '3', 'é'."


def test_old_weight_names_and_half_precision_load_as_single(tmp_path: Path) -> None:
    save_pipeline(tmp_path / "model")
    expected = load_denoiser(tmp_path / "model", "cpu", PROMPT)
    file = tmp_path / "model/text_encoder/model.safetensors"
    old = {f"text_model.{name}": weight for name, weight in load_file(file).items()}
    old["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    save_file(old, file)
    y = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    again = load_denoiser(tmp_path / "model", "cpu", PROMPT)
    assert torch.equal(again.noise(y, 1.0), expected.noise(y, 1.0))
    for kind in (torch.float16, torch.bfloat16):
        for part in (tmp_path / "model").rglob("*.safetensors"):
            save_file({name: weight.to(kind) for name, weight in load_file(part).items()}, part)
        half = load_denoiser(tmp_path / "model", "cpu", PROMPT)
        assert next(half.network.parameters()).dtype == torch.float32
        assert half.noise(y, 1.0).dtype == torch.float32
        torch.testing.assert_close(half.noise(y, 1.0), expected.noise(y, 1.0), rtol=0.1, atol=0.1)


def test_the_stamp_knows_every_file_of_the_text(tmp_path: Path) -> None:
    save_pipeline(tmp_path / "model")
    for name in ("tokenizer/merges.txt", "text_encoder/config.json", "model_index.json"):
        before = model_stamp(tmp_path / "model"), model_digest(tmp_path / "model")
        file = tmp_path / "model" / name
        file.write_text(file.read_text() + "\n")
        after = model_stamp(tmp_path / "model"), model_digest(tmp_path / "model")
        assert before[0] != after[0] and before[1] != after[1]


def changed(folder: Path, file: str, **changes: Any) -> None:
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"in_channels": 9}, "inpainting"),
        ({"time_cond_proj_dim": 8}, "distilled"),
        ({"num_class_embeds": 3}, "more than a prompt"),
        ({"in_channels": 8}, "8 channels into 4"),
    ],
)
def test_networks_that_take_more_than_a_prompt_are_refused(
    options: dict, said: str, tmp_path: Path
) -> None:
    save_pipeline(tmp_path / "model", **options)
    with pytest.raises(ValueError, match=said) as caught:
        load_denoiser(tmp_path / "model", "cpu")
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_what_the_hub_sends_of_a_model_of_text_is_enough_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_pipeline(tmp_path / "model", "xl")
    changed(tmp_path / "model", "text_encoder/config.json", architectures=["T5EncoderModel"])
    hub = FakeHub(tmp_path / "model", tmp_path / "cache")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub)
    with pytest.raises(ValueError, match="'T5EncoderModel'"):
        load_denoiser("someone/model", "cpu")
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    changed(tmp_path / "model", "text_encoder/config.json", architectures=["CLIPTextModel"])
    hub = FakeHub(tmp_path / "model", tmp_path / "other")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub)
    assert load_denoiser("someone/model", "cpu", PROMPT).prompt == PROMPT


def test_stable_diffusion_3_with_its_t5_is_refused_with_what_to_do(tmp_path: Path) -> None:
    save_pipeline(tmp_path / "model", "3")
    changed(
        tmp_path / "model", "model_index.json", text_encoder_3=["transformers", "T5EncoderModel"]
    )
    with pytest.raises(ValueError, match="text_encoder_3=None"):
        load_denoiser(tmp_path / "model", "cpu")


@pytest.mark.parametrize("kind", ["PixArtTransformer2DModel", "FluxTransformer2DModel"])
def test_networks_whose_prompts_need_t5_are_refused(kind: str, tmp_path: Path) -> None:
    save_pipeline(tmp_path / "model")
    changed(tmp_path / "model", "unet/config.json", _class_name=kind)
    with pytest.raises(ValueError, match="T5"):
        load_denoiser(tmp_path / "model", "cpu")


def test_a_refiner_and_a_distilled_name_are_refused(tmp_path: Path) -> None:
    save_pipeline(tmp_path / "model", "xl")
    (tmp_path / "sdxl-turbo").symlink_to(tmp_path / "model")
    changed(tmp_path / "model", "model_index.json", _name_or_path="someone/sdxl-lightning")
    with pytest.raises(ValueError, match="'someone/sdxl-lightning' is a distilled model"):
        load_denoiser(tmp_path / "model", "cpu")
    changed(tmp_path / "model", "model_index.json", _name_or_path="")
    (tmp_path / "model/text_encoder/config.json").unlink()
    with pytest.raises(ValueError, match="refiner"):
        load_denoiser(tmp_path / "model", "cpu")


def test_a_tokenizer_is_data_within_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "model"
    save_pipeline(folder)
    vocabulary = folder / "tokenizer/vocab.json"
    good, merges = json.loads(vocabulary.read_text()), folder / "tokenizer/merges.txt"
    for ids, said in (
        ({"a": 0}, "not in its vocabulary"),
        ({**good, "new": 0}, "the same number"),
        ({**good, "x" * 300: 999}, "too long"),
        ({**good, "new": "3"}, "is not one"),
        ({**good, "new": 900}, "do not fit the text encoder"),
        ({**good, **{f"{i}": 100 + i for i in range(70_000)}}, "more than 65,536"),
    ):
        vocabulary.write_text(json.dumps(ids))
        with pytest.raises(ValueError, match=said):
            load_denoiser(folder, "cpu")
    vocabulary.write_text(json.dumps(good))
    for text, said in (("r e x", "not of two tokens"), ("zz y", "not of two tokens")):
        merges.write_text(f"#version: 0.2\n{text}\n")
        with pytest.raises(ValueError, match=said):
            load_denoiser(folder, "cpu")
    monkeypatch.setattr("memlib.denoisers.text.tokenizer.LONGEST_FILE", 10)
    with pytest.raises(ValueError, match="too long to be merges"):
        load_denoiser(folder, "cpu")
    merges.unlink()
    with pytest.raises(ValueError, match="neither vocab"):
        load_denoiser(folder, "cpu")


def test_links_out_of_the_roots_and_pickles_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "inside/model"
    save_pipeline(folder)
    outside = tmp_path / "vocab.json"
    (folder / "tokenizer/vocab.json").rename(outside)
    (folder / "tokenizer/vocab.json").symlink_to(outside)
    with pytest.raises(ValueError, match="link that leads out"):
        load_denoiser(folder, "cpu", roots=[tmp_path / "inside"])
    weights = folder / "text_encoder/model.safetensors"
    weights.rename(folder / "text_encoder/pytorch_model.bin")
    with pytest.raises(ValueError, match="pickles"):
        load_denoiser(folder, "cpu")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"prompt": 3}, "A prompt is a text"),
        ({"prompt": "x" * 20_000}, "20,000 characters"),
        ({"prompt": "x", "guidance_scale": float("nan")}, "guidance scale must be"),
        ({"prompt": "x", "guidance_scale": 1e9}, "from 0 to 100"),
        ({"guidance_scale": 3.0}, "needs a prompt"),
        ({"label": 3}, "no classes"),
    ],
)
def test_conditions_that_are_none_are_a_sentence(
    arguments: dict, said: str, tmp_path: Path
) -> None:
    save_pipeline(tmp_path / "model")
    with pytest.raises(ValueError, match=said):
        load_denoiser(tmp_path / "model", "cpu", **arguments)


def test_a_model_without_text_takes_no_prompt() -> None:
    with pytest.raises(ValueError, match="takes no prompt"):
        load_denoiser("demo", "cpu", "a cat")
    with pytest.raises(ValueError, match="takes no prompt"):
        load_denoiser("demo", "cpu").given("a cat")


@pytest.mark.slow
@pytest.mark.parametrize("family", ["1", "xl", "3"])
def test_a_model_of_text_from_outside_is_tried_in_another_process(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_pipeline(tmp_path / "model", family)
    with monkeypatch.context() as patched:
        patched.setattr(NetworkDenoiser, "__call__", lambda *_: pytest.fail("it was run here"))
        assert load_denoiser(tmp_path / "model", "cpu", PROMPT, roots=[tmp_path]).prompt == PROMPT
    file = tmp_path / "model/text_encoder/model.safetensors"
    save_file({name: weight * torch.nan for name, weight in load_file(file).items()}, file)
    if family != "xl":  # the null condition of XL is zeros
        with pytest.raises(ValueError, match="not finite"):
            load_denoiser(tmp_path / "model", "cpu", roots=[tmp_path])


def test_the_sampler_draws_with_a_prompt(both: Any) -> None:
    _, denoiser = both
    drawn = [sample(one, 2, steps=3) for one in (denoiser, denoiser.given(PROMPT, 2.0))]
    assert all(one.shape == (2, 4, 8, 8) and torch.isfinite(one).all() for one in drawn)
    assert not torch.equal(*drawn)
