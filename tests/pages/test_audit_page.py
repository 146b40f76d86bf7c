"""The audit and evidence pages: queues, names, bad input, what is sent to the desk, what nothing
loaded or nothing drawn looks like.
"""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from memlib import load_denoiser, load_images
from memlib.audit import Change, Verdicts
from memlib.bundled import DEMO
from memlib.evidence.draws import Agreement, Draws, rates_and_counts
from memlib.images import of_pixels
from memlib.runs import read_run
from pages.audit import exports as auditing
from pages.ranking.verdicts import DATABASE
from pages.session import neighbours as nearby
from pages.session.messages import plain
from pages.widgets import desk as desk_module
from tests.pages.app import measure_everything, opened, press

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path / 'audit.sqlite'}"
    monkeypatch.setenv(DATABASE, url)
    return url


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the page hands to the desk."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(
        desk_module, "_component", lambda **arguments: found.append(arguments["data"])
    )
    return found


def audit(**url: str) -> AppTest:
    return opened("audit", **url)


def as_reviewer(at: AppTest, name: str) -> AppTest:
    return next(box for box in at.text_input if box.label == "Reviewer").set_value(name).run()


def test_the_queue_is_what_reaches_the_threshold_most_memorised_first_and_says_its_base_rate(
    sent: list[dict[str, Any]],
) -> None:
    at = audit(flag_by="Denoising loss", threshold_denoising_loss="0.01")
    assert not at.exception
    said = next(caption.value for caption in at.caption if "flagged" in caption.value)
    assert " of 964 flagged; at " in said
    assert "expected by chance" in said
    data = sent[-1]
    assert data["total"] == int(said.split(" of ")[0].replace(",", ""))
    cases = {case["id"]: case for case in data["cases"]}
    ranks = [
        next(
            int(line["rank"].replace(",", ""))
            for line in cases[image]["measures"]
            if line["name"] == "denoising_loss"
        )
        for image in data["order"]
        if image in cases
    ]
    assert 1 < len(ranks) < len(data["order"])
    assert ranks == sorted(ranks)
    assert set(data["order"]) == {*cases, *data["film"]}
    assert data["flagged"] == {"measure": "denoising_loss", "threshold": 0.01}
    groups = load_images("demo").metadata["group"]
    places = {image: place for place, image in enumerate(load_images("demo").ids)}
    assert "held-out" not in {groups[places[image]] for image in data["order"]}


def test_everything_of_a_case_is_on_the_desk(sent: list[dict[str, Any]]) -> None:
    audit()
    case = sent[-1]["cases"][0]
    assert case["name"].endswith(".png")
    assert [heat["name"] for heat in case["maps"]] == ["Growth", "Minus reference"]
    assert len(case["measures"]) >= 24
    assert len(case["twins"]["items"]) == 6
    assert case["name"] not in {item["name"] for item in case["twins"]["items"]}
    assert any(item["marked"] for item in case["made"][0]["items"])
    assert "are copies" in case["made"][0]["note"]


def test_the_desk_opens_at_the_case_of_the_link_and_a_wrong_one_does_no_harm(
    sent: list[dict[str, Any]],
) -> None:
    audit()
    wanted = sent[-1]["order"][20]
    audit(case=wanted)
    assert sent[-1]["at"] == wanted
    for url in (
        {"case": "nonsense"},
        {"flag_by": "taste"},
        {"threshold_volume_growth": "1e99"},
        {"queue": "x", "status": "y"},
    ):
        assert not audit(**url).exception
        assert sent[-1]["at"] in sent[-1]["order"]


def test_others_verdicts_are_not_sent_before_ones_own(
    sent: list[dict[str, Any]], database: str
) -> None:
    audit()
    first, second = sent[-1]["order"][:2]
    store, model = Verdicts(database), load_denoiser("demo", "cpu").digest
    store.decide(
        model,
        "Ada",
        [Change(first, "memorised", note="secret"), Change(second, "unsure", note="shared")],
    )
    store.decide(model, "Bob", [Change(second, "memorised")])
    as_reviewer(audit(), "Bob")
    data = sent[-1]
    assert set(data["others"]) == {second}
    assert "secret" not in json.dumps(data)
    assert data["others"][second][0]["verdict"] == "unsure"
    assert data["decided"] == 1
    assert data["mine"][second]["stale"]  # it was given on no evidence
    disputed = as_reviewer(audit(), "Bob")
    disputed.button_group(key="audit.status").set_value("Disputed").run()
    assert not disputed.exception
    assert sent[-1]["order"] == [second]
    disputed.button_group(key="audit.status").set_value("To decide").run()
    assert second not in sent[-1]["order"]


