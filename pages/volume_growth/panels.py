"""More about one image: redraw it, follow it through training, compare it, check its map, run the
paper's own procedure.
"""

from collections.abc import Callable

import numpy as np
import streamlit as st

from memlib.measures import GrowthSettings
from memlib.progress import Progress, part
from pages.figures.curves import frame_curve, growth_curve
from pages.figures.maps import maps_in_a_row
from pages.figures.pictures import coarse, colour_range
from pages.figures.style import CONFIG, literal
from pages.ranking.rate_panel import rate_panel
from pages.ranking.redraw_panel import redraw_panel
from pages.ranking.settings import settings_controls
from pages.ranking.view import Picture, View, panel_and_picture
from pages.session import results as computed
from pages.session.long_work import long_work
from pages.session.messages import show_error
from pages.volume_growth.checkpoints import checkpoints_panel
from pages.volume_growth.growth_view import MEASURE, PAGE, Growth

COMPARED = ("steps", "probes", "sigma_min", "sigma_max", "seed")


def closer_look(view: Growth, picture: Picture, values: np.ndarray) -> None:
    """Draw one panel at a time, so that only what is shown is computed, for the selected image or
    the visitor's own.

    `values` are the growths of all measured images.
    """
    chosen, own = panel_and_picture(view.loaded, CLOSER)
    if own is not None:
        picture = own
        if not long_work(
            "Measure your image", view.seconds, lambda progress: view.detailed(own, progress)
        ):
            return
        own_panel(view, own, values)
    if chosen:
        PANELS[chosen](view, picture)


def own_panel(view: Growth, picture: Picture, values: np.ndarray) -> None:
    """Draw the visitor's own picture measured like the others, and its rank among them."""
    row = view.detailed(picture)
    st.text(picture.name)
    view.player(picture, row, "own-map")
    columns = st.columns(3)
    columns[0].metric(
        "Minus reference" if view.minus_reference else "Log growth",
        f"{row['value']:,.0f}",
        help=MEASURE.definition,
    )
    columns[1].metric(
        "Would rank",
        f"{int((values > row['value']).sum()) + 1:,} of {len(values) + 1:,}",
        help="By growth, if it were among the measured images.",
    )
    known = picture.id in view.loaded.images.ids
    columns[2].metric(
        "In the image set",
        "yes" if known else "no",
        help="Pixel for pixel, after resizing.",
    )


def compare_panel(view: Growth, picture: Picture) -> None:
    """Draw this image beside another one, or beside itself with other settings."""
    images = view.loaded.images
    columns = st.columns([3, 1, 1, 1, 1, 1])
    place = columns[0].selectbox(
        "With",
        range(len(images)),
        index=images.ids.index(picture.id) if picture.id in images.ids else 0,
        format_func=lambda index: images.names[index],
        key=f"compare-{picture.id}",
        help="Another image, or the same one with other settings.",
    )
    other = Picture(images.ids[place], images.names[place], images[place])
    own = GrowthSettings.read(view.parameters)
    try:
        chosen = settings_controls(PAGE, own, COMPARED, columns[1:], f"compare {own} ")
    except ValueError as error:
        show_error(error)
        return
    asked = view.with_parameters(**chosen.parameters)
    sides = [(view, picture), (asked, other)]
    waiting = [(shown, which) for shown, which in sides if not shown.has(which, keep_maps=True)]

    def measure(progress: Progress) -> None:
        for done, (shown, which) in enumerate(waiting):
            shown.detailed(which, part(progress, done, 1, len(waiting)))

    if waiting and not long_work(
        "Measure both", sum(shown.seconds for shown, _ in waiting), measure
    ):
        return
    rows = [shown.detailed(which) for shown, which in sides]
    limits = colour_range(
        np.stack([shown.smooth(row["map"]) for (shown, _), row in zip(sides, rows, strict=True)]),
        view.minus_reference,
    )
    for side, column in enumerate(st.columns(2, gap="medium")):
        shown, which = sides[side]
        with column:
            st.text(which.name)
            parameters, row = shown.parameters, rows[side]
            spread = "" if np.isnan(row["stderr"]) else f" ± {row['stderr']:,.0f}"
            st.markdown(f"**{row['value']:,.0f}{spread} {MEASURE.unit}**")
            st.caption(
                f"σ {parameters['sigma_min']:g} to {parameters['sigma_max']:g}, "
                f"{parameters['steps']:,} steps, {parameters['probes']:,} probes, seed "
                f"{parameters['seed']:d}"
            )
            shown.player(which, row, f"compare-{side}", limits)
    names = [
        f"{'left' if side == 0 else 'right'}: {which.name}" for side, (_, which) in enumerate(sides)
    ]
    curves = {
        name: (shown.sigmas, row["curve"])
        for name, (shown, _), row in zip(names, sides, rows, strict=True)
    }
    st.plotly_chart(
        literal(growth_curve(curves, None)),
        key="compare-curve",
        config=CONFIG,
        alt="Growth of both images",
    )
    if (chosen.sigma_min, chosen.sigma_max) != (own.sigma_min, own.sigma_max):
        st.caption("The noise ranges differ, so the two values cannot be compared.")


