"""The extraction page, run by AppTest: stored runs, new attacks, images from elsewhere, every way
to look at them.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from memlib import load_images
from memlib.evidence import bounds
from memlib.extraction import read_generations, stages
from memlib.extraction.attack_settings import AttackSettings
from memlib.images import to_pixels
from pages.extraction import methods_compared
from tests.memlib.denoisers.test_loaders_models import tiny_ldm
from tests.pages.app import opened, press
from tests.pages.test_pages import write_groups

VIEWS = ("Pairs", "Methods compared", "Clusters", "Replay", "Find an image")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(stages, "FOLDER", tmp_path / "runs")
    return tmp_path / "runs"


def page(**url: str) -> AppTest:
    return opened("extraction", **url)


def generations(at: AppTest) -> pd.DataFrame:
    """The table of all generated images."""
    return next(frame.value for frame in at.dataframe if "second_distance" in frame.value)


def test_at_most_is_one_bound_on_the_whole_page() -> None:
    """A rate of 0 is bounded one-sided, in the metric, in its help and in the table's words."""
    at = page(run="side", view="Methods compared")
    assert not at.exception
    metric = next(one for one in at.metric if one.label == "Called copies of held-out images")
    bound = bounds(0, 1024)
    assert metric.delta == bound
    assert bound in metric.help
    assert "to 0.4%" not in metric.help  # the two-sided end
    assert "one-sided" in metric.help
    assert "one-sided" in methods_compared._COLUMNS[methods_compared.HELD_OUT_RATE]["help"]


def choose(at: AppTest, method: str, **numbers: float) -> AppTest:
    next(group for group in at.button_group if group.label == "Method").set_value(method).run()
    for label, value in numbers.items():
        next(box for box in at.number_input if box.label == label.replace("_", " ")).set_value(
            value
        )
    return at.run()


def start(at: AppTest, method: str, **numbers: float) -> AppTest:
    return press(choose(at, method, **numbers), "Start")


def test_the_demo_opens_with_its_stored_attack_and_the_held_out_control_beside_it() -> None:
    at = page()
    assert not at.exception
    assert not at.error
    metrics = {metric.label: metric.value for metric in at.metric}
    assert float(metrics["Copies"].rstrip("%")) > float(
        metrics["Called copies of held-out images"].rstrip("%")
    )
    assert float(metrics["Called copies of held-out images"].rstrip("%")) < 1
    table = generations(at)
    assert len(table) >= 1024
    assert {"nearest", "ratio", "distance", "adaptive", "verdict", "seed", "growth", "K_1"} <= set(
        table
    )
    assert ((table["ratio"] < 1 / 3) == (table["verdict"] == "copy")).all()


@pytest.mark.parametrize("view", VIEWS)
def test_every_way_to_look_at_a_run_works_for_every_bundled_run(view: str) -> None:
    for run in ("unconditional", "side"):
        at = page(run=run, look=view)
        assert not at.exception
        assert not at.error
        assert at.session_state["extraction.run"] == run


def test_a_link_opens_the_generation_it_names_and_nonsense_in_it_does_no_harm() -> None:
    assert any(
        "Generated image 2100 " in text.value for text in page(run="side", generation="2100").text
    )
    at = page(
        run="nowhere",
        generation="x",
        look="sideways",
        criterion="feeling",
        twins="-1",
        found_page="999",
        verdict="maybe",
    )
    assert not at.exception


def test_the_criterion_and_its_threshold_decide_the_verdicts() -> None:
    at = page(run="unconditional", criterion="Distance")
    at.number_input(key="extraction.cut_distance").set_value(0.05).run()
    table = generations(at)
    assert ((table["distance"] < 0.05) == (table["verdict"] == "copy")).all()
    share = (table["verdict"] == "copy").mean()
    assert next(metric.value for metric in at.metric if metric.label == "Copies") == f"{share:.1%}"


def test_an_attack_on_an_own_model_is_drawn_stored_compared_and_resumed(
    model_and_images: tuple[str, str], own_folder: Path
) -> None:
    model, images = model_and_images
    at = page(model=model, images=images)
    assert any("No attack on this model is stored" in info.value for info in at.info)
    start(at, "unconditional", Images_to_draw=70, Steps=2)
    assert not at.exception
    assert len(generations(at)) == 70
    start(
        at,
        "side",
        Images_to_draw=66,
        Model_samples=40,
        Clusters=4,
        Cohesion=-1.0,
        Updates=3,
        Steps=2,
    )
    assert not at.exception
    table = generations(at)
    assert len(table) == 66
    assert table["number"].tolist() == list(range(40, 106))
    assert set(table["cluster"]) <= set(range(4))
    at.button_group(key="extraction.look").set_value("Methods compared").run()
    assert not at.exception
    lines = next(frame.value for frame in at.dataframe if "network forwards" in frame.value)
    assert len(lines) == 2
    for view in ("Clusters", "Replay", "Pairs"):
        at.button_group(key="extraction.look").set_value(view).run()
        assert not at.exception
    run = own_folder / at.session_state["extraction.run"]
    before = read_generations(run).images.ids
    (run / "part-000001.npz").unlink()
    press(at, "Start")
    assert read_generations(run).images.ids == before
    press(at, "Measure the generated images")
    assert not at.exception
    assert generations(at)[["growth", "K_1"]].notna().all().all()


