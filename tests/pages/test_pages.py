"""Every page runs, with the demo and with nothing loaded, and bad input is one sentence that loses
nothing.
"""

import base64
import json
import zipfile
from pathlib import Path

import diffusers
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from memlib import load_denoiser, load_images, p_laplace
from memlib.bundled import DEMO
from memlib.demo.findings import run_of
from memlib.denoisers.loading import find_checkpoints
from memlib.evidence import auc_text, clusters, rungs
from memlib.neighbours import duplicates
from memlib.runs import CHUNK, read_run
from memlib.workspace import Sources
from pages.figures import pictures
from pages.session import address
from pages.session import downloads as exports
from pages.widgets import player as player_module
from tests.conftest import tiny_unet
from tests.pages.app import explored, field, measure_everything, opened, press, rank, shown

ROOT = Path(__file__).parents[2]
PAGES = sorted(path.parent.name for path in (ROOT / "pages").glob("*/page.py"))


def ranking(at: AppTest) -> pd.DataFrame:
    """The table of the measured images."""
    return next(frame.value for frame in at.dataframe if "rank" in frame.value)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_runs_with_the_demo(page: str) -> None:
    at = opened(page)
    assert not at.exception
    assert not at.error
    assert any("Emoji demo model" in text.value for text in at.sidebar.text)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_runs_with_nothing_loaded(page: str) -> None:
    at = opened(page, model="none")
    assert not at.exception
    assert not at.error


def test_volume_growth_opens_filled_with_all_demo_images_ranked() -> None:
    at = opened("volume_growth")
    table = ranking(at)
    assert len(table) == 1164
    assert table["value"].is_monotonic_decreasing
    assert rank(at) == "1 of 1,164"


def test_the_image_in_the_url_is_the_one_shown_and_a_wrong_one_does_no_harm() -> None:
    chosen = ranking(opened("volume_growth")).iloc[700]
    at = opened("volume_growth", image=chosen["id"])
    assert shown(at)["name"] == chosen["name"]
    assert rank(at).startswith(f"{chosen['rank']:,} of")
    assert not opened(
        "volume_growth", image="nonsense", steps="-4", low="abc", order="sideways"
    ).exception


def test_filters_keep_the_ranks_of_the_whole_set() -> None:
    at = opened("volume_growth")
    at.text_input(key="volume_growth.search").set_value("held-out/").run()
    assert not at.exception
    assert "of 1,164" in rank(at)
    at.text_input(key="volume_growth.search").set_value("no such name").run()
    assert any("No image passes" in info.value for info in at.info)


def test_measuring_own_images_fills_the_page(model_and_images: tuple[str, str]) -> None:
    model, images = model_and_images
    at = opened("volume_growth", model=model, images=images, steps="3", probes="1")
    assert any("cut there" in info.value for info in at.info)
    assert any("No image has been measured" in info.value for info in at.info)
    at.button_group[0].set_value("Everything").run()
    press(at, "Measure")
    assert not at.exception
    assert not at.error
    assert len(ranking(at)) == 20
    assert CHUNK < 20


def test_other_settings_do_not_show_the_numbers_of_these() -> None:
    at = opened("volume_growth")
    at.number_input(key="volume_growth.seed").set_value(7).run()
    assert any("No image has been measured with these settings" in info.value for info in at.info)
    at.number_input(key="volume_growth.seed").set_value(0).run()
    assert len(ranking(at)) == 1164


def submit(at: AppTest, model: str = "", images: str = "", size: int | None = None) -> AppTest:
    field(at, "Model").set_value(model)
    field(at, "Images").set_value(images)
    if size:
        next(box for box in at.number_input if box.label == "Image size").set_value(size)
    return press(at, "Load")


