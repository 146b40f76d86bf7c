"""The landscapes page: each preset is drawn without a model, links carry its state, a network is
trained and compared.
"""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from memlib import landscapes as land
from pages.widgets import plane as plane_module
from pages.widgets.plane import Field, Probe, Quantity, plane
from tests.pages.app import opened

ROOT = Path(__file__).parents[2]
QUICK = {"points": "4", "signs": "2"}
Sent = list[dict[str, Any]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What the planes were given, in order."""
    data: Sent = []
    monkeypatch.setattr(
        plane_module, "_component", lambda **arguments: data.append(arguments["data"])
    )
    return data


def page(**url: str) -> AppTest:
    return opened("landscapes", **{"model": "none", **QUICK, **url})


def values(field: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(field["values"]), "<f4")


@pytest.mark.parametrize(
    ("preset", "count"),
    [
        ("Three modes", 3),
        ("Narrow among broad", 4),
        ("One heavy", 4),
        ("Ring", 8),
        ("Data points", 12),
    ],
)
def test_each_preset_is_drawn_without_a_model(preset: str, count: int, sent: Sent) -> None:
    at = page(preset=preset)
    assert not at.exception
    assert not at.error
    first, last = sent[0], sent[-1]
    assert (
        first["quantities"][1]["left"]["values"] is None
    )  # the page does not wait for the estimates
    assert len(last["modes"]) == count
    cells = last["size"] ** 2 * len(last["sigmas"])
    for quantity in last["quantities"]:
        for field in (quantity["left"], *quantity["right"]):
            found = values(field)
            assert len(found) in (cells, cells * len(last["powers"]))
            assert np.isfinite(found).all()
    assert len(last["probe"]["rows"]) == len(last["powers"])
    assert {len(levels) for levels in last["probe"]["rows"]} == {len(last["sigmas"])}


def test_what_is_drawn_is_what_the_library_computes(sent: Sent) -> None:
    page()
    data = sent[-1]
    landscape, points = land.mixture(land.three_modes()), land.grid(data["size"])
    density = land.log_density(landscape, points, data["sigmas"]).float().numpy()
    np.testing.assert_allclose(
        values(data["quantities"][0]["left"]).reshape(density.shape), density, rtol=1e-5
    )
    disc = land.disc_averages(
        landscape, points, data["sigmas"][4:5], data["radii"][4:5], data["powers"]
    )[:, 0]
    shape = (len(data["powers"]), len(data["sigmas"]), -1)
    np.testing.assert_allclose(
        values(data["quantities"][1]["left"]).reshape(shape)[:, 4], -disc, rtol=1e-4, atol=1e-6
    )
    growth, _ = land.growth(landscape, points, data["sigmas"])
    np.testing.assert_allclose(
        values(data["quantities"][3]["left"]).reshape(growth.shape), growth, rtol=1e-4, atol=1e-5
    )


def test_a_link_carries_modes_probe_and_settings(sent: Sent) -> None:
    at = page(modes="1,2,0.5,0.25,30,2;-1,0,0.1,0.1,0,1", at="1.5,-2", power="2.5", follow="true")
    assert not at.exception
    data = sent[-1]
    assert data["modes"] == [[1, 2, 0.5, 0.25, 30, 2], [-1, 0, 0.1, 0.1, 0, 1]]
    assert data["probe"]["at"] == [1.5, -2]
    assert data["power"] == 2.5
    assert 2.5 in data["powers"]
    assert data["radii"][0] == pytest.approx(data["sigmas"][0] * 2**0.5)
    assert at.query_params["modes"] == "1,2,0.5,0.25,30,2;-1,0,0.1,0.1,0,1"
    at.button_group(key="preset").set_value("Ring").run()  # another preset lets go of them
    assert len(sent[-1]["modes"]) == 8
    assert "modes" not in at.query_params


@pytest.mark.parametrize(
    "url",
    [
        {"modes": "nonsense"},
        {"modes": "0,0,nan,1,0,1"},
        {"modes": "1e9,0,1,1,0,1"},
        {"at": "here"},
        {"at": "nan,0"},
        {"at": "99,0"},
        {
            "preset": "Moon",
            "power": "-3",
            "disc": "0",
            "points": "many",
            "draw": "-1",
            "width": "9",
        },
    ],
)
def test_a_bad_link_falls_back_to_the_default(url: dict[str, str], sent: Sent) -> None:
    at = page(**url)
    assert not at.exception
    assert not at.error
    assert len(sent[-1]["modes"]) == 3
    assert sent[-1]["probe"]["at"] == [0, 0]
    assert sent[-1]["power"] == 1


@pytest.mark.slow
def test_a_network_is_trained_compared_and_belongs_to_its_landscape(sent: Sent) -> None:
    at = page(view="Learned", samples="8", length="100")
    next(button for button in at.button if button.label == "Train").click().run()
    assert not at.exception
    assert any(
        "Trained on 8 samples for 100 of 100 steps." in caption.value for caption in at.caption
    )
    learned = next(data for data in sent if data["id"] == "landscape-learned")
    assert len(learned["modes"]) == 8
    assert all(
        np.isfinite(values(field)).all()
        for one in learned["quantities"]
        for field in (one["left"], *one["right"])
    )
    charts = [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]
    assert sum(trace["type"] == "histogram" for chart in charts for trace in chart["data"]) == 8
    at.button_group(key="preset").set_value("Ring").run()
    assert any("another landscape" in info.value for info in at.info)


def test_the_square_and_the_divergence_are_drawn_together(sent: Sent) -> None:
    at = page(view="Flow", at="-2.5,-1.4", side="0.02")
    assert not at.exception
    chart = json.loads(at.get("plotly_chart")[0].proto.spec)
    curves = [
        np.frombuffer(base64.b64decode(trace["y"]["bdata"]), trace["y"]["dtype"])
        for trace in chart["data"]
    ]
    np.testing.assert_allclose(
        curves[0], curves[1], atol=0.02
    )  # area of the square, integral of the divergence
    np.testing.assert_allclose(curves[1][::8], curves[2], atol=0.02)  # fall of the log density


def test_the_plane_is_sent_all_levels_and_nothing_for_what_is_not_there_yet(sent: Sent) -> None:
    shown = np.arange(2 * 4, dtype=float).reshape(2, 4)
    quantity = Quantity(
        "q",
        "plain",
        "nats",
        Field("exact", shown, arrows=np.ones((2, 1, 2))),
        [Field("estimated", None)],
    )
    plane(
        [quantity],
        key="k",
        sigmas=[0.1, 1],
        start=0,
        powers=[1.0],
        power=1.0,
        extent=2.0,
        size=2,
        modes=[],
        probe=Probe(0, 0),
        radii=[1, 1],
    )
    data = sent[0]
    np.testing.assert_array_equal(values(data["quantities"][0]["left"]), shown.ravel())
    assert data["quantities"][0]["right"][0]["values"] is None
    assert data["editable"] is False
    json.dumps(data)