def test_settings_that_cannot_be_used_are_one_sentence(model_and_images: tuple[str, str]) -> None:
    model, images = model_and_images
    at = page(model=model, images=images)
    choose(at, "side", Images_to_draw=4, Model_samples=4, Clusters=50, Steps=2)
    assert not at.exception
    assert any("clusters" in error.value for error in at.error)
    assert next(button for button in at.button if button.label == "Start").disabled
    choose(at, "side", Model_samples=16, Clusters=8)
    assert any("too few for clusters as tight" in error.value for error in at.error)
    press(at, "Use 64 model samples in 16 clusters")
    assert not at.exception and not at.error
    assert not next(button for button in at.button if button.label == "Start").disabled


def test_images_generated_elsewhere_are_matched_and_bad_ones_are_one_sentence(
    tmp_path: Path, model_and_images: tuple[str, str]
) -> None:
    model, images = model_and_images
    training = load_images(images)
    np.savez(
        tmp_path / "theirs.npz",
        images=np.concatenate([to_pixels(training.batch([5])), np.zeros((2, 8, 8, 3), np.uint8)]),
    )
    at = page(model=model, images=images, generated=str(tmp_path / "theirs.npz"))
    assert not at.exception
    assert generations(at)["nearest"][0] == 5
    assert generations(at)["verdict"][0] == "copy"
    for bad in ("nowhere.npz", "/etc", "\x00"):
        at = page(model=model, images=images, generated=bad)
        assert not at.exception
        assert len(at.error) == 1


def test_without_held_out_images_no_false_positive_rate_is_given(
    tmp_path: Path, model_and_images: tuple[str, str]
) -> None:
    model, _ = model_and_images
    for groups, known in ((["trained"] * 6, False), (["trained"] * 4 + ["held-out"] * 3, True)):
        images = write_groups(tmp_path / f"pictures-{known}", groups)
        np.savez(
            tmp_path / "theirs.npz",
            images=np.random.default_rng(1).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8),
        )
        at = page(model=model, images=images, generated=str(tmp_path / "theirs.npz"))
        assert not at.exception
        labels = {metric.label: metric.value for metric in at.metric}
        assert ("Called copies of held-out images" in labels) == known
        assert labels.get("False positives", "unknown") == "unknown"


def test_a_latent_model_is_attacked_in_its_latents_and_matched_as_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_ldm(tmp_path / "ldm")
    np.save(
        tmp_path / "images.npy",
        np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8),
    )
    monkeypatch.setenv("AFTERIMAGE_ROOTS", str(tmp_path))
    at = page(model=str(tmp_path / "ldm"), images=str(tmp_path / "images.npy"))
    start(
        at,
        "side",
        Images_to_draw=5,
        Model_samples=24,
        Clusters=3,
        Cohesion=-1.0,
        Updates=2,
        Steps=2,
    )
    assert not at.exception
    assert not at.error
    assert len(generations(at)) == 5
    assert read_generations(stages.FOLDER / at.session_state["extraction.run"]).images.shape == (
        3,
        16,
        16,
    )


def test_extraction_shows_pairs_after_p_was_chosen_on_the_page_of_p_laplace() -> None:
    at = AppTest.from_file(str(Path(__file__).parents[2] / "app.py"), default_timeout=120)
    at.switch_page("pages/p_laplace/page.py").run()
    next(one for one in at.button_group if one.label == "p").set_value(1.5).run()
    at.switch_page("pages/extraction/page.py").run()
    assert not at.exception
    assert at.button_group(key="extraction.look").value == "Pairs"


def test_the_settings_of_an_attack_stand_in_the_address_and_have_their_limits() -> None:
    at = opened("extraction", method="permuted", strength="2.5", steps="9999")
    assert not at.exception
    assert at.button_group(key="extraction.method").value == "permuted"
    assert at.number_input(key="extraction.strength").value == 2.5
    assert at.number_input(key="extraction.steps").value == AttackSettings.steps
    at.number_input(key="extraction.clusters").set_value(2000).run()
    assert any("clusters" in error.value for error in at.error)  # more than images to divide
    at.button_group(key="extraction.method").set_value("Unconditional").run()
    assert not at.error
    asked = {one.key for one in at.number_input}
    assert "extraction.clusters" not in asked
    assert "extraction.eta" in asked
    at.button_group(key="extraction.method").set_value("Different images").run()
    assert not at.error
    assert "extraction.after" in {one.key for one in at.number_input}