@pytest.mark.parametrize(
    ("model", "images", "word"),
    [
        ("", "", "Enter the model"),
        ("missing", "", "no folder"),
        ("", "missing.zip", "no file or folder"),
        ("/etc", "", "outside the folders"),
        ("~no-such-user", "", "cannot be used as a path"),
        ("x" * 5000, "", "no"),
        ("", "../../../etc/passwd", "outside the folders"),
        ("", "{tmp}/images.npy", "The images are 8 x 8"),
        ("{tmp}/model", "", "The images are 32 x 32"),
    ],
)
def test_bad_sources_are_one_sentence_and_lose_nothing(
    model: str, images: str, word: str, model_and_images: tuple[str, str], tmp_path: Path
) -> None:
    at = opened("workspace")
    submit(at, model.format(tmp=tmp_path), images.format(tmp=tmp_path))
    assert not at.exception
    assert len(at.error) == 1
    assert word in at.error[0].value
    assert "\n" not in at.error[0].value
    assert any("Emoji demo model" in text.value for text in at.sidebar.text)
    at.switch_page("pages/volume_growth/page.py").run()
    assert len(ranking(at)) == 1164


def test_images_are_brought_to_the_models_size_on_request(
    model_and_images: tuple[str, str],
) -> None:
    model, _ = model_and_images
    at = opened("workspace")
    submit(at, model, "", 8)
    assert not at.error
    assert any(text.value == "model" for text in at.sidebar.text)


def test_another_model_starts_with_its_own_noise_range(model_and_images: tuple[str, str]) -> None:
    model, images = model_and_images
    at = opened("volume_growth")
    before = at.number_input(key="volume_growth.high").value
    at.number_input(key="volume_growth.high").set_value(20.0).run()
    at.switch_page("pages/workspace/page.py").run()
    submit(at, model, images)
    assert not at.error
    at.switch_page("pages/volume_growth/page.py").run()
    assert not at.exception
    assert at.number_input(key="volume_growth.high").value not in (20.0, before)


def test_images_that_changed_on_disk_are_read_again(model_and_images: tuple[str, str]) -> None:
    model, images = model_and_images
    at = opened("workspace", model=model, images=images)
    assert any("20 of 8 x 8" in caption.value for caption in at.sidebar.caption)
    np.save(images, np.zeros((5, 8, 8, 3), np.uint8))
    submit(at, model, images)
    assert any("5 of 8 x 8" in caption.value for caption in at.sidebar.caption)


def test_a_link_to_a_missing_model_says_so_on_every_page() -> None:
    at = opened("volume_growth", model="missing")
    assert any("missing" in error.value for error in at.error)
    assert not at.exception


def test_colours_brighten_with_the_value_and_never_wrap() -> None:
    ramp = pictures.colour(np.linspace(-1, 2, 50)[None], 0.0, 1.0)[0].astype(int).sum(1)
    assert (np.diff(ramp) >= 0).all()
    assert ramp[0] < 20
    assert ramp[-1] > 600


def test_enlarging_repeats_whole_pixels() -> None:
    small = np.random.default_rng(0).integers(0, 256, (3, 5, 3), dtype=np.uint8)
    np.testing.assert_array_equal(pictures.enlarge(small, 17)[::3, ::3], small)


def test_exports_carry_every_row_and_where_they_come_from(
    model_and_images: tuple[str, str],
) -> None:
    import io
    import json

    import pyarrow.parquet as pq

    table = pd.DataFrame({"id": ["a", "b"], "value": [2.0, 1.0]})
    manifest = {
        "model": {"digest": "m"},
        "images": {"digest": "i"},
        "parameters": {"steps": 3},
        "date": "today",
    }
    csv = pd.read_csv(io.BytesIO(exports.as_csv(table, manifest)))
    assert csv["run_model"].tolist() == ["m", "m"]
    assert csv["run_steps"].tolist() == [3, 3]
    said = {
        "measure": "volume_growth",
        "shown": "Minus reference",
        "reference": {"name": "early", "digest": "r"},
    }
    csv = pd.read_csv(io.BytesIO(exports.as_csv(table, manifest | said)))
    assert csv[["run_measure", "run_shown", "run_reference"]].iloc[0].tolist() == [
        "volume_growth",
        "Minus reference",
        "r",
    ]
    parquet = pq.read_table(io.BytesIO(exports.as_parquet(table, manifest)))
    assert json.loads(parquet.schema.metadata[b"afterimage"]) == manifest
    assert parquet.to_pandas()["value"].tolist() == [2.0, 1.0]
    several = exports.as_csv(table, manifest | {"parameters": {"p": [1.0, 2.0]}})
    assert pd.read_csv(io.BytesIO(several))["run_p"].tolist() == ["[1.0, 2.0]"] * 2


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 second"), (42, "42 seconds"), (200, "3 minutes"), (8000, "2.2 hours")],
)
def test_durations_are_plain_words(seconds: float, words: str) -> None:
    assert exports.duration(seconds) == words


