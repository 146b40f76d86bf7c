"""A closer look at one image: redraw it, follow it through training, compare it, check its map, the paper's own procedure."""

from collections.abc import Callable

import numpy as np
import streamlit as st

from memlib.measures import MEASURES, Row
from memlib.runs import measure_one, result_key
from pages.shared import charts, exports, workspace
from pages.shared.checkpoints import checkpoints_panel
from pages.shared.growth import MEASURE, Picture, View
from pages.shared.pictures import coarse, colour_range, rgb
from pages.shared.player import Axis, Kind, player
from pages.shared.redraw import redraw_panel


def closer_look(view: View, picture: Picture, values: np.ndarray) -> None:
    """One panel at a time, so that only what is looked at is computed. `values` are those of all measured images."""
    panels: dict[str, Callable[[], None]] = {
        "Redraw": lambda: redraw_panel(view.loaded, picture),
        "Over training": lambda: checkpoints_panel(view, picture),
        "Compare": lambda: compare_panel(view, picture),
        "Exact map": lambda: exact_panel(view, picture),
        "The paper's procedure": lambda: paper_panel(view, picture),
        "Your own image": lambda: upload_panel(view, values),
    }
    st.subheader("A closer look")
    chosen = st.segmented_control("Panel", list(panels), key="closer", bind="query-params", label_visibility="collapsed")
    if chosen:
        panels[chosen]()


def map_player(view: View, picture: Picture, key: str, limits: tuple[float, float] | None = None) -> Row:
    """Image, map and overlay of one picture with a slider over the noise levels; returns its row."""
    row = view.row(picture)
    names, maps = view.levels(row)
    what = "Growth minus the reference's" if view.minus_reference else "Growth"
    kinds = [
        Kind(
            what,
            maps,
            limits or colour_range(maps[-1], view.minus_reference),
            MEASURE.unit,
            view.minus_reference,
            [f"{row['curve'][place]:,.0f} {MEASURE.unit} up to σ = {name}" for place, name in names],
        )
    ]
    if np.isfinite(row["map_stderr"]).all():
        bound = "; for the difference an upper bound" if view.minus_reference else ""
        error = row["map_stderr"]
        note = f"Of the unsmoothed map over all levels, from the spread between the probes{bound}."
        kinds.append(Kind("Its standard error", error, colour_range(error), MEASURE.unit, note=note))
    axes = [Axis("Counted up to noise level σ", [name for _, name in names])]
    player(rgb(picture.image), kinds, axes, key=key, alt=picture.name)
    return row


def compare_panel(view: View, picture: Picture) -> None:
    """This image beside another one, or beside itself under other settings."""
    images, own = view.loaded.images, view.parameters
    columns = st.columns([3, 1, 1, 1, 1])
    place = columns[0].selectbox(
        "With",
        range(len(images)),
        index=images.ids.index(picture.id) if picture.id in images.ids else 0,
        format_func=lambda index: images.names[index],
        key=f"compare-{picture.id}",
        help="Another image, or the same one with other settings.",
    )
    steps = columns[1].number_input("Steps", 2, 200, int(own["steps"]), key="compare-steps")
    probes = columns[2].number_input("Probes", 1, 64, int(own["probes"]), key="compare-probes")
    low = columns[3].number_input("Lowest σ", 1e-4, 200.0, float(own["sigma_min"]), format="%.3g", key=f"compare-low-{own['sigma_min']}")
    seed = columns[4].number_input("Seed", 0, 2**31 - 1, int(own["seed"]), key="compare-seed")
    other = Picture(images.ids[place], images.names[place], images[place])
    asked = view.with_parameters(steps=int(steps), probes=int(probes), sigma_min=float(low), seed=int(seed))
    try:
        sides = [(view, picture, view.row(picture)), (asked, other, asked.row(other))]
    except ValueError as error:
        st.error(str(error), icon=":material/error:")
        return
    limits = colour_range(np.stack([side[0].smooth(side[2]["map"]) for side in sides]), view.minus_reference)
    for place, (column, (shown, which, row)) in enumerate(zip(st.columns(2, gap="medium"), sides, strict=True)):
        with column:
            st.text(which.name)
            parameters = shown.parameters
            spread = "" if np.isnan(row["stderr"]) else f" ± {row['stderr']:,.0f}"
            st.markdown(f"**{row['value']:,.0f}{spread} {MEASURE.unit}**")
            st.caption(
                f"σ {parameters['sigma_min']:g} to {parameters['sigma_max']:g}, {parameters['steps']} steps, {parameters['probes']} probes, seed {parameters['seed']}"
            )
            map_player(shown, which, f"compare-{place}", limits)
    names = [f"{'left' if place == 0 else 'right'}: {side[1].name}" for place, side in enumerate(sides)]
    curves = {name: (side[0].sigmas, side[2]["curve"]) for name, side in zip(names, sides, strict=True)}
    st.plotly_chart(charts.growth_curve(curves, None), key="compare-curve", config=charts.CONFIG, alt="Growth of both images")
    if asked.parameters["sigma_min"] != own["sigma_min"]:
        st.caption("The noise ranges differ, so the two values cannot be compared.")


