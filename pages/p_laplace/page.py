"""Images ranked by the p-Laplace of the learned score; maps over p and noise level; what the number
owes to simpler ones.
"""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from scipy.stats import spearmanr

from memlib.images import HELD_OUT
from memlib.measures import LEVELS, POWERS, Row
from memlib.runs import result_table
from memlib.statistics import auc_interval
from pages.figures import charts
from pages.p_laplace.sphere_view import CURVES, MEASURE, Sphere, closer_look
from pages.ranking.browser import facts, measuring, overview, ranked_gallery, table_and_source
from pages.ranking.view import Picture
from pages.session import workspace

LOSS = (
    "|noise - n|² a dimension, of the same forwards. At the default radius this is the "
    "denoising loss, and K at p = 1 is nearly that in another form."
)

loaded = workspace.require()
denoiser, images = loaded.denoiser, loaded.images
st.caption(
    "Where the model has memorised an image, its score points back to the image from all around. "
    "The p-Laplace adds up how much flows inward through a sphere around it: 1 for a perfectly "
    "memorised image, 0 where the model sees nothing there."
)


def settings() -> tuple[float, float, float, dict[str, Any], int]:
    """p, noise level and radius of the ranking, its other parameters, and the directions of the
    maps; they stand in the URL.
    """
    levels = [sigma for sigma in LEVELS if denoiser.sigma_floor <= sigma <= denoiser.sigma_max] or [
        denoiser.sigma_max
    ]
    row = st.container(horizontal=True, vertical_alignment="bottom")
    p = row.segmented_control(
        "p",
        POWERS,
        default=1.0,
        required=True,
        key="p",
        bind="query-params",
        format_func=lambda one: f"{one:g}",
        help="p = 1 looks at the direction of the score alone, p = 2 is the Laplacian, larger p "
        "weigh strong scores more. All are measured at once.",
    )
    sigma = row.segmented_control(
        "Noise level σ",
        levels,
        default=levels[min(1, len(levels) - 1)],
        required=True,
        key="sigma",
        bind="query-params",
        format_func=lambda one: f"{one:g}",
    )
    with st.expander("Settings", icon=":material/tune:"):
        columns = st.columns(5)
        directions = columns[0].number_input(
            "Directions",
            2,
            1024,
            16,
            step=2,
            key="directions",
            bind="query-params",
            help="Points on the sphere for each image, in opposite pairs; as many forwards.",
        )
        fine = columns[1].number_input(
            "Directions for maps",
            2,
            1024,
            32,
            step=2,
            key="fine",
            bind="query-params",
            help="For the selected image, at each of its noise levels.",
        )
        radius = columns[2].number_input(
            "Radius, in units of σ√d",
            0.001,
            10.0,
            1.0,
            format="%.3g",
            key="radius",
            bind="query-params",
            help="1 is where noised copies of the image lie. Other radii are other measurements: "
            "nothing is compared across them.",
        )
        center = columns[3].selectbox(
            "Centre",
            ["clean", "noised"],
            key="center",
            bind="query-params",
            help="Around the image itself, or around one noised copy of it.",
        )
        seed = columns[4].number_input(
            "Seed",
            0,
            2**31 - 1,
            0,
            key="seed",
            bind="query-params",
            help="The same seed draws the same directions for all images.",
        )
    parameters: dict[str, Any] = {
        "p": list(POWERS),
        "directions": int(directions) // 2 * 2,
        "seed": int(seed),
    }
    if center != "clean":
        parameters["center"] = center
    return float(p), float(sigma), float(radius), parameters, int(fine) // 2 * 2


def comparison() -> bool:
    """Whether the reference's value is subtracted."""
    if loaded.reference is None:
        return False
    choice = st.segmented_control(
        "Show",
        ["K", "Minus reference"],
        default="K",
        required=True,
        key="of",
        bind="query-params",
        help="A model trained less or without the images sees how simple a picture is, but does "
        "not remember it. Its value can be taken away.",
    )
    return bool(choice == "Minus reference")


def browser(table: pd.DataFrame) -> None:
    """The gallery, the selected image and where it stands among all.

    No fragment: a click in one would not end the work going on in it.
    """
    left, right = st.columns([5, 6], gap="medium")
    with left:
        chosen = ranked_gallery(loaded, table, lambda value: f"{value:.4f}")
    if chosen is None:
        return
    picture = Picture(chosen["id"], chosen["name"], images[int(chosen["index"])])
    with right:
        found = view.maps(picture, radius)
        if found:
            detail(chosen, table, picture, found)
    closer_look(view, picture, radius, table)
    overview(table, float(chosen["value"]), view.title, f"K, p = {p:g},")


def detail(row: pd.Series, table: pd.DataFrame, picture: Picture, found: dict[float, Row]) -> None:
    """The selected image: maps over p and noise level, numbers, and K against noise level."""
    st.text(picture.name)
    view.player(picture, found, "p-map")
    numbers = st.columns(4)
    numbers[0].metric(
        "Minus reference" if minus else f"K, p = {p:g}",
        f"{row['value']:.4f}",
        help=MEASURE.definition,
    )
    numbers[1].metric(
        "Standard error",
        "unknown" if np.isnan(row["stderr"]) else f"± {row['stderr']:.4f}",
        help="From the spread between pairs of directions"
        + ("; for the difference an upper bound." if minus else "."),
    )
    numbers[2].metric(
        "Rank",
        f"{row['rank']:,} of {len(table):,}",
        help="Among the measured images; 1 is the most memorised.",
    )
    numbers[3].metric(
        "Loss" + (", minus reference" if minus else ""), f"{row['loss']:.4f}", help=LOSS
    )
    facts(row, loaded)
    curves = {
        f"p = {power:g}": [result[f"K_{power:g}"] for result in found.values()] for power in CURVES
    }
    st.plotly_chart(
        charts.statistic_curves(
            np.array(list(found)),
            curves,
            sigma,
            held_out_band(table),
            "K, minus reference" if minus else "K",
        ),
        key="p-curve",
        config=charts.CONFIG,
        alt="K against noise level for several p",
    )