def test_the_library_does_not_know_the_app() -> None:
    assert not [path for path in (ROOT / "memlib").rglob("*.py") if "streamlit" in path.read_text()]


def test_the_difference_to_the_reference_is_that_of_both_models_values() -> None:
    own, minus = (
        ranking(opened("volume_growth", of=shown)).set_index("id")
        for shown in ("Growth", "Minus reference")
    )
    _, rows = read_run(DEMO / "runs" / "volume-growth-reference")
    reference = np.array([rows[image]["value"] for image in own.index])
    np.testing.assert_allclose(minus.loc[own.index, "value"], own["value"] - reference, atol=1e-2)
    assert minus["value"].is_monotonic_decreasing
    assert (minus["stderr"] > 0).all()


def test_what_the_png_size_explains_can_be_taken_out() -> None:
    table = ranking(opened("volume_growth", of="Size of the PNG taken out"))
    assert np.corrcoef(table["value"], table["png_bytes"])[0, 1] == pytest.approx(0, abs=1e-6)
    assert table["value"].mean() == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    ("panel", "words"),
    [
        ("Redraw", "conditioned on the image"),
        ("How often", "of 16,384 images of the same sampler are copies of it"),
        ("Over training", "Onset: "),
        ("Compare", "σ 0.2 to 157, 12 steps, 2 probes, seed 0"),
        ("Exact map", "All 3,072 directions"),
        ("The paper's procedure", "exact procedure of Hasegawa & Yasuda"),
    ],
)
def test_every_panel_opens_from_its_link(panel: str, words: str) -> None:
    at = (
        opened("volume_growth", closer=panel, of="Minus reference", image="6bd8d0")
        if panel != "Over training"
        else opened("volume_growth", closer=panel)
    )
    assert not at.exception
    assert not at.error
    assert any(words.lower() in text.value.lower() for text in (*at.markdown, *at.caption))


def test_the_panels_of_an_own_model_do_their_work(
    model_and_images: tuple[str, str], tmp_path: Path
) -> None:
    model, images = model_and_images
    at = opened(
        "volume_growth", model=model, images=images, steps="2", probes="1", closer="Exact map"
    )
    measure_everything(at)
    press(at, "Compute the exact map")
    assert not at.exception
    assert any(metric.label == "Exact" for metric in at.metric)

    at.button_group(key="volume_growth.closer").set_value("The paper's procedure").run()
    next(box for box in at.number_input if box.label == "Directions").set_value(3).run()
    next(box for box in at.number_input if box.label == "Euler steps").set_value(10).run()
    press(at, "Run the paper's procedure")
    assert not at.exception
    assert any(metric.label == "Log volume" for metric in at.metric)

    at.button_group(key="volume_growth.closer").set_value("Redraw").run()
    press(at, "Redraw it")
    assert not at.exception
    assert sum("σ = " in markdown.value and "%" in markdown.value for markdown in at.markdown) >= 5

    at.button_group(key="volume_growth.closer").set_value("How often").run()
    press(at, "Estimate the rate")
    assert not at.exception
    assert any("once in" in header.value for header in at.subheader)

    at.button_group(key="volume_growth.closer").set_value("Over training").run()
    for step in (100, 20):
        tiny_unet(seed=step).save_pretrained(tmp_path / "run" / f"checkpoint-{step}" / "unet")
        diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2").save_pretrained(
            tmp_path / "run" / f"checkpoint-{step}" / "scheduler"
        )
    at.text_input(key="volume_growth.checkpoints").set_value(str(tmp_path / "run")).run()
    assert not at.exception
    assert not at.error
    assert any("none are measured here" in caption.value for caption in at.caption)
    at.text_input(key="volume_growth.checkpoints").set_value(str(tmp_path / "nowhere")).run()
    assert len(at.error) == 1


