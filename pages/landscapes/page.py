"""The plane, where the truth is known: mixtures shaped by hand, every field exact and estimated, a
network trained against them.
"""

import io
import json
import math
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from memlib.landscapes import plane as land
from memlib.landscapes.plane import Mode
from pages.figures import charts
from pages.landscapes.fields import (
    ARROWS,
    LEVELS,
    PARTICLES,
    SIZE,
    START,
    disc_fields,
    exact_fields,
    fine_levels,
    flow_paths,
    growth_fields,
    growth_of_point,
    probe_rows,
    square_area,
)
from pages.landscapes.learned import learned_panel, train
from pages.session.messages import show_error
from pages.widgets.plane import Edit, Field, MovedProbe, Probe, Quantity, plane

POWERS = (1.0, 1.5, 2.0, 3.0)
PRESETS = ("Three modes", "Narrow among broad", "One heavy", "Ring", "Data points")
PLANE = "landscape"
COLUMNS = ("x", "y", "first width", "second width", "angle", "weight")


def chosen_preset() -> tuple[tuple[object, ...], tuple[Mode, ...]]:
    """The chosen preset with its parameters, and its modes."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    name = row.segmented_control(
        "Landscape", PRESETS, default=PRESETS[0], required=True, key="preset", bind="query-params"
    )
    if name == "Data points":
        count = row.number_input(
            "Points", 1, land.MOST_MODES, 12, key="count", bind="query-params", width=140
        )
        width = row.slider(
            "Width of each point",
            0.0,
            1.5,
            0.2,
            0.05,
            key="width",
            bind="query-params",
            width=280,
            help="0 is a model that can draw nothing but its data; near 1 the points melt into "
            "the ring they came from.",
        )
        return (name, count, width), land.data_points(int(count), float(width))
    presets = (land.three_modes, land.narrow_among_broad, land.one_heavy, land.ring)
    return (name,), dict(zip(PRESETS, presets, strict=False))[name]()


def current_modes(preset: tuple[object, ...], modes: tuple[Mode, ...]) -> tuple[Mode, ...]:
    """The preset's modes, or what the visitor made of them, which a link of a fresh session may
    carry.
    """
    if "landscape_edited" not in st.session_state:
        edited: tuple[Mode, ...] = ()
        with suppress(
            ValueError
        ):  # no modes in the link, or none that can be read: the preset is shown
            edited = land.parse_modes(st.query_params.get("modes", ""))
        st.session_state.landscape_edited = (preset, edited)
    of, edited = st.session_state.landscape_edited
    if of == preset and edited:
        st.query_params["modes"] = land.format_modes(edited)
        return tuple(edited)
    st.query_params.pop("modes", None)
    return modes


def edit(modes: tuple[Mode, ...]) -> None:
    st.session_state.landscape_edited = (preset, land.parse_modes(land.format_modes(modes)))


def edited(change: Edit) -> None:
    """Keep what the visitor did on the plane for the run that follows."""
    if isinstance(change, MovedProbe):
        st.session_state.landscape_probe = (change.x, change.y)
        return
    try:
        edit(tuple(Mode(*row) for row in change.rows))
    except (ValueError, TypeError) as error:
        st.session_state.landscape_problem = str(error)


def current_probe() -> tuple[float, float]:
    """The probed point, which a link may carry; the origin where it says nothing usable."""
    if "landscape_probe" not in st.session_state:
        point = (0.0, 0.0)
        with suppress(ValueError):  # none in the link, or none that can be read
            x, y = (float(part) for part in st.query_params.get("at", "").split(","))
            if abs(x) <= land.EXTENT and abs(y) <= land.EXTENT:  # which also refuses NaN
                point = (x, y)
        st.session_state.landscape_probe = point
    x, y = st.session_state.landscape_probe
    if (x, y) == (0, 0):
        st.query_params.pop("at", None)
    else:
        st.query_params["at"] = f"{x:g},{y:g}"
    return x, y


def settings() -> tuple[float, float, bool, int, int, int, float]:
    """p, radius, whether it follows the noise level, directions, probes, seed, side of the square;
    they stand in the URL.
    """
    with st.expander("Settings", icon=":material/tune:"):
        columns = st.columns(4)
        p = columns[0].number_input(
            "p",
            1.0,
            10.0,
            1.0,
            0.25,
            key="power",
            bind="query-params",
            help="Any p from 1 on. It joins 1, 1.5, 2 and 3 on the slider.",
        )
        radius = columns[1].number_input(
            "Radius of the disc",
            0.02,
            5.0,
            1.0,
            0.1,
            key="disc",
            bind="query-params",
            help="In units of the plane. Values of different radii are different measurements.",
        )
        follow = columns[1].checkbox(
            "σ√2 at each noise level",
            key="follow",
            bind="query-params",
            help="The radius of the other pages, σ√d, in place of a fixed one.",
        )
        directions = columns[2].number_input(
            "Directions N",
            2,
            256,
            32,
            2,
            key="points",
            bind="query-params",
            help="Points on the rim for each estimate, in opposite pairs.",
        )
        probes = columns[2].number_input(
            "Probes K",
            1,
            64,
            8,
            key="signs",
            bind="query-params",
            help="Random signs for the trace at each noise level (Hutchinson).",
        )
        seed = columns[3].number_input("Seed", 0, 2**31 - 1, 0, key="draw", bind="query-params")
        side = columns[3].number_input(
            "Side of the square",
            0.01,
            2.0,
            0.2,
            0.05,
            key="side",
            bind="query-params",
            help="Carried along the ODE from around the probe.",
        )
    return (
        float(p),
        float(radius),
        bool(follow),
        int(directions) // 2 * 2,
        int(probes),
        int(seed),
        float(side),
    )


def mode_table() -> None:
    """The modes as numbers; rows are added and removed."""
    table = [
        dict(zip(COLUMNS, (one.x, one.y, one.sx, one.sy, one.angle, one.weight), strict=True))
        for one in modes
    ]
    reach: dict[str, Any] = {
        "min_value": -land.EXTENT,
        "max_value": land.EXTENT,
        "default": 0.0,
        "required": True,
        "format": "%.3g",
    }
    width: dict[str, Any] = {
        "min_value": 0.0,
        "max_value": land.WIDEST,
        "default": 0.4,
        "required": True,
        "format": "%.3g",
        "help": "Standard deviation",
    }
    number_column = st.column_config.NumberColumn
    changed = st.data_editor(
        table,
        key=f"modes-{text}",
        num_rows="dynamic",
        hide_index=True,
        height="content" if len(table) <= 9 else 360,
        column_config={
            "x": number_column(**reach),
            "y": number_column(**reach),
            "first width": number_column(**width),
            "second width": number_column(**width),
            "angle": number_column(
                help="Degrees, of the first width's axis", default=0.0, required=True, format="%.4g"
            ),
            "weight": number_column(
                min_value=1e-6,
                default=1.0,
                required=True,
                format="%.3g",
                help="Normalised to a sum of 1",
            ),
        },
    )
    if changed == table:
        return
    try:
        found = tuple(Mode(*(float(row[name]) for name in COLUMNS)) for row in changed)
        land.mixture(found)  # says what is wrong with their number
    except TypeError:
        return  # a row that is still being filled in
    except ValueError as error:
        show_error(error)
        return
    edit(found)
    st.rerun()


def figure(estimates: dict[str, np.ndarray] | None) -> None:
    """The two planes, with what is there already."""
    found = estimates or {}
    quantities = [
        Quantity(
            "Log density",
            "density",
            "nats",
            Field("Exact log p(y; σ)", exact["log_density"], arrows=exact["arrows"]),
            note="The landscape seen through noise of level σ, its top 12 nats, with the score: "
            "the arrows point uphill and show the direction where the score is large.",
        ),
        Quantity(
            "p-Laplace",
            "signed",
            "",
            Field("Exact over the disc, −Δₚ", found.get("disc")),
            [
                Field("Estimated by the flux", found.get("disc_estimate")),
                Field("Estimated minus exact", found.get("disc_difference"), "signed"),
                Field("Standard error", found.get("disc_error"), "size"),
            ],
            note="The p-Laplacian averaged over the dashed disc, its sign turned: red where the "
            "score points inward, as at a memorised image, blue in the valleys between. "
            "Colours are logarithmic over two decades and set anew at each level and p.",
        ),
        Quantity(
            "p-Laplace at the point",
            "signed",
            "",
            Field("Exact at the point, −Δₚ", -exact["p_laplacian"]),
            note="div(|s|^(p−2) s) itself, its sign turned. For p below 2 it has no bound where "
            "the score vanishes, which is why discs are measured.",
        ),
        Quantity(
            "Log growth",
            "plain",
            "nats",
            Field("Exact", found.get("growth")),
            [
                Field("Estimated by probes", found.get("growth_estimate")),
                Field("Estimated minus exact", found.get("growth_difference"), "signed"),
                Field("Standard error", found.get("growth_error"), "size"),
            ],
            note="How much latent volume belongs to an image at each point: the log volume "
            f"growth along the ODE from σ = {LEVELS[0]:g} up to the shown level, at the last "
            "one to the latent. The difference also holds the error of the estimator's "
            f"{len(LEVELS) - 1} steps, which its standard error does not know.",
        ),
    ]
    values, axes, rows = probe_rows(text, *point, radii, powers, directions, probes, seed)
    plane(
        quantities,
        key=PLANE,
        sigmas=LEVELS,
        start=START,
        powers=powers,
        power=p,
        extent=land.EXTENT,
        size=SIZE,
        modes=[(one.x, one.y, one.sx, one.sy, one.angle, one.weight) for one in modes],
        probe=Probe(*point, values, axes, rows),
        radii=radii,
        widest=land.WIDEST,
        most=land.MOST_MODES,
        flow=flow_paths(text, *point, side, seed),
        on_edit=edited,
    )


def estimate(below: DeltaGenerator | None = None) -> dict[str, np.ndarray]:
    """All fields that take a while, level by level, so that a newer landscape can cut in; turned so
    that a peak is positive.
    """
    discs = []
    for place, (level, radius) in enumerate(zip(LEVELS, radii, strict=True)):
        discs.append(disc_fields(text, level, radius, powers, directions, seed))
        if below is not None:
            below.progress((place + 1) / (len(LEVELS) + 1), "Estimating")
    disc, guess, error = (np.stack(parts, 1) for parts in zip(*discs, strict=True))
    grown, counted, spread = growth_fields(text, probes, seed)
    return {
        "disc": -disc,
        "disc_estimate": -guess,
        "disc_difference": disc - guess,
        "disc_error": error,
        "growth": grown,
        "growth_estimate": counted,
        "growth_difference": counted - grown,
        "growth_error": spread,
    }


def as_npz(estimates: dict[str, np.ndarray]) -> bytes:
    """Every field with its axes and settings, without pickles."""
    line = land.grid(SIZE).view(SIZE, SIZE, 2)[0, :, 0].numpy()
    fields = {"log_density": exact["log_density"], "p_laplacian_point": exact["p_laplacian"]}
    fields |= {
        "p_laplacian_disc": -estimates["disc"],
        "p_laplacian_disc_estimate": -estimates["disc_estimate"],
        "p_laplacian_disc_stderr": estimates["disc_error"],
    }
    fields |= {
        "log_growth": estimates["growth"],
        "log_growth_estimate": estimates["growth_estimate"],
        "log_growth_stderr": estimates["growth_error"],
    }
    shown: dict[str, Any] = {
        name: values.reshape(*values.shape[:-1], SIZE, SIZE).astype(np.float32)
        for name, values in fields.items()
    }
    score = exact["arrows"].reshape(len(LEVELS), ARROWS, ARROWS, 2).astype(np.float32)
    details = {
        "modes": "x,y,sx,sy,angle,weight",
        "directions": directions,
        "probes": probes,
        "seed": seed,
        "axes": "p, sigma, y, x",
    }
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        x=line,
        y=line,
        sigmas=np.array(LEVELS),
        radii=np.array(radii),
        p=np.array(powers),
        score=score,
        modes=np.array([(one.x, one.y, one.sx, one.sy, one.angle, one.weight) for one in modes]),
        settings=np.array(json.dumps(details)),
        **shown,
    )
    return stream.getvalue()


def flow_panel() -> None:
    """The square's area over noise against the integral of the divergence at its centre."""
    flow = flow_paths(text, *point, side, seed)
    area = square_area(flow)
    levels = fine_levels().numpy()
    integral, exact_growth, counted, error = growth_of_point(text, *point, probes, seed)
    chart = go.Figure()
    chart.add_trace(
        go.Scatter(
            x=levels,
            y=area - area[0],
            mode="lines",
            name=f"log area of the square, side {side:g}",
            line={"color": charts.GROUP_COLOURS[2], "width": 5},
        )
    )
    chart.add_trace(
        go.Scatter(
            x=levels,
            y=integral,
            mode="lines",
            name="integral of the divergence at its centre",
            line={"color": charts.GROUP_COLOURS[0], "width": 2},
        )
    )
    rings = {"color": charts.GROUP_COLOURS[0], "size": 11, "symbol": "circle-open"}
    chart.add_trace(
        go.Scatter(
            x=LEVELS, y=exact_growth, mode="markers", name="fall of its log density", marker=rings
        )
    )
    chart.add_trace(
        go.Scatter(
            x=LEVELS,
            y=counted,
            mode="markers",
            name=f"estimated with {probes} probes",
            marker={"color": charts.GROUP_COLOURS[1], "size": 7},
            error_y={"array": np.nan_to_num(error), "color": charts.GROUP_COLOURS[1]},
        )
    )
    chart.add_trace(
        go.Scatter(
            x=LEVELS,
            y=2 * np.log(np.array(LEVELS) / LEVELS[0]),
            mode="lines",
            name="ceiling: an isolated point",
            line={"dash": "dot", "color": charts.GREY},
        )
    )
    chart.update_xaxes(type="log", title="noise level σ")
    chart.update_yaxes(title="growth so far, nats")
    chart.update_layout(height=340, margin={"l": 0, "r": 0, "t": 60, "b": 0}, legend=charts.LEGEND)
    st.plotly_chart(
        chart,
        key="flow-chart",
        config=charts.CONFIG,
        alt="Log area of the square and the integral of the divergence against noise level",
    )
    closing = float(np.sqrt(((flow.down[-1] - flow.up[0]) ** 2).sum(1).mean()))
    st.caption(
        "Tick “Particles and square” above and press Play. The square starts around the probe at "
        f"({point[0]:g}, {point[1]:g}); the smaller its side, the closer its area follows the "
        "integral. "
        f"Carried up to σ = {LEVELS[-1]:g} and down again in {len(levels) - 1} steps each, "
        f"{PARTICLES} particles end {closing:.2g} from where they started (root mean square)."
    )