def exact_panel(view: Growth, picture: Picture) -> None:
    """Draw the map from all d directions instead of random ones, to see the error of the
    estimate.
    """
    exact = view.with_parameters(probes="exact")
    st.markdown(
        f"The map is estimated with {view.parameters['probes']:,} random probes at each noise "
        f"level. Here all {view.loaded.denoiser.dimension:,} directions are used instead, "
        f"{exact.forwards:,} network forwards: the same sum without the randomness."
    )
    if not exact.has(picture, keep_maps=True) and not long_work(
        "Compute the exact map",
        exact.seconds,
        lambda progress: exact.detailed(picture, progress),
        icon=":material/grid_on:",
        ask=True,
    ):
        return
    estimate, truth = view.detailed(picture), exact.detailed(picture)
    shown = {"Estimate": view.smooth(estimate["map"]), "Exact": view.smooth(truth["map"])}
    limits = colour_range(np.stack(list(shown.values())), view.minus_reference)
    correlation = np.corrcoef(shown["Estimate"].ravel(), shown["Exact"].ravel())[0, 1]
    shown["Estimate minus exact"] = shown["Estimate"] - shown["Exact"]
    signed = list(shown) if view.minus_reference else ["Estimate minus exact"]
    st.plotly_chart(
        literal(
            maps_in_a_row(
                {name: coarse(heat) for name, heat in shown.items()}, limits, MEASURE.unit, signed
            )
        ),
        key="exact",
        config=CONFIG,
        alt="Estimated map, exact map and their difference",
    )
    columns = st.columns(4)
    columns[0].metric("Estimate", f"{estimate['value']:,.0f}", help="Nats.")
    columns[1].metric("Exact", f"{truth['value']:,.0f}", help="Nats.")
    columns[2].metric(
        "Correlation of the maps",
        f"{correlation:.3f}",
        help="Over the pixels, smoothed as chosen above.",
    )
    stated = np.sqrt((estimate["map_stderr"] ** 2).mean())
    said = f" The stated standard error is {stated:.3g} on average." if np.isfinite(stated) else ""
    columns[3].metric(
        "Error per pixel",
        f"{(estimate['map'] - truth['map']).std():.3g}",
        help=f"Standard deviation of estimate minus exact, unsmoothed, in nats.{said}",
    )


def paper_panel(view: Growth, picture: Picture) -> None:
    """Draw the published procedure with its own settings, for one image."""
    denoiser = view.loaded.denoiser
    st.markdown(
        "The exact procedure of Hasegawa & Yasuda: points at distance 0.05 from the image in "
        "orthogonal directions are carried along the variance-preserving ODE by Euler steps and "
        "made orthogonal again after each step. Values are on the paper's scale."
    )
    columns = st.columns(4)
    directions = columns[0].number_input(
        "Directions",
        1,
        denoiser.dimension,
        min(100, denoiser.dimension),
        help="The paper's code uses 100.",
    )
    steps = columns[1].number_input(
        "Euler steps", 10, 5000, 1000, step=10, help="The paper's code uses 1,000."
    )
    parameters = {"scheme": "paper", "directions": int(directions), "steps": int(steps), "seed": 0}
    frame = View(view.loaded, "frame_growth", parameters, view.minus_reference)
    forwards = int(steps) * (int(directions) + 1) * len(view.models)
    st.caption(f"{forwards:,} network forwards.")
    if not frame.has(picture) and not long_work(
        "Run the paper's procedure",
        computed.seconds(denoiser, forwards),
        lambda progress: frame.row(picture, progress),
        ask=True,
    ):
        return
    row = frame.row(picture)
    minus = ", minus reference" if view.minus_reference else ""
    numbers = st.columns(3)
    numbers[0].metric(
        f"Sum of log lengths{minus}",
        f"{row['value']:,.1f}",
        help="The number the paper reports, in nats.",
    )
    numbers[1].metric(
        f"Log volume{minus}",
        f"{row['log_volume']:,.1f}",
        help="The true growth of the frame's volume, from the QR diagonal; never larger than "
        "the sum.",
    )
    numbers[2].metric(
        f"Per direction{minus}",
        f"{row['value'] / int(directions):.3f}",
        help="An isolated point reaches 4.634 nats per direction with 1,000 Euler steps, "
        "whatever the model.",
    )
    st.plotly_chart(
        literal(frame_curve(np.linspace(1e-3, 1, int(steps)), row["curve"], row["volume_curve"])),
        key="paper",
        config=CONFIG,
        alt="Growth of the frame over time",
    )


PANELS: dict[str, Callable[[Growth, Picture], None]] = {
    "Redraw": lambda view, picture: redraw_panel(view.loaded, picture),
    "How often": lambda view, picture: rate_panel(view.loaded, picture),
    "Over training": checkpoints_panel,
    "Compare": compare_panel,
    "Exact map": exact_panel,
    "The paper's procedure": paper_panel,
}
CLOSER = PAGE.maybe_one_of("closer", list(PANELS))
