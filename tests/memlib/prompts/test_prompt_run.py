"""A run of prompts stores each prompt before the next: stopped or killed at any moment it ends like
one without a break, and its numbers are those of single prompts.
"""

import copy
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from memlib import load_denoiser
from memlib.__main__ import main
from memlib.denoisers import NetworkDenoiser
from memlib.images import ImageSet, load_images
from memlib.measures.conditional import PROMPT_MEASURES, starting_noise
from memlib.measures.conditional.scoring import (
    PICTURES,
    Prompted,
    PromptSettings,
    score_prompt,
)
from memlib.prompts import (
    create_prompt_run,
    measure_prompts,
    pictures_of,
    prompt_quality,
    read_list,
    truths_of,
    typed_list,
)
from memlib.prompts.judging import LABELS, NEAR_ORIGINAL, SEEDS_ALIKE
from memlib.runs import Numbers, Run
from memlib.runs.results import measure_batch
from memlib.workspace import Sources, prompted
from tests.text_models import save_pipeline

NAMES = ("prediction_difference", "tiled_distance", "small_sphere_prompt", "small_sphere_gap")
SETTINGS = PromptSettings(measures=",".join(NAMES), seeds=2, steps=2, guidance=3.0)
LIST = b"prompt,label,file\na red cat,1,0.png\na cat,0,\nred red,0,\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> NetworkDenoiser:
    folder = tmp_path_factory.mktemp("model")
    save_pipeline(folder)
    return load_denoiser(folder, "cpu")