st.caption(
    "What the other pages measure, where the truth is known: a mixture of Gaussians in the plane, "
    "every quantity exact and estimated. Drag the modes, move the noise, click to probe a point."
)
preset, preset_modes = chosen_preset()
modes = current_modes(preset, preset_modes)
text = land.format_modes(modes)
p, radius, follow, directions, probes, seed, side = settings()
powers = tuple(sorted({*POWERS, round(p, 4)}))
p = round(p, 4)
radii = tuple(level * math.sqrt(2) for level in LEVELS) if follow else (radius,) * len(LEVELS)
point = current_probe()
exact = exact_fields(text, powers)
ready = (text, radii, powers, directions, probes, seed)
estimates = estimate() if st.session_state.get("landscape_ready") == ready else None
figure(estimates)
waiting = st.empty()
if "landscape_problem" in st.session_state:
    st.error(st.session_state.pop("landscape_problem"), icon=":material/error:")

with st.expander("Modes as numbers", icon=":material/table:"):
    mode_table()
st.subheader("A closer look")
look = st.segmented_control(
    "Panel", ["Flow", "Learned"], key="view", bind="query-params", label_visibility="collapsed"
)
if look == "Flow":
    flow_panel()
elif look == "Learned":
    train()
    learned_panel(text, powers, p, seed)
