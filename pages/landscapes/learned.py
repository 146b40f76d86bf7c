"""The panel of the landscapes page that trains a small network on samples and compares it with the
truth.
"""

from typing import Literal

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots
from torch import Tensor

from memlib import landscapes as land
from memlib.denoisers import Denoiser
from memlib.landscapes.toy import Progress, distances, training
from pages.figures.style import CONFIG, GROUP_COLOURS, LEGEND, literal
from pages.landscapes.fields import ARROWS, LEVELS, START
from pages.session.messages import guarded
from pages.widgets.plane import Field, Probe, Quantity, plane

LEARNED_SIZE, EVERY = 32, 2  # the learned model is drawn on a coarser grid, at every second level
REPEATS, DIRECTIONS, RADIUS = 200, 64, 1.0  # of the histograms
METHODS: tuple[Literal["boundary", "volume"], ...] = ("boundary", "volume")


def train() -> None:
    """Train the requested network; when training is stopped, the network so far is kept."""
    asked = st.session_state.pop("landscape_training", None)
    if asked is None:
        return
    text, count, steps, seed = asked
    samples = land.mixture(land.parse_modes(text)).sample(count, seed=seed)
    box = st.empty()
    with box.container():
        st.button("Stop", icon=":material/stop:", help="Keep the network in its current state.")
        bar = st.progress(0.0, "Training")
        for progress in training(samples, steps, seed=seed):
            st.session_state.landscape_learned = (asked, progress)
            bar.progress(
                progress.step / progress.steps,
                f"Step {progress.step:,} of {progress.steps:,}, loss {progress.loss:.3f}",
            )
    box.empty()


@st.fragment
@guarded()
def learned_panel(text: str, powers: tuple[float, ...], p: float, seed: int) -> None:
    """Draw the training of a small network on samples of the landscape, and its comparison with the
    truth.
    """
    row = st.container(horizontal=True, vertical_alignment="bottom")
    count = row.select_slider(
        "Training samples n",
        [2, 4, 8, 16, 32, 64, 128, 512, 2048],
        512,
        key="samples",
        bind="query-params",
        width=300,
        help="With few samples and long training the network remembers the samples; with many "
        "it learns the landscape.",
    )
    steps = row.select_slider(
        "Training steps",
        [100, 250, 500, 1000, 2000, 4000, 8000],
        1000,
        key="length",
        bind="query-params",
        width=300,
    )
    asked = (text, int(count), int(steps), seed)
    if row.button("Train", type="primary", icon=":material/model_training:"):
        st.session_state.landscape_training = asked
        st.rerun()  # reruns the whole page, since a fragment cannot be stopped
    if "landscape_learned" not in st.session_state:
        st.info(
            "A network of 36,000 weights is trained in a few seconds.",
            icon=":material/model_training:",
        )
        return
    made, progress = st.session_state.landscape_learned
    if made[0] != text or made[3] != seed:
        st.info(
            "The last network was trained on another landscape. Train one on this landscape.",
            icon=":material/model_training:",
        )
        return
    samples = land.mixture(land.parse_modes(text)).sample(made[1], seed=seed)
    st.caption(f"Trained on {made[1]:,} samples for {progress.step:,} of {progress.steps:,} steps.")
    compare(text, powers, p, progress, samples)