def test_the_queue_is_filtered_and_ordered_by_the_browser_of_images(
    sent: list[dict[str, Any]],
) -> None:
    at = audit()
    whole = sent[-1]["order"]
    at.text_input(key="audit.search").set_value("copied").run()
    places = {image: place for place, image in enumerate(load_images("demo").ids)}
    names = load_images("demo").names
    part = sent[-1]["order"]
    assert all("copied" in names[places[image]] for image in part)
    assert 0 < sent[-1]["total"] == len(part) < len(whole)
    assert [image for image in whole if image in part] == part[: len(set(whole) & set(part))]
    at.button_group(key="audit.order").set_value("Least first").run()
    assert sent[-1]["total"] == len(part)
    audit(search="copied", order="Least first")
    assert sent[-1]["order"][-1] == part[0]
    audit(names="copied")  # its name in links made before
    assert sent[-1]["order"] == part
    at = audit(search="copied", sort="Denoising loss")
    cases = {case["id"]: case for case in sent[-1]["cases"]}
    loss = [
        next(line["rank"] for line in cases[image]["measures"] if line["name"] == "denoising_loss")
        for image in sent[-1]["order"]
        if image in cases
    ]
    ranks = [int(rank.replace(",", "")) for rank in loss]
    assert ranks == sorted(ranks)
    assert any("cases pass the filters" in caption.value for caption in at.caption)


def test_a_metadata_column_is_a_filter_of_the_queue(sent: list[dict[str, Any]]) -> None:
    images = load_images("demo")
    group = dict(zip(images.ids, images.metadata["group"], strict=True))
    audit(queue="Extraction", groups="single")
    assert {group[image] for image in sent[-1]["order"]} == {"single"}


def test_an_image_chosen_elsewhere_is_where_the_desk_is_sent(
    sent: list[dict[str, Any]],
) -> None:
    at = audit()
    first, other = sent[-1]["order"][0], sent[-1]["order"][5]
    assert (sent[-1]["at"], sent[-1]["sent"]) == (first, None)
    audit(image=other)
    assert (sent[-1]["at"], sent[-1]["sent"]) == (other, other)
    at = audit(audit_panel="All cases", image=other)
    assert not at.exception
    assert any("pass the filters. Click" in caption.value for caption in at.caption)


@pytest.mark.parametrize("source", ["Extraction", "By hand", "Imported"])
def test_every_kind_of_queue_opens(source: str, sent: list[dict[str, Any]]) -> None:
    at = audit(queue=source)
    assert not at.exception
    assert not at.error
    assert bool(sent) == (source == "Extraction")


def test_images_are_queued_by_hand_by_their_names(sent: list[dict[str, Any]]) -> None:
    at = audit(queue="By hand")
    at.text_input(key="audit.by_hand_text").set_value("person-muscle").run()
    next(button for button in at.button if button.label.startswith("Add")).click().run()
    assert not at.exception
    assert sent[-1]["total"] > 0
    assert all("person-muscle" in case["name"] for case in sent[-1]["cases"])


def test_a_list_is_imported_and_a_folder_outside_is_refused(sent: list[dict[str, Any]]) -> None:
    at = audit(queue="Imported")
    name = load_images("demo").names[5]
    at.file_uploader[0].upload(
        "list.csv", f"file_name,why\n{name},x\nnothing.png,y\n".encode(), "text/csv"
    ).run()
    assert not at.exception
    assert any(
        "1 exact" in caption.value and "1 not in training" in caption.value
        for caption in at.caption
    )
    assert sent[-1]["cases"][0]["name"] == name
    at.text_input(key="audit.import_folder").set_value("/etc").run()
    assert any("outside the folders" in error.value for error in at.error)


def test_a_database_that_cannot_be_opened_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, sent: list[dict[str, Any]]
) -> None:
    monkeypatch.setenv(DATABASE, "postgresql+psycopg://nobody:sesame@127.0.0.1:1/none")
    at = audit()
    assert not at.exception
    assert len(at.error) == 1
    assert "cannot be opened" in at.error[0].value
    assert "sesame" not in at.error[0].value


def test_a_set_without_held_out_images_is_told_that_no_rate_can_be_given(
    model_and_images: tuple[str, str],
    sent: list[dict[str, Any]],
) -> None:
    model, images = model_and_images
    at = audit(model=model, images=images)
    assert any("No image has been measured yet" in info.value for info in at.info)
    assert not at.exception
    at = opened("volume_growth", model=model, images=images, steps="12", probes="2")
    measure_everything(at)
    at.switch_page("pages/audit/page.py").run()
    assert not at.exception
    assert any("is unknown, since no held-out images" in caption.value for caption in at.caption)
    assert sent[-1]["total"] >= 1