if estimates is not None:
    st.download_button(
        "Fields as .npz",
        partial(as_npz, estimates),
        "landscape.npz",
        "application/octet-stream",
        icon=":material/download:",
        on_click="ignore",
    )
with st.expander("What is shown here", icon=":material/function:"):
    st.latex(
        r"p(y;\sigma)=\sum_k w_k\,\mathcal N(y;\,m_k,\,S_k+\sigma^2 I),\qquad s=\nabla\log "
        r"p,\qquad H=\nabla s,\qquad D=y+\sigma^2 s"
    )
    st.latex(
        r"\Delta_p=\nabla\!\cdot(|s|^{p-2}s),\qquad \frac1{|B_r|}\int_{B_r}\!\Delta_p=\frac "
        r"dr\,\mathbb E_u\big[|s|^{p-2}\,s\cdot u\big],\qquad "
        r"K_p=-\Big(\frac{\sigma^2}{r}\Big)^{p-1}\mathbb E_u\big[|s|^{p-2}\,s\cdot u\big]"
    )
    st.latex(
        r"\log\left|\det\frac{dy_\sigma}{dy_0}\right|=\int "
        r"(d-\operatorname{tr}J)\,d\ln\sigma=\int-\sigma^2\operatorname{tr}H\,d\ln\sigma=\log "
        r"p(y_{\sigma_0};\sigma_0)-\log p(y_\sigma;\sigma),\qquad \frac{dy}{d\sigma}=-\sigma\,s"
    )
    st.markdown(
        "Every exact field is a formula of the mixture, the average over a disc a sum over 24 to "
        "96 points of its rim, the growth the fall of the log density along a path solved to "
        "fourth order, which is the integral of the divergence. The estimates come from the very "
        "functions that measure images on the other pages: "
        "the flux through N directions, shared by all points, and the trace by K random signs a "
        "level along a second-order path. A mixture stays a mixture under noise: only its "
        "covariances grow by σ² I.\n\n"
        "**To see:** at the exact top of a mode, p = 1 gives 1 whatever its width; weights change "
        "p-Laplace little, widths much; a narrow mode owns more latent volume than a broad one of "
        "the same weight; "
        "the data points with width 0 are a perfect memory. \n\n**Sources:** Brokman et al., "
        "arXiv 2505.08246, whose mixture is the first landscape; Hasegawa and Yasuda, arXiv "
        "2503.19429."
    )
if estimates is None:
    estimate(waiting)
    st.session_state.landscape_ready = ready
    st.rerun()