def compare(
    text: str, powers: tuple[float, ...], p: float, progress: Progress, samples: Tensor
) -> None:
    """Draw the learned fields beside the exact ones, the distances to the truth and to the ideal
    memoriser, and the histograms.
    """
    network = progress.denoiser
    levels = LEVELS[::EVERY]
    with st.spinner("Comparing with the truth"):
        truth, learned = truth_fields(text, powers), learned_fields(network.digest, powers, network)
        near = nearness(network.digest, text, samples, network)

    def sized(vectors: np.ndarray) -> np.ndarray:
        return np.asarray(np.sqrt((vectors**2).sum(-1)))

    quantities = [
        Quantity(
            "Score",
            "size",
            "",
            Field("Exact |s|", sized(truth["score"]), arrows=truth["arrows"]),
            [
                Field("Learned |s|", sized(learned["score"]), arrows=learned["arrows"]),
                Field("|learned − exact|", sized(learned["score"] - truth["score"]), "size"),
            ],
            note="Length and direction of the score. Where training never put a noised sample, "
            "the network is unconstrained.",
        ),
        Quantity(
            "p-Laplace",
            "signed",
            "",
            Field("Exact over the disc, −Δₚ", -truth["disc"]),
            [
                Field("Learned", -learned["disc"]),
                Field("Learned minus exact", truth["disc"] - learned["disc"], "signed"),
            ],
            note=f"Both from the same sum over a circle of radius {RADIUS:g}. Red where the "
            "score points inward: remembered samples appear as red spots that the truth "
            "does not have.",
        ),
        Quantity(
            "Log growth",
            "plain",
            "nats",
            Field("Exact", truth["growth"]),
            [
                Field("Learned", learned["growth"]),
                Field("Learned minus exact", learned["growth"] - truth["growth"], "signed"),
            ],
            note="Both with the exact trace. Bright spots of the learned map are points to "
            "which a large volume of latents leads.",
        ),
    ]
    dots = (
        [
            (x, y, 0.0, 0.0, 0.0, 1.0)
            for x, y in samples.flatten(1).clamp(-land.EXTENT, land.EXTENT).tolist()
        ]
        if len(samples) <= 128
        else []
    )
    plane(
        quantities,
        key="landscape-learned",
        sigmas=levels,
        start=START // EVERY + 1,
        powers=powers,
        power=p,
        extent=land.EXTENT,
        size=LEARNED_SIZE,
        modes=dots,
        probe=Probe(0.0, 0.0),
        radii=[RADIUS] * len(levels),
    )
    if dots:
        st.caption("The dots are the training samples.")
    left, right = st.columns([2, 3], gap="medium")
    with left:
        chart = go.Figure()
        for name, values, tint in (
            ("the true score", near[0], GROUP_COLOURS[2]),
            ("the ideal memoriser's", near[1], GROUP_COLOURS[0]),
        ):
            chart.add_trace(
                go.Scatter(
                    x=levels,
                    y=values,
                    mode="lines+markers",
                    name=f"from {name}",
                    line={"color": tint, "width": 3},
                )
            )
        chart.update_xaxes(type="log", title="noise level σ")
        chart.update_yaxes(type="log", title="distance of the predicted noise")
        chart.update_layout(height=420, margin={"l": 0, "r": 0, "t": 60, "b": 0}, legend=LEGEND)
        st.plotly_chart(
            literal(chart),
            key="nearness",
            config=CONFIG,
            alt="Distance of the learned score from the truth and from the ideal memoriser "
            "against noise level",
        )
        st.caption(
            "Root mean square per coordinate, at noised training samples. The ideal memoriser "
            "is the exact denoiser of the samples themselves. A network nearer to it than to "
            "the truth has memorised."
        )
    with right:
        sigma = st.select_slider(
            "Noise level of the histograms", [0.05, 0.1, 0.2, 0.4], 0.1, key="histogram-level"
        )
        with st.spinner(f"{REPEATS} repeats of each estimate"):
            repeats = {
                (method, name): histogram_values(text, digest, float(sigma), method, denoiser)
                for method in METHODS
                for name, digest, denoiser in (
                    ("exact", "", land.mixture(land.parse_modes(text))),
                    ("learned", network.digest, network),
                )
            }
        st.plotly_chart(
            literal(histograms(repeats)),
            key="histograms",
            config=CONFIG,
            alt="Histograms of both estimators at modes and between them",
        )
        st.caption(
            f"Inward flux, p = 1, through circles of radius {RADIUS:g} around the first six "
            f"modes and around their midpoints and centroid: {REPEATS} estimates of {DIRECTIONS} "
            "evaluations each. Dashed: means. The flux through the rim and the divergence "
            "inside are the same quantity."
        )


