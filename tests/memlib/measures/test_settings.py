"""Settings of measures: one default each, values in their limits, the same through every way."""

import dataclasses
import inspect
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from memlib import MEASURES, GaussianMixture, frame_growth, p_laplace, redraw, volume_growth
from memlib.bundled import DEMO
from memlib.measures import (
    FrameSettings,
    GrowthSettings,
    PLaplaceSettings,
    RedrawSettings,
    Settings,
)
from memlib.measures.dimension import DimensionSettings, flipd
from memlib.measures.loss import IntegratedSettings, LossSettings, denoising_loss, integrated_loss
from memlib.measures.plaplace import LEVELS, POWERS, RANKED

FUNCTIONS = {
    volume_growth: GrowthSettings,
    frame_growth: FrameSettings,
    redraw: RedrawSettings,
    p_laplace: PLaplaceSettings,
    flipd: DimensionSettings,
    denoising_loss: LossSettings,
    integrated_loss: IntegratedSettings,
}
KINDS = list(FUNCTIONS.values())
WRONG: list[Any] = [
    float("nan"),
    float("inf"),
    -1,
    10**400,
    1e300,
    "nonsense" * 1000,
    {},
    [],
    [float("nan")],
    [1] * 10_000,
    [[1.0]],
]


def plane() -> GaussianMixture:
    return GaussianMixture(torch.zeros(1, 1, 4, 4), 0.2)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_default_of_a_function_is_that_of_its_settings(function: Any) -> None:
    for name, parameter in inspect.signature(function).parameters.items():
        if name in FUNCTIONS[function].options() and parameter.default is not parameter.empty:
            default = getattr(FUNCTIONS[function], name)
            assert parameter.default == (default[0] if name == "p" else default), name


@pytest.mark.parametrize("run", sorted((DEMO / "runs").glob("*/manifest.json")), ids=str)
def test_the_settings_of_every_bundled_run_are_canonical_and_the_default_ones(run: Path) -> None:
    manifest = json.loads(run.read_text())
    stored = manifest["parameters"]
    ends = {name: stored[name] for name in ("sigma_min", "sigma_max") if name in stored}
    entries = [one for one in MEASURES.values() if one.run == manifest["measure"]]
    assert entries[0].read(stored).parameters == stored
    assert stored in [one.settings.changed(ends).parameters for one in entries]


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_settings_are_the_same_through_their_canonical_form_and_json(name: str) -> None:
    asked = MEASURES[name].asked(plane())
    assert MEASURES[name].read(json.loads(json.dumps(asked.parameters))) == asked


@pytest.mark.parametrize("kind", KINDS)
def test_settings_are_the_same_through_an_address(kind: type[Settings]) -> None:
    usual = kind().for_model(plane())
    assert usual.address(usual) == {}
    changes: dict[str, Any] = {"seed": 7}
    for name, known in kind.options().items():
        if known.address and known.kind is int:
            changes[name] = int(known.low) + 2 * known.step
        elif known.address and known.kind is float:
            changes[name] = 100 / 3 if name == "sigma_max" else 1 / 3
    other = usual.changed(changes)
    assert usual.with_address(other.address(usual)) == other


def test_words_stand_in_an_address_as_they_are() -> None:
    usual = GrowthSettings().for_model(plane())
    exact = usual.changed({"probes": "exact", "sigma_max": 12.5})
    assert exact.address(usual) == {"probes": "exact", "high": "12.5"}
    assert usual.with_address({"probes": "exact", "high": "12.5", "image": "a"}) == exact


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", WRONG, ids=range(len(WRONG)))
def test_no_manifest_asks_for_what_is_outside_the_limits(kind: type[Settings], value: Any) -> None:
    for name in kind.options():
        with pytest.raises(ValueError, match=name) as error:
            kind.read({name: value})
        assert len(str(error.value)) < 300 and "\n" not in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_no_address_asks_for_what_is_outside_the_limits(kind: type[Settings]) -> None:
    for text in ("", "9" * 5000, "1e999", "nan", "x", "1,2", "-3", "1_0", "\n"):
        for name, known in kind.options().items():
            if known.address:
                with pytest.raises(ValueError, match=name) as error:
                    kind().with_address({known.address: text})
                assert len(str(error.value)) < 300


def test_values_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match="sigma_min must be smaller"):
        GrowthSettings(sigma_min=2.0, sigma_max=1.0)
    with pytest.raises(ValueError, match="an even number"):
        PLaplaceSettings(directions=7)
    with pytest.raises(ValueError, match="noise range"):
        FrameSettings(scheme="paper", sigma_min=0.1)
    with pytest.raises(ValueError, match="no parameter 'stpes'"):
        GrowthSettings.read({"stpes": 3})


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_has_a_name_and_limits(kind: type[Settings]) -> None:
    for name, known in kind.options().items():
        assert known.title and known.help, name
        assert known.kind not in (int, float) or known.high < float("inf"), name
    assert all(field.kw_only for field in dataclasses.fields(kind))


def test_the_ranking_of_every_level_asks_for_the_same() -> None:
    for sigma in LEVELS:
        for p in POWERS:
            assert MEASURES[f"k_{p:g}_at_{sigma:g}"].settings == dataclasses.replace(
                RANKED, sigma=sigma
            )


def test_whole_numbers_and_fractions_have_one_canonical_form() -> None:
    one = GrowthSettings.read({"sigma_min": 1, "sigma_max": 20, "steps": 12.0})
    text = json.dumps(one.parameters, sort_keys=True)
    assert text == json.dumps(
        GrowthSettings(sigma_min=1.0, sigma_max=20.0).parameters, sort_keys=True
    )


def test_the_sphere_of_the_default_radius_is_the_one_left_out() -> None:
    asked = PLaplaceSettings(p=(1.0, 2.0))
    assert asked.on_sphere(0.3, 1.0, plane()).parameters["sigma"] == 0.3
    assert "radius" not in asked.on_sphere(0.3, 1.0, plane()).parameters
    assert asked.on_sphere(0.3, 0.5, plane()).parameters["radius"] == pytest.approx(0.6)