def test_checkpoints_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("step-1000", "step-20", "step-3"):
        (tmp_path / name / "unet").mkdir(parents=True)
        (tmp_path / name / "unet" / "config.json").write_text("{}")
    (tmp_path / "logs").mkdir()
    assert [path.name for path in find_checkpoints(tmp_path)] == ["step-3", "step-20", "step-1000"]
    with pytest.raises(ValueError, match="no checkpoints"):
        find_checkpoints(tmp_path / "logs")


@pytest.mark.parametrize("shown", ["Growth", "Size of the PNG taken out"])
def test_an_uploaded_picture_is_measured_like_the_others(shown: str) -> None:
    at = opened("volume_growth", of=shown, closer="Compare")
    name, picture = next((name, image) for name, image in zip(*demo_pictures(), strict=True))
    at.file_uploader[0].upload(name, picture, "image/png").run()
    assert not at.exception
    assert any(metric.label == "In the image set" and metric.value == "yes" for metric in at.metric)
    growths = ranking(opened("volume_growth"))
    rank = int(growths.loc[growths["name"] == name, "rank"].iloc[0])
    stated = next(metric.value for metric in at.metric if metric.label == "Would rank")
    assert abs(int(stated.split(" of ")[0].replace(",", "")) - rank) <= 2
    assert sum(text.value == name for text in at.text) >= 2  # beside itself in the comparison
    at.file_uploader[0].upload("notes.png", b"no picture", "image/png").run()
    assert any("notes.png" in error.value for error in at.error)


def demo_pictures() -> tuple[list[str], list[bytes]]:
    with zipfile.ZipFile(DEMO / "images.zip") as archive:
        name = next(name for name in archive.namelist() if name.endswith(".png"))
        return [name], [archive.read(name)]


def test_the_player_is_sent_every_map_in_the_order_of_its_sliders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[dict] = []
    monkeypatch.setattr(
        player_module, "_component", lambda **arguments: sent.append(arguments["data"])
    )
    heat = np.arange(2 * 3 * 4 * 4, dtype=np.float32).reshape(2, 3, 4, 4)
    axes = [player_module.Axis("p", ["1", "2"], 0), player_module.Axis("level", ["a", "b", "c"])]
    kinds = [
        player_module.Kind("whole", heat, (0.0, 1.0), "nats"),
        player_module.Kind("one", heat[0], (0.0, 1.0), ""),
        player_module.Kind("flat", heat[0, 0], (0.0, 1.0), ""),
    ]
    player_module.player(np.zeros((4, 4, 3), np.uint8), kinds, axes, key="k", alt="x")
    data = sent[0]
    assert [kind["shape"] for kind in data["kinds"]] == [(2, 3), (3, 1), (1, 1)]
    np.testing.assert_array_equal(
        np.frombuffer(base64.b64decode(data["kinds"][0]["maps"]), "<f4").reshape(heat.shape), heat
    )
    assert [axis["start"] for axis in data["axes"]] == [0, 2]
    assert len(data["sequential"]) == len(data["diverging"]) == 256


def test_the_signed_scale_is_white_at_nothing_and_red_above() -> None:
    low, middle, high = pictures.colour(np.array([[[-1.0, 0.0, 1.0]]]), -1.0, 1.0, True)[
        0, 0
    ].astype(int)
    assert middle.min() > 220
    assert high[0] > high[2]
    assert low[2] > low[0]


def test_coarse_maps_are_block_means_of_at_most_64_cells() -> None:
    heat = np.random.default_rng(0).normal(size=(2, 128, 128))
    np.testing.assert_allclose(pictures.coarse(heat)[1, 0, 0], heat[1, :2, :2].mean())
    assert pictures.coarse(heat).shape == (2, 64, 64)
    assert pictures.coarse(np.zeros((32, 32))).shape == (32, 32)