@st.cache_data(max_entries=16, show_spinner=False)
def truth_fields(text: str, powers: tuple[float, ...]) -> dict[str, np.ndarray]:
    """Return the exact fields on the coarser grid."""
    landscape = land.mixture(land.parse_modes(text))
    return fields_of(landscape, powers) | {
        "growth": land.growth(landscape, land.grid(LEARNED_SIZE), LEVELS)[0][::EVERY].numpy()
    }


@st.cache_data(max_entries=16, show_spinner=False)
def learned_fields(
    digest: str, powers: tuple[float, ...], _network: Denoiser
) -> dict[str, np.ndarray]:
    """Return the same fields of a network."""
    counted, _, _ = land.estimated_growth(_network, land.grid(LEARNED_SIZE), LEVELS, probes="exact")
    return fields_of(_network, powers) | {"growth": counted[::EVERY].numpy()}


def fields_of(denoiser: Denoiser, powers: tuple[float, ...]) -> dict[str, np.ndarray]:
    points, levels = land.grid(LEARNED_SIZE), LEVELS[::EVERY]
    return {
        "score": land.scores(denoiser, points, levels).numpy(),
        "arrows": land.scores(denoiser, land.grid(ARROWS), levels).numpy(),
        "disc": land.disc_averages(
            denoiser, points, levels, [RADIUS] * len(levels), powers, nodes=48
        ).numpy(),
    }


@st.cache_data(max_entries=16, show_spinner=False)
def nearness(
    digest: str, text: str, _samples: Tensor, _network: Denoiser
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances of the predicted noise from the truth and from the ideal memoriser at
    noised training samples, each (levels,).
    """
    landscape = land.mixture(land.parse_modes(text))
    truth, memory = distances(_network, landscape, _samples, list(LEVELS[::EVERY]))
    return truth.numpy(), memory.numpy()


@st.cache_data(max_entries=32, show_spinner=False)
def histogram_values(
    text: str, digest: str, sigma: float, method: Literal["boundary", "volume"], _denoiser: Denoiser
) -> tuple[np.ndarray, np.ndarray]:
    """Return K_1 of every repeat at the modes and between them, each (repeats, points)."""
    at_modes, between = (
        land.repeated_flux(
            _denoiser,
            points,
            sigma,
            radius=RADIUS,
            directions=DIRECTIONS,
            repeats=REPEATS,
            method=method,
        ).numpy()
        for points in land.marked_points(land.parse_modes(text))
    )
    return at_modes, between


def histograms(
    values: dict[tuple[Literal["boundary", "volume"], str], tuple[np.ndarray, np.ndarray]],
) -> go.Figure:
    """Draw the histograms of both estimators, exact and learned, at the modes and between them."""
    rows, columns = METHODS, ("exact", "learned")
    chart = make_subplots(
        2,
        2,
        subplot_titles=[f"{row}, {column} score" for row in rows for column in columns],
        shared_xaxes=True,
        vertical_spacing=0.14,
    )
    everything = np.concatenate([part.ravel() for pair in values.values() for part in pair])
    low, high = np.quantile(everything, [0.002, 0.998])
    bins = {"start": low - 0.05, "end": high + 0.05, "size": max(high - low, 0.1) / 50}
    for (method, name), pair in values.items():
        where = {"row": rows.index(method) + 1, "col": columns.index(name) + 1}
        for words, part, tint in zip(
            ("at the modes", "between them"),
            pair,
            (GROUP_COLOURS[0], GROUP_COLOURS[2]),
            strict=True,
        ):
            if not part.size:
                continue
            first = where == {"row": 1, "col": 1}
            chart.add_trace(
                go.Histogram(
                    x=part.ravel(),
                    xbins=bins,
                    name=words,
                    legendgroup=words,
                    showlegend=first,
                    marker_color=tint,
                    opacity=0.7,
                    histnorm="percent",
                ),
                **where,
            )
            chart.add_vline(float(part.mean()), line_dash="dash", line_color=tint, **where)
    chart.update_xaxes(title="inward flux", row=2)
    chart.update_layout(
        barmode="overlay",
        height=460,
        margin={"l": 0, "r": 0, "t": 70, "b": 0},
        legend={**LEGEND, "y": 1.08},
    )
    return chart