def test_the_evidence_page_shows_what_came_back_and_every_measure() -> None:
    at = opened("evidence")
    assert not at.exception
    assert not at.error
    assert {metric.label: metric.value for metric in at.metric}["Copies"] == "1,280"
    table = next(frame.value for frame in at.dataframe if "AUC" in frame.value)
    assert len(table) == 25
    assert table["AUC"].is_monotonic_decreasing


def test_estimated_rates_stand_beside_counts_of_the_sampler_they_speak_of() -> None:
    at = opened("evidence", copy_by="Distance")
    assert not at.exception
    draws, _ = Draws.read(DEMO / "stochastic")
    images = load_images("demo")
    rows = read_run(DEMO / "runs" / "reproduction-rate")[1]
    table = rates_and_counts(rows, images, draws.times(images, 0.1), draws.count)
    found = Agreement.of(table)
    assert found is not None
    said = " ".join(block.value for block in at.markdown)
    assert plain(found.sentence()) in said
    assert f"the counts of {draws.count:,} generated images" in said
    assert f"{draws.credited(images, 0.1).sum() / draws.count:.1%} of {draws.count:,}" in said


def test_without_copies_the_evidence_page_gives_a_bound_and_no_auc_of_reproduction() -> None:
    at = opened("evidence", copy_by="Distance")
    next(box for box in at.number_input if box.key == "copy_cut_distance").set_value(0.0).run()
    assert not at.exception
    assert any("0 of 4,096 pictures drawn are copies" in text.value for text in at.markdown)
    assert any("no AUC" in info.value for info in at.info)
    choices = next(
        group for group in at.button_group if group.label == "Images that should rank above others"
    )
    assert "reproduced against not" not in choices.options


def test_near_duplicates_are_not_sought_before_there_is_anything_to_compare(
    model_and_images: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("memlib.extraction.stages.FOLDER", tmp_path / "drawn")
    monkeypatch.setattr("pages.session.neighbours.groups", fail)
    at = opened("evidence", model=model_and_images[0], images=model_and_images[1])
    assert not at.exception
    assert any("nothing to compare" in info.value for info in at.info)


def test_evidence_of_an_own_model_starts_with_drawing_and_keeps_what_is_drawn(
    model_and_images: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, images = model_and_images
    monkeypatch.setattr("memlib.extraction.stages.FOLDER", tmp_path / "drawn")
    at = opened("evidence", model=model, images=images)
    assert any("No generated images of this model are stored yet" in info.value for info in at.info)
    next(box for box in at.number_input if box.key == "draw_count_0").set_value(64).run()
    press(at, "Generate them")
    assert not at.exception
    assert {metric.label: metric.value for metric in at.metric}["Generated images"] == "64"
    assert len(list((tmp_path / "drawn").glob("*/part-*.npz"))) == 1
    again = opened("evidence", model=model, images=images)
    assert {metric.label: metric.value for metric in again.metric}["Generated images"] == "64"
    assert np.isfinite(
        float(
            {metric.label: metric.value for metric in again.metric}["Share of copies"].rstrip("%")
        )
    )


def test_what_to_do_follows_verdicts_given_in_other_queues() -> None:
    images, store = load_images("demo"), Verdicts("sqlite://")
    groups = np.arange(len(images))
    groups[[4, 5, 6]] = 4
    store.decide("m", "Ada", [Change(images.ids[place], "memorised") for place in (4, 5, 9)])
    book: Any = SimpleNamespace(loaded=SimpleNamespace(images=images), groups=groups)
    table = auditing._actions(book, store.history("m"), [4])
    assert dict(zip(table["id"], table["action"], strict=True)) == {
        images.ids[4]: "remove",
        images.ids[5]: "remove",
        images.ids[6]: "look",
    }
    assert len(auditing._actions(book, store.history("m"), None)) == 4


def test_copies_are_counted_anew_once_other_images_are_held_out(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8)
    images, samples = of_pixels("set", pixels), of_pixels("samples", pixels[:2])
    loaded: Any = SimpleNamespace(images=images)
    before = nearby.matches(loaded, samples)["nearest"].tolist()
    images.metadata["group"] = ["held-out", *[""] * 5]
    after = nearby.matches(loaded, samples)["nearest"].tolist()
    assert before == [0, 1]
    assert 0 not in after


def test_pictures_drawn_since_are_counted(
    model_and_images: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, images = model_and_images
    monkeypatch.setattr("memlib.extraction.stages.FOLDER", tmp_path / "drawn")
    at = opened("evidence", model=model, images=images)
    for wanted, label in ((64, "Generate them"), (128, "Generate more")):
        next(box for box in at.number_input if box.key == "draw_count_0").set_value(wanted).run()
        next(button for button in at.button if button.label == label).click().run()
        assert {metric.label: metric.value for metric in at.metric}["Generated images"] == str(
            wanted
        )