def test_the_p_laplace_page_ranks_all_demo_images_for_every_p_and_level() -> None:
    for url in ({}, {"p": "3"}, {"sigma": "2"}, {"of": "Minus reference"}):
        at = opened("p_laplace", **url)
        assert not at.exception
        assert not at.error
        table = ranking(at)
        assert len(table) == 1164
        assert table["value"].is_monotonic_decreasing
        np.testing.assert_array_equal(table["value"], table[f"K_{url.get('p', '1')}"])


@pytest.mark.parametrize(
    ("panel", "words"),
    [
        ("Radius", "K = 1 at every radius"),
        ("Low-noise map", "a second way"),
        ("Redraw", "conditioned"),
        ("How often", "led towards it"),
    ],
)
def test_every_p_laplace_panel_opens_from_its_link(panel: str, words: str) -> None:
    at = opened("p_laplace", look=panel, fine="4")
    assert not at.exception
    assert not at.error
    assert any(words in text.value for text in at.markdown)


@pytest.mark.parametrize("kind", ["copied x 32", "family x 6"])
def test_the_aucs_of_the_p_laplace_page_count_clusters_as_evidence_does(kind: str) -> None:
    at = opened("p_laplace", separate=kind, fine="2")
    table = next(frame.value for frame in at.dataframe if "σ" in frame.value).set_index("σ")
    images = load_images("demo")
    above, labels = rungs(images) == kind.replace(" x ", " x"), clusters(images, duplicates(images))
    rows = run_of("p-laplace-0.5", images)
    for name, column, sign in (("K, p = 1", "K_1", 1), ("denoising loss", "loss", -1)):
        values = sign * np.array([row[column] for row in rows])
        assert table.loc["0.5", name] == auc_text(values, above, images.held_out, labels)


def write_groups(folder: Path, groups: list[str]) -> str:
    """Pictures of 8 x 8 in a folder with metadata.csv."""
    folder.mkdir()
    lines = ["file_name,group"]
    for index, group in enumerate(groups):
        pixels = np.random.default_rng(index).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
        lines.append(f"{index}.png,{group}")
    (folder / "metadata.csv").write_text("\n".join(lines))
    return str(folder)


@pytest.mark.parametrize("groups", [["held-out"] * 4, ["held-out"] * 3 + ["trained"] * 3])
def test_p_laplace_works_with_one_group_or_two(
    groups: list[str], model_and_images: tuple[str, str], tmp_path: Path
) -> None:
    images = write_groups(tmp_path / "pictures", groups)
    at = opened("p_laplace", model=model_and_images[0], images=images, fine="2", directions="2")
    measure_everything(at)
    assert not at.exception
    assert len(ranking(at)) == len(groups)


