"""The workspace page with own models and images: what it loads, what it refuses, and that a link
downloads nothing by itself.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import datasets
import diffusers
import huggingface_hub
import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from memlib import load_denoiser, load_images
from memlib.measures import MEASURES
from pages.session import paths
from pages.session.messages import JOINER, plain
from tests.conftest import tiny_unet
from tests.memlib.denoisers.test_loaders_models import FakeHub, classed_unet, tiny_ldm
from tests.memlib.images.test_loaders_images import hub_of, write_parquet
from tests.pages.app import everything, field, measure_everything, opened, press, visit
from tests.pages.test_pages import ranking, submit


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder the app may read, with a model and two sets of pictures larger than it draws."""
    tiny_unet().save_pretrained(tmp_path / "model" / "unet")
    diffusers.DDPMScheduler().save_pretrained(tmp_path / "model" / "scheduler")
    for name, seeds in (("pictures", range(12)), ("others", range(10, 16))):
        (tmp_path / name / "deep").mkdir(parents=True)
        for seed in seeds:
            pixels = np.random.default_rng(seed).integers(0, 256, (10, 14, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(
                tmp_path / name / ("deep" if seed % 2 else ".") / f"{seed}.png"
            )
    monkeypatch.setenv("AFTERIMAGE_ROOTS", str(tmp_path))
    monkeypatch.setenv("AFTERIMAGE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def workspace_page(**url: str) -> AppTest:
    return opened("workspace", **url)


def said(at: AppTest) -> str:
    """Everything the page says in words."""
    return "\n".join(
        str(part.value)
        for part in (*at.caption, *at.text, *at.markdown, *at.info, *at.error, *at.sidebar.caption)
    )


def address(at: AppTest) -> dict[str, str]:
    """What stands in the URL."""
    return {
        name: value if isinstance(value, str) else value[0]
        for name, value in at.query_params.items()
    }


def facts(at: AppTest) -> dict[str, str]:
    table = next(frame.value for frame in at.dataframe if "Property" in frame.value)
    return dict(zip(table["Property"], table["Value"], strict=True))


def test_held_out_images_transforms_and_groups_come_from_the_link_and_stay_in_it(
    place: Path,
) -> None:
    url = {
        "model": str(place / "model"),
        "images": str(place / "pictures"),
        "held_out": str(place / "others"),
        "size": "8",
        "fit": "stretch",
        "mirror": "yes",
        "group": "folder",
    }
    at = workspace_page(**url)
    assert not at.exception
    assert not at.error
    assert {name: address(at)[name] for name in url} == url
    assert "held-out: 4" in said(at)  # two of six are among the pictures too
    assert "deep: 6" in said(at)
    loaded = at.session_state.workspace.images
    expected = load_images(place / "pictures", size=8, fit="stretch", mirror=True)
    assert loaded.ids[:12] == expected.ids
    at.switch_page("pages/volume_growth/page.py").run()
    everything(at)
    at.number_input(key="volume_growth.steps").set_value(2).run()
    press(at, "Measure")
    assert not at.exception
    assert (ranking(at)["group"] == "held-out").sum() == 4


def test_the_group_can_be_changed_on_the_page(place: Path) -> None:
    at = workspace_page(model=str(place / "model"), images=str(place / "pictures"), size="8")
    next(box for box in at.selectbox if box.label == "Groups").set_value("folder").run()
    assert not at.exception
    assert address(at)["group"] == "folder"
    assert "deep: 6" in said(at)


def test_loading_says_what_was_loaded_and_where_to_go_on(place: Path) -> None:
    at = workspace_page(model="none")
    next(box for box in at.number_input if box.label == "Image size").set_value(8)
    field(at, "Held-out images").set_value(str(place / "others"))
    submit(at, str(place / "model"), str(place / "pictures"))
    assert not at.exception and not at.error
    (done,) = at.success
    assert done.value.startswith("Loaded: the model **model** with")
    assert "16 images of **pictures**, 4 of them held out." in done.value.replace("\\", "")
    label = "Go to the overview, or start a survey below, which fills it"
    assert label in [link.proto.label for link in at.get("page_link")]
    assert not workspace_page(**address(at)).success  # a link says nothing of it


def test_a_model_of_text_is_loaded_with_a_prompt_and_keeps_it_in_the_address() -> None:
    at = workspace_page(model="none")
    field(at, "Prompt").set_value("eyes, body parts")
    next(box for box in at.number_input if box.label == "Guidance scale").set_value(3.0)
    next(box for box in at.selectbox if box.label == "Reference model").set_value("null")
    submit(at, "demo-text", "demo-text")
    assert not at.exception and not at.error
    assert at.session_state.workspace.reference.prompt == ""
    assert address(at)["reference"] == "null"
    assert at.session_state.workspace.denoiser.prompt == "eyes, body parts"
    assert (address(at)["prompt"], address(at)["guidance_scale"]) == ("eyes, body parts", "3.0")


def test_a_preview_shows_pictures_and_loads_nothing(place: Path) -> None:
    at = workspace_page(model="none")
    field(at, "Images").set_value(str(place / "pictures"))
    next(box for box in at.number_input if box.label == "Image size").set_value(8)
    press(at, "Preview images")
    assert not at.exception
    assert "As stored in the files" in said(at)
    assert at.session_state.workspace is None


def test_of_several_arrays_in_a_file_it_asks_which_are_the_images_and_which_are_held_out(
    place: Path,
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), dtype=np.uint8)
    np.savez(place / "both.npz", x_train=pixels[:5], x_test=pixels[5:], y_train=np.arange(5))
    at = workspace_page(model="none")
    submit(at, str(place / "model"), str(place / "both.npz"))
    assert not at.exception and not at.error
    assert at.session_state.workspace is None
    boxes = {box.label: box for box in at.selectbox if box.label.startswith("Array of")}
    assert [box.value for box in boxes.values()] == ["x_train", "x_test"]  # y_train are no pictures
    press(at, "Load these")
    assert not at.exception and not at.error
    images = at.session_state.workspace.images
    assert images.held_out.tolist() == [False] * 5 + [True] * 4
    assert address(at)["held_out"].endswith("both.npz:x_test")
    assert not any(box.label.startswith("Array of") for box in at.selectbox)
    again = workspace_page(**address(at))
    assert again.session_state.workspace.images.ids == images.ids


def test_near_duplicates_are_counted_on_request(place: Path) -> None:
    shutil.copy(place / "pictures" / "2.png", place / "pictures" / "twin.png")
    at = workspace_page(model=str(place / "model"), images=str(place / "pictures"), size="8")
    assert "near-duplicate;" not in said(at)
    press(at, "Find near-duplicates")
    assert not at.exception
    assert (
        "2 of 13 images have a near-duplicate; counting near-duplicates as one, there are 12 images"
        in said(at)
    )


def test_the_device_is_checked_and_costs_are_stated_on_request(place: Path) -> None:
    at = workspace_page(model=str(place / "model"), images=str(place / "pictures"), size="8")
    known = facts(at)
    assert known["Kind"] == "variance preserving"
    assert known["Predicts"] == "the noise"
    assert at.get("plotly_chart")
    press(at, "Check the device on 12 images")
    assert not at.exception
    assert "agrees with double precision on the CPU" in at.success[0].value


def test_a_class_is_asked_for_and_stands_in_the_link(place: Path) -> None:
    classed_unet().save_pretrained(place / "classed" / "unet")
    diffusers.DDPMScheduler().save_pretrained(place / "classed" / "scheduler")
    at = workspace_page(model=str(place / "classed"), images=str(place / "pictures"), size="8")
    assert "choose one from 0 to 3" in at.error[0].value
    assert field(at, "Model").value == str(place / "classed")  # nothing of the link is lost
    next(box for box in at.number_input if box.label == "Class").set_value(2)
    press(at, "Load")
    assert not at.error
    assert facts(at)["Class"] == "2 of 0 to 3"
    assert address(at)["label"] == "2"


def test_a_latent_model_measures_pictures_and_says_that_its_maps_are_of_latents(
    place: Path,
) -> None:
    tiny_ldm(place / "ldm")
    at = opened(
        "volume_growth",
        model=str(place / "ldm"),
        images=str(place / "pictures"),
        size="16",
        steps="2",
        probes="1",
    )
    assert "Measured as latents of 8 x 8; maps are enlarged over the image." in said(at)
    measure_everything(at)
    assert not at.exception
    assert len(ranking(at)) == 12
    workspace = at.session_state.workspace
    asked = MEASURES["volume_growth"].defaults(workspace.denoiser) | {"steps": 2, "probes": 1}
    rows = at.session_state.results.rows(workspace.denoiser.digest, "volume_growth", asked)
    assert rows[workspace.images.ids[0]]["map"].shape == (8, 8)
    at.button_group(key="volume_growth.closer").set_value("Redraw").run()
    press(at, "Redraw it")
    assert not at.exception
    at.button_group(key="volume_growth.closer").set_value("Exact map").run()
    press(at, "Compute the exact map")
    assert not at.exception
    at.switch_page("pages/p_laplace/page.py").run()
    at.number_input(key="p_laplace.fine").set_value(2).run()
    measure_everything(at)
    assert not at.exception
    assert len(ranking(at)) == 12
    at.switch_page("pages/workspace/page.py").run()
    assert facts(at)["Works on"] == "latents, 8 x 8, 3 channels"
    assert facts(at)["Draws"] == "16 x 16, colour"


class NoHub:
    """A Hub nobody may ask."""

    def __init__(self, *_: object, **__: object) -> None:
        raise AssertionError("the Hub was asked")


@pytest.mark.parametrize("page", ["workspace", "volume_growth"])
@pytest.mark.parametrize(
    "url",
    [
        {"model": "someone/model"},
        {"images": "someone/pictures:train"},
        {"reference": "someone/model"},
        {"held_out": "a/b"},
    ],
)
def test_a_link_downloads_nothing_by_itself(
    page: str, url: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("snapshot_download", "HfApi", "hf_hub_download"):
        monkeypatch.setattr(huggingface_hub, name, NoHub)
    monkeypatch.setattr(datasets, "load_dataset", NoHub)
    at = opened(page, **url)
    assert not at.exception
    assert "Nothing is downloaded before you agree" in at.info[0].value
    assert any(button.label == "Download and open" for button in at.button)
    assert address(at) == url


def hub(place: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The Hub as the example of docs/models.md finds it: a model and a data set of 8 x 8
    look-alikes, saved by diffusers and as Parquet.
    """
    flat = shutil.copytree(
        place / "model" / "unet", place / "flat"
    )  # as the model on the Hub lies: no folders
    shutil.copy(place / "model" / "scheduler" / "scheduler_config.json", flat)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", FakeHub(flat, place / "hub"))
    (place / "repo").mkdir()
    small = load_images(place / "pictures", size=8)
    (place / "small" / "class-0").mkdir(parents=True)
    for index in range(len(small)):
        Image.fromarray(((small[index].permute(1, 2, 0) + 1) * 127.5).round().byte().numpy()).save(
            place / "small/class-0" / f"{index:02}.png"
        )
    write_parquet(place / "small", place / "repo" / "train-00000.parquet")
    return hub_of(place / "repo", monkeypatch)


def test_the_readmes_worked_example_runs_on_a_look_alike(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """google/ddpm-cifar10-32 with uoft-cs/cifar10 as docs/models.md has it: the link asks, the
    commit is pinned, images are ranked.
    """
    calls = hub(place, monkeypatch)
    at = workspace_page(model="google/ddpm-cifar10-32", images="uoft-cs/cifar10:train")
    assert not calls
    press(at, "Download and open")
    assert not at.exception
    assert not at.error
    assert calls[0]["name"] == "uoft-cs/cifar10"
    assert calls[0]["revision"] == "c" * 40
    assert address(at)["model"] == f"google/ddpm-cifar10-32@{'a' * 40}"
    assert address(at)["images"] == f"uoft-cs/cifar10@{'c' * 40}:train"
    assert facts(at)["Commit"] == "a" * 40
    assert any(text.value == "google/ddpm-cifar10-32@aaaaaaa" for text in at.sidebar.text)
    next(box for box in at.selectbox if box.label == "Groups").set_value("label").run()
    at.switch_page("pages/volume_growth/page.py").run()
    at.number_input(key="volume_growth.steps").set_value(2).run()
    measure_everything(at)
    assert not at.exception
    assert len(ranking(at)) == 12
    model = load_denoiser(
        "google/ddpm-cifar10-32", "cpu"
    )  # and in the library, as docs/models.md has it
    images = load_images("uoft-cs/cifar10:train", limit=4)
    assert model.shape == images.shape


def test_the_token_comes_from_the_secrets_and_goes_to_the_hub_alone(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = hub(place, monkeypatch)
    at = visit("volume_growth")
    at.secrets["HF_TOKEN"] = "hf_secret"
    monkeypatch.setattr("streamlit.secrets.load_if_toml_exists", lambda: True)
    at.query_params["model"] = "someone/private"
    at.query_params["images"] = "someone/pictures:train"
    at.run()
    press(at, "Download and open")
    assert calls[0]["token"] == "hf_secret"
    assert "hf_secret" not in said(at) + json.dumps(dict(at.query_params))


def test_links_out_of_the_allowed_folders_are_refused(
    place: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    shutil.copytree(place / "model", outside / "model")
    shutil.copytree(place / "pictures", outside / "pictures")
    (place / "door").symlink_to(outside)
    (place / "linked").mkdir()
    (place / "linked" / "unet").symlink_to(outside / "model" / "unet")
    shutil.copytree(place / "model" / "scheduler", place / "linked" / "scheduler")
    monkeypatch.chdir(place)
    (place / "data").mkdir()
    (place / "data" / "stolen").symlink_to(
        outside / "model"
    )  # "data/stolen" could be the name of something on the Hub
    at = workspace_page()
    for model in (place / "door" / "model", place / "linked", "data/stolen"):
        submit(at, str(model), str(place / "pictures"), 8)
        assert (
            "outside the folders" in at.error[0].value
            or "leads out of the folders" in at.error[0].value
        )
        assert "Emoji demo model" in [text.value for text in at.sidebar.text]
    with pytest.raises(ValueError, match="leads out"):
        paths.stamped(str(place))
    submit(at, str(place / "model"), str(place / "pictures"), 8)
    assert not at.error


def test_folders_on_the_command_line_may_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AFTERIMAGE_ROOTS", raising=False)
    with pytest.raises(ValueError, match="outside the folders"):
        paths.confine(str(tmp_path))
    monkeypatch.setattr("sys.argv", ["app.py", str(tmp_path)])
    assert paths.confine(str(tmp_path)) == str(tmp_path.resolve())


def test_errors_show_no_path_of_the_server_and_no_markup_of_a_file_name(place: Path) -> None:
    (place / "bad").mkdir()
    (place / "bad" / "![x](https:__example.org_p.png) <b>.png").write_text("no picture")
    at = workspace_page()
    for images in ("missing-folder", "pyproject.toml"):
        submit(at, "demo", images)
        assert str(Path.cwd()) not in at.error[0].value
    submit(at, "demo", str(place / "bad"))
    shown = at.error[0].value
    assert "no usable picture" in shown
    assert "![x](" not in shown
    assert "<b>" not in shown
    assert str(place) not in shown


def test_every_character_of_an_error_stands_for_itself() -> None:
    assert (
        plain("a [b](c) *d* $e$ :f: <g> 'h' 8 x 8.")
        == rf"a \[b\]\(c\) \*d\* \$e\$ \:{JOINER}f\: \<g\> 'h' 8 x 8."
    )
