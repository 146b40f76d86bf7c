"""What others take from a report says what the report says, in the forms that they read."""

import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from memlib.audit.derived import numbers
from memlib.audit.extracts import CARD, CROISSANT, TABLE, extracts
from memlib.audit.record import Record
from memlib.audit.verification import plain
from tests.memlib.audit.test_verification import DRAWS, OUT, record

# The properties of https://mlcommons.org/croissant/RAI/1.0, from its croissant_rai.ttl
VOCABULARY = (
    "dataCollection dataCollectionType dataCollectionMissingData dataCollectionRawData "
    "dataCollectionTimeframe dataPreprocessingProtocol dataImputationProtocol "
    "dataManipulationProtocol dataReleaseMaintenancePlan personalSensitiveInformation "
    "dataAnnotationProtocol dataAnnotationPlatform dataAnnotationAnalysis annotationsPerItem "
    "annotatorDemographics machineAnnotationTools dataSocialImpact dataBiases dataLimitations "
    "dataUseCases"
)


def taken(of: Record) -> dict[str, str]:
    return {name: data.decode() for name, data in extracts(of, plain(numbers(of))).items()}


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return taken(record())


def test_the_card_states_each_count_with_its_n_and_interval_and_what_was_not_tested(
    files: dict[str, str],
) -> None:
    found, card = numbers(record()), files[CARD]
    copies = found["draws"]["copies"]
    assert (
        f"| Pictures drawn that are copies | {copies} | {DRAWS} | {copies / DRAWS:.2%} (95%: "
        in (card)
    )
    assert f"| Held-out images that the same test calls copied | 1 | {OUT} |" in card
    assert "below 0.333" in card and "drawn by the deterministic sampler (`d`)" in card
    tested, rest = card.split("\n\nNot tested: ")
    assert f"Tested: deterministic draws ({DRAWS} pictures).\n" in f"{tested}\n"
    assert "SIDE (" in rest and "deterministic draws" not in rest
    assert "2 images: 1 memorised, 1 disputed." in card


def test_the_card_refuses_a_rate_of_false_hits_from_too_few_images() -> None:
    card = taken(record(held_out=99))[CARD]
    assert "the same test calls" not in card
    assert "No rate of false hits is stated: 99 different images" in card


def test_a_name_is_text_in_the_card_and_no_formula_in_the_table() -> None:
    named = record()
    model = {"name": "<b>[a](b)*\n# c", "digest": "m"}
    images = named.images.assign(name="=1+1")
    card, table = (
        taken(replace(named, facts={**named.facts, "model": model}, images=images))[name]
        for name in (CARD, TABLE)
    )
    assert r"\<b\>\[a\]\(b\)\* \# c (`m`)" in card
    assert all(line.startswith("'=1+1,") for line in table.splitlines()[1:])


def test_the_fragment_has_only_properties_that_croissant_rai_defines(files: dict[str, str]) -> None:
    fragment: dict[str, Any] = json.loads(files[CROISSANT])
    own = {name.removeprefix("rai:") for name in fragment if name.startswith("rai:")}
    assert own and own <= {*VOCABULARY.split()}
    assert {*fragment} - {f"rai:{name}" for name in own} == {
        "@context",
        "@type",
        "name",
        "conformsTo",
    }
    assert "did not examine whether the images show people" in files[CROISSANT]


def test_near_duplicates_that_came_back_are_one_line_with_the_copies_of_all() -> None:
    alike = record()
    alike = replace(alike, images=alike.images.assign(near_duplicates=np.arange(150) // 3))
    table = pd.read_csv(io.StringIO(taken(alike)[TABLE]), dtype={"id": str})
    found = numbers(alike)
    assert table["copies"].sum() == found["draws"]["copies"]
    assert len(table) == found["draws"]["different images"] < len(found["rates"])
    assert (table["low"] < table["rate"]).all() and (table["rate"] < table["high"]).all()
    assert (table["near-duplicates"] == 2).all()
    first = table.iloc[0]
    places = [int(one, 16) for one in (first["id"], *first["their ids"].split())]
    assert len({place // 3 for place in places}) == 1
    times = {line["id"]: line["copies"] for line in found["rates"]}
    assert first["copies"] == sum(times.get(f"{place:016x}", 0) for place in places)
    verdicts = dict(zip(table["id"], table["verdict"], strict=True))
    decided = [said for image, said in verdicts.items() if int(image, 16) < 3]
    assert decided == ["memorised, disputed"]


def test_without_pictures_the_card_says_so_and_the_table_is_empty() -> None:
    bare = replace(record(), draws=pd.DataFrame(), verdicts=pd.DataFrame())
    made = taken(replace(bare, facts={**bare.facts, "draws": {}, "executed": {}}))
    assert "- Pictures: none were drawn." in made[CARD] and "Tested: nothing." in made[CARD]
    assert "| count |" not in made[CARD]
    assert len(made[TABLE].splitlines()) == 1