def held_out_band(table: pd.DataFrame) -> tuple[str, np.ndarray, np.ndarray] | None:
    """K at p = 1 of the held-out images at the levels where all of them are measured."""
    if "group" not in table or not (table["group"] == HELD_OUT).any():
        return None
    held_out = table.loc[table["group"] == HELD_OUT, "id"]
    columns = {}
    for level in LEVELS:
        rows = view.at(level, radius).stored()
        if all(image in rows for image in held_out):
            columns[level] = [rows[image]["K_1"] for image in held_out]
    return (
        ("held-out images, p = 1", np.array(list(columns)), np.array(list(columns.values())).T)
        if len(columns) > 1
        else None
    )


def against_loss(table: pd.DataFrame) -> None:
    """The control that must be beside this number."""
    st.subheader("Against the denoising loss")
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.plotly_chart(
            charts.against(
                table,
                "loss",
                view.title,
                "denoising loss of the same forwards"
                + (", minus the reference's" if minus else ""),
                ".4f",
            ),
            key="loss-chart",
            config=charts.CONFIG,
            alt="K against the denoising loss",
        )
    with right:
        varied = table["value"].nunique() > 1 and table["loss"].nunique() > 1
        order = (
            f"{float(spearmanr(table['value'], -table['loss']).statistic):.3f}"
            if varied
            else "unknown"
        )
        st.metric(
            "Rank correlation with minus the loss",
            order,
            help="Spearman's, over all measured images.",
        )
        st.markdown(
            "At the default radius the points of the sphere are noised copies of the image, so K "
            "at p = 1 is nearly the denoising loss, the thing training makes small, in a form "
            "without scale. "
            "Near 1 the two rank the images alike: **K then knows nothing that the loss does not.**"
        )


def separation(table: pd.DataFrame) -> None:
    """How well each p and level separates each group from the held-out images, with bootstrap
    intervals.
    """
    if "group" not in table or not (table["group"] == HELD_OUT).any():
        return
    st.subheader("What each p and noise level separates")
    kinds = table["group"].astype(str)
    if "copies" in table:
        kinds = kinds + table["copies"].map(
            lambda count: f" x {count:g}" if isinstance(count, (int, float)) and count > 1 else ""
        )
    counts = table["copies"] if "copies" in table else [1] * len(table)
    copies = {
        kind: count if isinstance(count, (int, float)) else 1
        for kind, count in zip(kinds, counts, strict=True)
    }
    kind_of = dict(zip(table["id"], kinds, strict=True))
    wanted = [
        kind
        for kind in sorted(
            set(kinds), key=lambda kind: (kind.rpartition(" x ")[0] or kind, copies[kind])
        )
        if kind != HELD_OUT
    ]
    if not wanted:
        return
    usual = "copied x 32" if "copied x 32" in wanted else wanted[-1]
    group = st.segmented_control(
        "Group against held-out images",
        wanted,
        default=usual,
        required=True,
        key="separate",
        bind="query-params",
    )
    lines = []
    for level in LEVELS:
        rows = view.at(level, radius).stored()
        ours = [row for image, row in rows.items() if kind_of.get(image) == group]
        theirs = [row for image, row in rows.items() if kind_of.get(image) == HELD_OUT]
        if len(ours) < 2 or len(theirs) < 2:
            continue
        line: dict[str, object] = {"σ": f"{level:g}"}
        for name, column, sign in [
            *(
                (f"K, p = {power:g}" + (", minus reference" if minus else ""), f"K_{power:g}", 1)
                for power in POWERS
            ),
            ("denoising loss" + (", minus reference" if minus else ""), "loss", -1),
        ]:
            auc, low, high = auc_interval(
                [sign * row[column] for row in ours], [sign * row[column] for row in theirs]
            )
            line[name] = f"{auc:.3f} ({low:.3f} to {high:.3f})"
        lines.append(line)
    st.dataframe(lines, hide_index=True, height="content", alt="AUC by p and noise level")
    st.caption(
        "Area under the ROC curve and its 95% bootstrap interval over images. The direction of "
        "each number is fixed by its definition. Levels that were not measured are left out."
    )


p, sigma, radius, shared, fine = settings()
minus = comparison()
view = Sphere(loaded, MEASURE.name, shared, minus, p, fine).at(sigma, radius)
measuring(view, len(view.models) * shared["directions"])
rows = {
    image: {**row, "value": row[f"K_{p:g}"], "stderr": row[f"stderr_{p:g}"]}
    for image, row in view.stored().items()
}
if not rows:
    st.info(
        "Nothing has been measured with these settings yet. Choose images above and measure them.",
        icon=":material/hourglass_empty:",
    )
    st.stop()
table = result_table(images, rows, MEASURE.direction)
browser(table)
against_loss(table)
separation(table)
table_and_source(view, table, view.title, "p-laplace")
