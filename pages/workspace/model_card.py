"""What was read from a model, and the cost of measuring with it on this device."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from memlib.denoisers import NetworkDenoiser
from memlib.images import ImageSet
from memlib.measures import MEASURES
from memlib.runs.device import TRUSTED, Check, check_device, memory
from pages.figures.style import CONFIG, GREY, GROUP_COLOURS, LEGEND, literal
from pages.session import downloads as exports
from pages.session import results as computed
from pages.session.long_work import long_work
from pages.session.messages import plain

CHECKED = 16  # images


def model_card(
    denoiser: NetworkDenoiser, reference: NetworkDenoiser | None, images: ImageSet
) -> None:
    """Draw facts, the schedule, the cost of each measure, and a check of the device."""
    left, right = st.columns(2, gap="medium")
    with left:
        st.dataframe(
            [
                {"Property": name, "Value": value}
                for name, value in facts(denoiser, reference).items()
            ],
            hide_index=True,
            height="content",
            alt="Facts about the model",
        )
    with right:
        st.plotly_chart(
            literal(schedule_chart(denoiser)),
            key="schedule",
            config=CONFIG,
            alt="Noise level over the network's time",
        )
    if denoiser.autoencoder:
        st.info(
            f"This model works on latents: every image is encoded to {denoiser.shape[2]} x "
            f"{denoiser.shape[1]} first, and all numbers, σ too, are of the latents. Maps have "
            "one value per latent pixel and are enlarged over the image.",
            icon=":material/deployed_code:",
        )
    cost, device = (
        st.expander("Cost of measuring on this device", icon=":material/timer:", on_change="rerun"),
        st.container(),
    )
    if cost.open:
        with cost:
            _costs(denoiser)
    with device:
        _device(denoiser, images)


def facts(denoiser: NetworkDenoiser, reference: NetworkDenoiser | None) -> dict[str, str]:
    weights, handed_on = _memory(denoiser, denoiser.digest)
    known = {
        "Name": denoiser.name,
        "Kind": denoiser.schedule.family,
        "Predicts": denoiser.schedule.prediction.words,
        "Draws": _sides(denoiser.picture_shape),
        "Parameters": f"{denoiser.parameters:,}",
        "Noise levels": f"{denoiser.sigma_floor:.4g} to {denoiser.sigma_max:.4g}"
        + (", truncated" if denoiser.truncated else ""),
        "Memory": f"{weights / 2**20:,.3g} MB, and up to {handed_on / 2**20:,.3g} MB an image",
        "Computes on": str(denoiser.device),
        "Digest": denoiser.digest,
        "Reference": reference.name if reference else "none",
    }
    if denoiser.autoencoder:
        known["Works on"] = (
            f"latents, {denoiser.shape[2]} x {denoiser.shape[1]}, {denoiser.shape[0]} channels"
        )
    if denoiser.classes:
        known["Class"] = (
            f"none of {denoiser.classes:,}"
            if denoiser.label == denoiser.classes
            else f"{denoiser.label} of 0 to {denoiser.classes - 1}"
        )
    if "@" in denoiser.source:
        known["Commit"] = denoiser.source.rsplit("@", 1)[1]
    return known


def schedule_chart(denoiser: NetworkDenoiser) -> go.Figure:
    """Draw sigma against the network timestep, with the range in use highlighted."""
    schedule = denoiser.schedule
    places = np.unique(np.linspace(0, len(schedule.sigmas) - 1, 400).round().astype(int))
    sigmas, times = schedule.sigmas[places], schedule.times[places]
    shown = np.isfinite(sigmas)
    figure = go.Figure()
    figure.add_trace(
        go.Scatter(
            x=times[shown],
            y=sigmas[shown],
            mode="lines",
            line={"color": GREY, "dash": "dot"},
            name="trained on",
        )
    )
    used = shown & (sigmas >= denoiser.sigma_min) & (sigmas <= denoiser.sigma_max)
    figure.add_trace(
        go.Scatter(
            x=times[used],
            y=sigmas[used],
            mode="lines",
            line={"color": GROUP_COLOURS[0], "width": 3},
            name="measured over by default",
        )
    )
    figure.update_yaxes(type="log", title="noise level σ", exponentformat="power")
    figure.update_xaxes(title="network timestep")
    figure.update_layout(height=340, margin={"l": 10, "r": 10, "t": 30, "b": 10}, legend=LEGEND)
    return figure


def _costs(denoiser: NetworkDenoiser) -> None:
    runs: dict[tuple, list[str]] = {}  # measures from one computation share a line
    for name, measure in MEASURES.items():
        runs.setdefault((measure.run, measure.settings), []).append(name)
    lines = []
    for names in runs.values():
        measure = MEASURES[names[0]]
        needed = None if measure.refusal(denoiser) else measure.forwards(denoiser)
        seconds = computed.seconds(denoiser, needed) if needed else None
        lines.append(
            {
                "Measure": ", ".join(MEASURES[name].title for name in names),
                "Forwards per image": needed,
                "Seconds per image": float(f"{seconds:.2g}") if seconds else None,
                "A thousand images": exports.duration(1000 * seconds)
                if seconds
                else "not possible with this model",
            }
        )
    st.dataframe(
        lines, hide_index=True, height="content", alt="What each measure costs on this device"
    )
    st.caption(
        "With the default settings of each measure, from a trial of the network on this device. "
        "Measures in one line share the same forwards."
    )


def _device(denoiser: NetworkDenoiser, images: ImageSet) -> None:
    """Draw the check of the device on the first images, on request."""
    known: dict[str, Check] = st.session_state.setdefault("device_checks", {})
    key = f"{denoiser.digest} {denoiser.device} {images.digest}"
    count = min(CHECKED, len(images))
    if key not in known:

        def check(progress: object) -> None:
            pictures = denoiser.encode(images.batch(range(count)))
            known[key] = check_device(denoiser, pictures)

        if not long_work(
            f"Check the device on {count:,} images",
            computed.seconds(denoiser, 4 * count * 6),
            check,
            icon=":material/fact_check:",
            ask=True,
        ):
            return
    found = known[key]
    said = ", ".join(
        f"{difference:.1e} at σ = {sigma:g}"
        for sigma, difference in zip(found.sigmas, found.differences, strict=True)
    )
    if found.passed:
        st.success(
            f"The device agrees with {plain(found.against)}: {count:,} images differ by {said}, "
            "as a share of the predicted noise.",
            icon=":material/check:",
        )
    else:
        st.warning(
            f"The device differs from {plain(found.against)} by more than {TRUSTED:g}: {said}, "
            "as a share of the predicted noise. Measure on another device, or treat small "
            "differences as noise.",
            icon=":material/warning:",
        )


def _sides(shape: tuple[int, int, int]) -> str:
    channels, height, width = shape
    return (
        f"{width} x {height}, "
        f"{'grey' if channels == 1 else 'colour' if channels == 3 else f'{channels} channels'}"
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _memory(_denoiser: NetworkDenoiser, digest: str) -> tuple[int, int]:
    return memory(_denoiser)