@pytest.fixture(scope="module")
def originals(model: NetworkDenoiser, tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    folder = tmp_path_factory.mktemp("originals")
    channels, height, width = model.picture_shape
    draw = np.random.default_rng(0)
    for place in range(3):
        pixels = draw.integers(0, 256, (height, width, channels), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{place}.png")
    return load_images(folder)


def begun(folder: Path, model: NetworkDenoiser, originals: ImageSet | None) -> Run:
    return create_prompt_run(folder, model, read_list(LIST, "l.csv"), SETTINGS, originals)


def table_of(run: Run) -> pd.DataFrame:
    return Numbers(run).page("position", False, 0, run.count)


@pytest.fixture(scope="module")
def whole(
    model: NetworkDenoiser, originals: ImageSet, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    run = begun(tmp_path_factory.mktemp("runs") / "whole", model, originals)
    assert [*measure_prompts(run, model, originals)] == [(1, 3), (2, 3), (3, 3)]
    return run.again()


class Killed(BaseException):
    pass


@pytest.mark.parametrize("moment", [0.4, 1.5])
def test_a_run_that_was_killed_ends_like_one_without_a_break(
    moment: float, whole: Run, model: NetworkDenoiser, originals: ImageSet, tmp_path: Path
) -> None:
    run = begun(tmp_path / "broken", model, originals)

    def kill(done: float, total: float) -> None:
        if done > moment:
            raise Killed

    with pytest.raises(Killed):
        for _ in measure_prompts(run, model, originals, progress=kill):
            pass
    run = begun(run.folder, model, originals)
    assert run.done == int(moment)
    left = [*measure_prompts(run, model, originals)]
    assert len(left) == 3 - int(moment)
    pd.testing.assert_frame_equal(table_of(run.again()), table_of(whole))
    for position in range(3):
        np.testing.assert_array_equal(pictures_of(run, position), pictures_of(whole, position))


def test_seeds_in_a_batch_have_the_values_of_single_ones(
    whole: Run, model: NetworkDenoiser
) -> None:
    noise = starting_noise(model, 2)
    measure = PROMPT_MEASURES["prediction_difference"]
    given, null = model.given("a red cat"), model.null
    alone = [
        float(
            measure.function(given, null, noise[seed : seed + 1], **measure.defaults(model)).value
        )
        for seed in range(2)
    ]
    np.testing.assert_allclose(
        whole.arrays([0], "values_prediction_difference")[0], alone, rtol=1e-4
    )
    row = table_of(whole).iloc[0]
    assert row["prediction_difference"] == pytest.approx(np.mean(alone), rel=1e-5)
    assert row["prediction_difference_error"] == pytest.approx(
        np.std(alone, ddof=1) / np.sqrt(2), rel=1e-3
    )


def test_a_worker_without_text_encoders_finds_the_same(whole: Run, model: NetworkDenoiser) -> None:
    """As on a cluster, where each prompt comes with its condition."""
    assert model.texts is not None
    batch = [Prompted("a red cat", model.texts.condition("a red cat"))]
    fresh = load_denoiser(model.source, "cpu")
    worker = copy.copy(fresh)
    worker.texts = copy.copy(fresh.texts)  # by the state that is sent to another process
    with pytest.raises(ValueError, match="knows only the prompts"):
        worker.given("a red cat")
    (row,) = measure_batch(worker, batch, "prompts", SETTINGS.parameters)
    for name in NAMES:
        assert row[name] == pytest.approx(table_of(whole).iloc[0][name], rel=1e-5)


def test_the_pictures_of_a_row_are_those_that_the_sampler_draws(
    whole: Run, model: NetworkDenoiser
) -> None:
    row = score_prompt(model, "a red cat", SETTINGS)
    np.testing.assert_array_equal(pictures_of(whole, 0), row[PICTURES])
    channels, height, width = model.picture_shape
    assert row[PICTURES].shape == (2, height, width, channels)


def test_pictures_are_compared_with_their_own_original_or_with_the_nearest(
    whole: Run, originals: ImageSet
) -> None:
    table = table_of(whole)
    assert table["original"].tolist() == ["0.png", "", ""]
    assert table["nearest"][0] == ""
    assert set(table["nearest"][1:]) <= set(originals.names)
    pictures = torch.as_tensor(pictures_of(whole, 0)).permute(0, 3, 1, 2) / 127.5 - 1
    apart = (pictures - originals[0]).square().mean((1, 2, 3)).sqrt()
    assert table["original_distance"][0] == pytest.approx(float(apart.min()), rel=1e-4)


def test_another_list_or_other_originals_are_another_run(
    whole: Run, model: NetworkDenoiser, originals: ImageSet
) -> None:
    with pytest.raises(ValueError, match="another images"):
        create_prompt_run(whole.folder, model, typed_list("a cat"), SETTINGS, originals)
    with pytest.raises(ValueError, match="another images"):
        begun(whole.folder, model, None)
    with pytest.raises(ValueError, match="takes no prompt"):
        create_prompt_run(whole.folder, load_denoiser("demo"), typed_list("a"), SETTINGS)


def test_a_damaged_picture_or_list_is_one_sentence(
    whole: Run, model: NetworkDenoiser, originals: ImageSet, tmp_path: Path
) -> None:
    for file in whole.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    run = Run(tmp_path)
    (tmp_path / "seeds-00000000.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"seeds-00000000\.png of the run"):
        pictures_of(run, 0)
    (tmp_path / "seeds-00000000.png").unlink()
    assert pictures_of(run, 0) is None
    (tmp_path / "prompts.jsonl").write_text("{")
    with pytest.raises(ValueError, match="damaged in line 1"):
        [*measure_prompts(run, model, originals)]


def test_settings_that_do_not_fit_are_refused() -> None:
    for wrong, sentence in (
        ({"measures": "nonsense"}, "no measure 'nonsense'"),
        ({"seeds": 1}, "at least 2 seeds"),
        ({"pictures": False}, "not to be drawn"),
        ({"guidance": -1.0}, "guidance must be"),
    ):
        with pytest.raises(ValueError, match=sentence):
            PromptSettings().changed(wrong)


def table(**columns: Any) -> pd.DataFrame:
    count = len(next(iter(columns.values())))
    usual = {name: [""] * count for name in ("label", "family", "original")}
    return pd.DataFrame(usual | columns)


def test_measures_are_judged_in_their_direction_and_not_by_themselves() -> None:
    found = table(
        label=["memorised"] * 3 + ["not memorised"] * 3 + [""],
        tiled_distance=[0.1, 0.1, 0.5, 0.4, 0.6, 0.7, 0.0],
        prediction_difference=[3.0, 4.0, 5.0, 1.0, 2.0, 0.5, 9.0],
        original_distance=[0.1, 0.2, np.nan, 0.9, 0.9, np.nan, 0.1],
    )
    measures = PromptSettings(measures="prediction_difference,tiled_distance").columns
    truths = truths_of(found)
    assert list(truths) == [LABELS, SEEDS_ALIKE, NEAR_ORIGINAL]
    told = prompt_quality(found, measures, truths[LABELS]).set_index("measure")["AUC"]
    assert told["prediction_difference"] == 1
    assert told["tiled_distance"] == pytest.approx(8 / 9)  # small is memorised
    alike = prompt_quality(found, measures, truths[SEEDS_ALIKE])
    assert alike["measure"].tolist() == ["prediction_difference"]
    assert (alike["above"][0], alike["below"][0]) == (3, 4)
    near = truths[NEAR_ORIGINAL]
    assert (int(near.above.sum()), int(near.below.sum())) == (3, 2)


def test_prompts_of_one_family_count_as_one() -> None:
    found = table(
        label=["memorised"] * 4 + ["not memorised"] * 4,
        family=["a"] * 4 + [""] * 4,
        prediction_difference=[3.0, 3.1, 3.2, 3.3, 1.0, 1.1, 1.2, 1.3],
    )
    measures = PromptSettings(measures="prediction_difference").columns
    (line,) = prompt_quality(found, measures, truths_of(found)[LABELS]).to_dict("records")
    assert (line["clusters above"], line["clusters below"]) == (1, 4)


def test_the_command_continues_a_run_and_show_lists_it(
    model: NetworkDenoiser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "l.txt").write_text("a cat\na red cat\n")
    names = "prediction_difference,prediction_change"
    asked = [str(model.source), str(tmp_path / "l.txt"), "--out", str(tmp_path / "run")]
    command = ["prompts", *asked, "--measures", names, "--no-pictures", "--seeds=2"]
    assert main([*command, "--json", "--device=cpu"]) == 0
    before = (tmp_path / "run" / "numbers.parquet").stat().st_mtime_ns
    assert main(["prompts", "--resume", str(tmp_path / "run"), "--json"]) == 0
    assert (tmp_path / "run" / "numbers.parquet").stat().st_mtime_ns == before
    capsys.readouterr()
    assert main(["show", str(tmp_path / "run"), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["measure"] == "prompts"
    assert {line["name"] for line in lines[1:]} == {"a cat", "a red cat"}
    assert main(["prompts", "--resume", str(tmp_path / "nothing")]) == 2
    assert main(["prompts", "demo", str(tmp_path / "l.txt")]) == 2


def test_sources_with_a_prompt_open_the_model_of_that_prompt(model: NetworkDenoiser) -> None:
    told = Sources.read(asdict(Sources(prompt="a cat", guidance_scale=3.0)))
    assert prompted(model, told).digest == model.given("a cat", 3.0).digest
    assert prompted(model, Sources()) is model
    with pytest.raises(ValueError, match="needs a prompt"):
        prompted(model, Sources(guidance_scale=3.0))