@pytest.mark.parametrize("page", ["volume_growth", "p_laplace"])
def test_a_model_with_a_short_noise_range_is_served_or_told_in_a_sentence(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_unet().save_pretrained(tmp_path / "model" / "unet")
    diffusers.DDPMScheduler(beta_end=2e-4, num_train_timesteps=800).save_pretrained(
        tmp_path / "model" / "scheduler"
    )  # sigma up to 0.35
    monkeypatch.setenv("AFTERIMAGE_ROOTS", str(tmp_path))
    images = write_groups(tmp_path / "pictures", ["held-out"] * 3 + ["trained"] * 3)
    at = opened(
        page,
        model=str(tmp_path / "model"),
        images=images,
        steps="2",
        probes="1",
        closer="Redraw",
        look="Redraw",
        fine="2",
        control="denoising_loss",
    )
    measure_everything(at)
    press(at, "Redraw it")
    press(at, "Measure the held-out band")
    assert not at.exception
    assert not at.error
    assert any("% " in text.value or "%**" in text.value for text in at.markdown)
    if page == "volume_growth":
        at.button_group(key="volume_growth.control").set_value("denoising_loss").run()
        press(at, "Measure this control")
        assert not at.exception
        assert [error.value for error in at.error if "outside the range" in error.value]


def test_comparing_follows_the_settings_of_the_page() -> None:
    at = opened("volume_growth", closer="Compare")
    at.number_input(key="volume_growth.seed").set_value(0)
    at.number_input(key="volume_growth.steps").set_value(3).run()
    press(at, "Measure")
    assert not at.exception
    captions = [
        caption.value
        for caption in at.caption
        if "steps, " in caption.value and caption.value.startswith("σ")
    ]
    assert len(captions) == 2
    assert captions[0] == captions[1]


def test_an_own_model_is_measured_by_p_laplace(model_and_images: tuple[str, str]) -> None:
    model, images = model_and_images
    at = opened(
        "p_laplace",
        model=model,
        images=images,
        directions="4",
        fine="4",
        radius="0.5",
        look="Low-noise map",
    )
    assert any("No image has been measured" in info.value for info in at.info)
    measure_everything(at)
    assert not at.exception
    assert len(ranking(at)) == 20
    press(at, "Compute it both ways") if any(
        button.label == "Compute it both ways" for button in at.button
    ) else None
    assert not at.exception
    assert any(metric.label == "Volume" for metric in at.metric)
    at.number_input(key="p_laplace.radius").set_value(1.0).run()
    assert any(
        "No image has been measured" in info.value for info in at.info
    )  # radii are never mixed


def test_the_radius_panel_measures_its_own_radii_whatever_the_radius_of_the_ranking(
    model_and_images: tuple[str, str],
) -> None:
    model, images = model_and_images
    at = opened(
        "p_laplace",
        model=model,
        images=images,
        directions="4",
        fine="4",
        radius="0.5",
        look="Radius",
        sigma="0.5",
    )
    measure_everything(at)
    assert not at.exception
    table = next(frame.value for frame in at.dataframe if "radius / σ√d" in frame.value).set_index(
        "radius / σ√d"
    )
    denoiser, image_set = load_denoiser(model, "cpu"), load_images(images)
    chosen = image_set.batch([image_set.ids.index(ranking(at)["id"].iloc[0])])
    for radius in (0.4, 1.0, 2.0):
        direct = p_laplace(
            denoiser, chosen, 0.5, radius=radius * 0.5 * denoiser.dimension**0.5, directions=4
        )
        assert table["K"][radius] == pytest.approx(float(direct.value), rel=1e-4)


@pytest.mark.parametrize("page", ["volume_growth", "p_laplace"])
def test_the_provenance_names_the_precomputed_run_of_these_images(page: str) -> None:
    at = opened(page)
    (details,) = [
        json.loads(element.value) for element in at.json if "precomputed" in str(element.value)
    ]
    assert details["precomputed"]["images"] == {
        name: details["images"][name] for name in details["precomputed"]["images"]
    }


@pytest.mark.parametrize(
    "sources",
    [
        Sources(),
        Sources(reference=""),
        Sources(model="demo-middle"),
        Sources(model="demo-middle", reference="demo-reference"),
        Sources(model="demo-middle", reference=""),
        Sources(
            model="dit",
            images="none/pictures",
            reference="models/none/early",
            label=0,
            mirror=True,
            group="folder",
        ),
        Sources(model="dit", images="pictures", reference="", size=16, channels=1),
    ],
)
def test_an_address_gives_back_what_was_loaded(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address.st, "query_params", {})
    address.st.query_params.update(address.for_url(sources))
    assert address.sources_of_url() == sources


def test_minus_the_reference_is_said_of_every_number_it_is_taken_from() -> None:
    at = opened("p_laplace", of="Minus reference", fine="2")
    assert not at.exception
    labels = [number["label"] for number in explored(at)["page"]["numbers"]]
    assert "Loss, minus reference" in labels
    table = next(frame.value for frame in at.dataframe if "σ" in frame.value)
    assert all(name == "σ" or name.endswith(", minus reference") for name in table)
