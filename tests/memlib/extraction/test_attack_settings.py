"""Settings of attacks: one default each, values in their limits, the same through every way."""

import argparse
import json
from typing import Any

import pytest

from memlib.commands import extract, reproduce
from memlib.commands.inputs import settings_of
from memlib.extraction.attack_settings import (
    DRAWING,
    GUIDANCE,
    METHODS,
    SAMPLER,
    SEEKING,
    AttackSettings,
    TooSmall,
)
from tests.memlib.measures.test_settings import WRONG

OTHER: dict[str, Any] = {
    "method": "permuted",
    "count": 7,
    "steps": 3,
    "seed": 5,
    "high": 40.0,
    "low": 0.5,
    "eta": 1.0,
    "solver_order": 2,
    "look": 2,
    "again": 1.5,
    "enough": 3,
    "contrast": 2.0,
    "repulsion": 1.5,
    "strength": 2.5,
    "own": 64,
    "clusters": 9,
    "cohesion": -0.25,
    "features": "timm:a&b=c d",
    "layout": "resnet34",
    "updates": 11,
}


def test_every_setting_is_asked_for_on_the_page_and_by_the_command() -> None:
    assert (
        {"method", *DRAWING, *SAMPLER, *SEEKING, *GUIDANCE}
        == set(AttackSettings.options())
        == set(OTHER)
    )


def test_settings_are_the_same_through_their_canonical_form_and_an_address() -> None:
    usual, other = AttackSettings(), AttackSettings(**OTHER)
    assert AttackSettings.read(json.loads(json.dumps(other.parameters))) == other
    assert usual.address(usual) == {}
    assert len(other.address(usual)) == len(OTHER)
    assert usual.with_address(other.address(usual)) == other


@pytest.mark.parametrize("value", [value for value in WRONG if value != -1], ids=str)
@pytest.mark.parametrize("name", OTHER)
def test_no_command_and_no_address_asks_for_what_is_outside_the_limits(
    name: str, value: Any
) -> None:
    with pytest.raises(ValueError, match=name) as error:
        AttackSettings.read({name: value})
    assert len(str(error.value)) < 300 and "\n" not in str(error.value)


def test_more_clusters_than_images_are_refused_unless_nothing_is_clustered() -> None:
    with pytest.raises(ValueError, match="There must be 2 to 10 clusters"):
        AttackSettings(own=10, clusters=11)
    assert AttackSettings(method="unconditional", own=10, clusters=11).forwards == 256 * 50


def test_a_path_that_would_end_before_it_is_looked_at_is_refused() -> None:
    with pytest.raises(ValueError, match="A path of 6 steps cannot be ended after 6"):
        AttackSettings(method="seek", steps=6)
    assert AttackSettings(method="seek", steps=8, contrast=2.0).forwards == 256 * 14
    assert AttackSettings(method="unconditional", steps=4).look == 6


@pytest.mark.parametrize(
    ("asked", "instead"),
    [
        ({"own": 16, "clusters": 8}, {"own": 64, "clusters": 16}),
        ({"own": 1024, "clusters": 4}, {"own": 1024, "clusters": 16}),
        ({"own": 64, "clusters": 50}, {"own": 100, "clusters": 50}),
    ],
)
def test_an_attack_too_small_for_tight_clusters_is_refused_with_settings_that_work(
    asked: dict[str, int], instead: dict[str, int]
) -> None:
    with pytest.raises(TooSmall, match=r"too few for clusters as tight as 0\.9") as error:
        AttackSettings(**asked)
    assert error.value.instead == instead
    assert AttackSettings(**instead).guided
    assert not AttackSettings(**asked, method="unconditional").guided
    assert AttackSettings(**asked, cohesion=0.3).own == asked["own"]


@pytest.mark.parametrize("method", METHODS)
def test_the_command_takes_each_setting_and_says_its_default(method: str) -> None:
    asked = OTHER | {"method": method}
    parser = argparse.ArgumentParser()
    extract.arguments(parser)
    told = parser.parse_args([f"--{name}={value}" for name, value in asked.items()])
    assert settings_of(told, extract.USUAL, list(OTHER)) == AttackSettings(**asked)
    help = " ".join(parser.format_help().split())
    for name, value in AttackSettings().parameters.items():
        assert f"--{name}" in help
        assert f"(default: {value:g})" in help if isinstance(value, float) else str(value) in help


def test_reproduce_asks_for_what_extract_asks_for_in_the_same_words() -> None:
    parsers = argparse.ArgumentParser(), argparse.ArgumentParser()
    extract.arguments(parsers[0])
    reproduce.arguments(parsers[1])
    words = [{action.dest: action.help for action in parser._actions} for parser in parsers]
    for name in ("steps", "seed"):
        assert words[0][name] == words[1][name]