def exact_panel(view: View, picture: Picture) -> None:
    """All d directions instead of random ones, to see how far off the estimate is."""
    denoiser, results = view.loaded.denoiser, workspace.results()
    exact = view.with_parameters(probes="exact")
    keys = [result_key(model.digest, picture.id, MEASURE.name, {**exact.parameters, "keep_maps": True}) for model in exact.models]
    st.markdown(
        f"The map is estimated with {view.parameters['probes']} random probes at each noise level. Here all {denoiser.dimension:,} directions are taken instead: the same "
        "sum without the randomness."
    )
    if any(key not in results for key in keys):
        work = st.empty()
        with work.container():
            cost = exports.duration(workspace.seconds(denoiser, exact.forwards))
            st.caption(f"{exact.forwards:,} network forwards, about {cost}. Stopping loses what was done.")
            if not st.button("Compute the exact map", type="primary", icon=":material/grid_on:"):
                return
            bar = st.progress(0.0, "Exact map")
            st.button("Stop", icon=":material/stop:", key="stop-exact")
            exact.row(picture, lambda share: bar.progress(share, f"Exact map, {share:.0%}"))
        work.empty()
    estimate, truth = view.row(picture), exact.row(picture)
    shown = {"Estimate": view.smooth(estimate["map"]), "Exact": view.smooth(truth["map"])}
    limits = colour_range(np.stack(list(shown.values())), view.minus_reference)
    shown["Estimate minus exact"] = shown["Estimate"] - shown["Exact"]
    signed = list(shown) if view.minus_reference else ["Estimate minus exact"]
    st.plotly_chart(
        charts.maps_in_a_row({name: coarse(heat) for name, heat in shown.items()}, limits, MEASURE.unit, signed),
        key="exact",
        config=charts.CONFIG,
        alt="Estimated map, exact map and their difference",
    )
    gap = (estimate["map"] - truth["map"]).std()
    stated = np.sqrt(np.nanmean(estimate["map_stderr"] ** 2)) if np.isfinite(estimate["map_stderr"]).any() else np.nan
    columns = st.columns(4)
    columns[0].metric("Estimate", f"{estimate['value']:,.0f}", help="Nats.")
    columns[1].metric("Exact", f"{truth['value']:,.0f}", help="Nats.")
    columns[2].metric(
        "Correlation of the maps",
        f"{np.corrcoef(shown['Estimate'].ravel(), shown['Exact'].ravel())[0, 1]:.3f}",
        help="Over the pixels, smoothed as above.",
    )
    columns[3].metric(
        "Error a pixel",
        f"{gap:.3g}",
        help=f"Standard deviation of estimate minus exact, unsmoothed, in nats. The stated standard error is {stated:.3g} on average.",
    )


def paper_panel(view: View, picture: Picture) -> None:
    """The published procedure with its own settings, for one image."""
    denoiser, results = view.loaded.denoiser, workspace.results()
    st.markdown(
        "The procedure of Hasegawa & Yasuda to the letter: points 0.05 away from the image, orthogonal to each other, carried along the variance-preserving ODE by Euler steps and "
        "made orthogonal again after each. Values are on the paper's scale."
    )
    asked = st.columns(4)
    directions = asked[0].number_input("Directions", 1, denoiser.dimension, min(100, denoiser.dimension), help="The paper's code uses 100.")
    steps = asked[1].number_input("Euler steps", 10, 5000, 1000, step=10, help="The paper's code uses 1,000.")
    parameters = {"scheme": "paper", "directions": int(directions), "steps": int(steps), "seed": 0}
    forwards = int(steps) * (int(directions) + 1)
    if result_key(denoiser.digest, picture.id, "frame_growth", parameters) not in results:
        work = st.empty()
        with work.container():
            cost = exports.duration(workspace.seconds(denoiser, forwards))
            st.caption(f"{forwards:,} network forwards, about {cost}. Stopping loses what was done.")
            if not st.button("Run the paper's procedure", type="primary", icon=":material/play_arrow:"):
                return
            bar = st.progress(0.0, "Carrying the frame")
            st.button("Stop", icon=":material/stop:", key="stop-paper")
            try:
                measure_one(
                    denoiser,
                    picture.image,
                    picture.id,
                    "frame_growth",
                    parameters,
                    results,
                    lambda share: bar.progress(share, f"Carrying the frame, {share:.0%}"),
                )
            except ValueError as problem:
                st.error(str(problem), icon=":material/error:")
                return
        work.empty()
    row = results[result_key(denoiser.digest, picture.id, "frame_growth", parameters)]
    columns = st.columns(3)
    columns[0].metric("Sum of log lengths", f"{row['value']:,.1f}", help=f"{MEASURES['frame_growth'].definition} In nats.")
    columns[1].metric(
        "Log volume", f"{row['log_volume']:,.1f}", help="The true growth of the frame's volume, from the QR diagonal; never larger."
    )
    columns[2].metric(
        "A direction",
        f"{row['value'] / int(directions):.3f}",
        help="An isolated point reaches 4.634 nats a direction with 1,000 Euler steps, whatever the model.",
    )
    times = np.linspace(1e-3, 1, int(steps))
    st.plotly_chart(
        charts.frame_curve(times, row["curve"], row["volume_curve"]), key="paper", config=charts.CONFIG, alt="Growth of the frame over time"
    )


def upload_panel(view: View, values: np.ndarray) -> None:
    """Any picture measured like the others, and where it would rank among them."""
    file = st.file_uploader(
        "A picture", ["png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff"], help="Brought to the model's size as the image set is."
    )
    if file is None:
        return
    try:
        image, key = view.loaded.images.take(file.getvalue())
        picture = Picture(key, file.name, image)
        row = view.row(picture)
    except ValueError as error:
        st.error(f"{file.name!r} {error}.", icon=":material/error:")
        return
    map_player(view, picture, "upload")
    columns = st.columns(3)
    columns[0].metric("Log growth" if not view.minus_reference else "Minus reference", f"{row['value']:,.0f}", help=MEASURE.definition)
    columns[1].metric("Would rank", f"{int((values > row['value']).sum()) + 1:,} of {len(values) + 1:,}", help="Among the measured images.")
    known = key in view.loaded.images.ids
    columns[2].metric("In the image set", "yes" if known else "no", help="Pixel for pixel, after it was brought to size.")
