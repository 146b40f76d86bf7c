"""Images ranked by the p-Laplace of the learned score; maps over p and noise level; what the number owes to simpler ones."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from scipy.stats import spearmanr

from memlib import maps as map_tools
from memlib.measures import LEVELS, MEASURES, POWERS, Row
from memlib.measures.evidence import auc_interval
from memlib.runs import result_table
from pages.shared import charts, workspace
from pages.shared.pictures import coarse, colour_range, rgb
from pages.shared.player import Axis, Kind, player
from pages.shared.ranking import facts, measuring, overview, ranked_gallery, table_and_source
from pages.shared.redraw import redraw_panel
from pages.shared.view import Picture, View, uploaded
from pages.shared.work import long_work

MEASURE = MEASURES["k_1_at_0.5"]
LOSS = "|noise - n|² a dimension, of the same forwards. At the default radius this is the denoising loss, and K at p = 1 is nearly that in another form."
SECOND = 256  # forwards of each estimator where two are compared
FINE = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)  # the positions of the slider over p
CURVES = (1.0, 1.5, 2.0, 3.0)
STEPS = 8  # noise levels of one image's maps
RADII = (0.03, 0.1, 0.2, 0.4, 0.7, 1.0, 1.4, 2.0)  # in units of sigma sqrt(d)

loaded = workspace.require()
denoiser, images = loaded.denoiser, loaded.images
st.caption(
    "Where the model has memorised an image, its score points back to the image from all around. The p-Laplace adds up how much flows inward through a sphere around it: 1 for a perfectly memorised image, 0 where the model sees nothing there."
)


def settings() -> tuple[float, float, float, dict[str, Any], int]:
    """p, noise level and radius of the ranking, its other parameters, and the directions of the maps; they stand in the URL."""
    levels = [sigma for sigma in LEVELS if denoiser.sigma_floor <= sigma <= denoiser.sigma_max] or [denoiser.sigma_max]
    row = st.container(horizontal=True, vertical_alignment="bottom")
    p = row.segmented_control(
        "p", POWERS, default=1.0, required=True, key="p", bind="query-params", format_func=lambda one: f"{one:g}",
        help="p = 1 looks at the direction of the score alone, p = 2 is the Laplacian, larger p weigh strong scores more. All are measured at once.",
    )  # fmt: skip
    sigma = row.segmented_control(
        "Noise level σ", levels, default=levels[min(1, len(levels) - 1)], required=True, key="sigma", bind="query-params", format_func=lambda one: f"{one:g}"
    )  # fmt: skip
    with st.expander("Settings", icon=":material/tune:"):
        columns = st.columns(5)
        directions = columns[0].number_input(
            "Directions", 2, 1024, 16, step=2, key="directions", bind="query-params", help="Points on the sphere for each image, in opposite pairs; as many forwards."
        )  # fmt: skip
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
            "Radius, in units of σ√d", 0.001, 10.0, 1.0, format="%.3g", key="radius", bind="query-params",
            help="1 is where noised copies of the image lie. Other radii are other measurements: nothing is compared across them.",
        )  # fmt: skip
        center = columns[3].selectbox(
            "Centre",
            ["clean", "noised"],
            key="center",
            bind="query-params",
            help="Around the image itself, or around one noised copy of it.",
        )
        seed = columns[4].number_input(
            "Seed", 0, 2**31 - 1, 0, key="seed", bind="query-params", help="The same seed draws the same directions for all images."
        )
    parameters: dict[str, Any] = {"p": list(POWERS), "directions": int(directions) // 2 * 2, "seed": int(seed)}
    if center != "clean":
        parameters["center"] = center
    return float(p), float(sigma), float(radius), parameters, int(fine) // 2 * 2


def at(level: float, factor: float | None = None) -> dict[str, Any]:
    """The parameters at a noise level, with the page's radius, or another, in units of sigma sqrt(d)."""
    factor = radius if factor is None else factor
    own = {} if factor == 1 else {"radius": float(f"{factor * level * denoiser.dimension**0.5:.6g}")}
    return {"sigma": level, **shared, **own}


def comparison() -> bool:
    """Whether the reference's value is subtracted."""
    if loaded.reference is None:
        return False
    choice = st.segmented_control(
        "Show", ["K", "Minus reference"], default="K", required=True, key="of", bind="query-params",
        help="A model trained less or without the images sees how simple a picture is, but does not remember it. Its value can be taken away.",
    )  # fmt: skip
    return bool(choice == "Minus reference")


def ladder() -> list[float]:
    """The noise levels of one image's maps: the ranked one and others around it, inside the model's range."""
    low, high = max(0.1, denoiser.sigma_floor * 1.01), min(5.0, denoiser.sigma_max * 0.99)
    around = np.geomspace(low, high, STEPS - 1) if low < high else np.array([])
    return sorted({float(f"{level:.3g}") for level in around} | {sigma})


def browser(table: pd.DataFrame) -> None:
    """The gallery, the selected image and where it stands among all. No fragment: a click in one would not end the work going on in it."""
    left, right = st.columns([5, 6], gap="medium")
    with left:
        chosen = ranked_gallery(loaded, table, lambda value: f"{value:.4f}")
    if chosen is None:
        return
    picture = Picture(chosen["id"], chosen["name"], images[int(chosen["index"])])
    with right:
        found = maps_of(picture)
        if found:
            detail(chosen, table, picture, found)
    closer(picture, table)
    overview(table, float(chosen["value"]), title, f"K, p = {p:g},")


def maps_of(picture: Picture) -> dict[float, Row] | None:
    """The picture's rows with maps for all p, by noise level; None where they were not all measured."""
    levels = ladder()
    changes = {"p": list(FINE), "directions": fine, "keep_maps": True}
    missing = [level for level in levels if not view.has(picture, **{**at(level), **changes})]

    def measure(progress: Callable[[float], object]) -> None:
        for place, level in enumerate(missing):
            progress(place / len(missing))
            view.row(picture, **{**at(level), **changes})

    forwards = len(missing) * fine * len(view.models)
    if missing and not long_work(
        f"Maps at {len(missing)} noise levels",
        workspace.seconds(denoiser, forwards),
        measure,
        keeps="Stopping keeps the finished noise levels.",
    ):
        return None
    return {level: view.row(picture, **{**at(level), **changes}) for level in levels}


def show_maps(picture: Picture, found: dict[float, Row], key: str) -> None:
    """The picture's maps, with sliders over p and noise level."""
    levels, rows = list(found), list(found.values())
    flux = map_tools.smooth(np.stack([row["maps"] for row in rows], 1), 3)  # (p, level, H, W)
    local = np.stack([row["local"] for row in rows])[None]  # the same for every p
    texts = [
        f"K = {row[f'K_{power:g}']:.4f} ± {row[f'stderr_{power:g}']:.4f} at p = {power:g}, σ = {level:g}"
        for power in FINE
        for level, row in found.items()
    ]
    kinds = [
        Kind("Flux", flux, colour_range(flux, minus), "", minus, texts, "Each pixel's part of the inward flux, averaged over 3 x 3. It sums to K."),
        Kind(
            "Local cosine", local, colour_range(local, True) if minus else (0.0, 1.0), "", minus, texts,
            "Cosine between predicted and added noise in 3 x 3 patches, each normalised by itself: another operator, the same for every p. It does not sum to K. 1: nothing is left open here, be it remembered or plain.",
        ),
    ]  # fmt: skip
    axes = [
        Axis("p", [f"{power:g}" for power in FINE], FINE.index(p)),
        Axis("Noise level σ", [f"{level:g}" for level in levels], levels.index(sigma)),
    ]
    player(rgb(picture.image), kinds, axes, key=key, alt=picture.name)


def detail(row: pd.Series, table: pd.DataFrame, picture: Picture, found: dict[float, Row]) -> None:
    """The selected image: maps over p and noise level, numbers, and K against noise level."""
    st.text(picture.name)
    show_maps(picture, found, "p-map")
    numbers = st.columns(4)
    numbers[0].metric("Minus reference" if minus else f"K, p = {p:g}", f"{row['value']:.4f}", help=MEASURE.definition)
    numbers[1].metric(
        "Standard error",
        "unknown" if np.isnan(row["stderr"]) else f"± {row['stderr']:.4f}",
        help="From the spread between pairs of directions" + ("; for the difference an upper bound." if minus else "."),
    )
    numbers[2].metric("Rank", f"{row['rank']:,} of {len(table):,}", help="Among the measured images; 1 is the most memorised.")
    numbers[3].metric("Loss", f"{row['loss']:.4f}", help=LOSS)
    facts(row, loaded)
    curves = {f"p = {power:g}": [result[f"K_{power:g}"] for result in found.values()] for power in CURVES}
    st.plotly_chart(
        charts.statistic_curves(np.array(list(found)), curves, sigma, held_out_band(table)),
        key="p-curve",
        config=charts.CONFIG,
        alt="K against noise level for several p",
    )


def held_out_band(table: pd.DataFrame) -> tuple[str, np.ndarray, np.ndarray] | None:
    """K at p = 1 of the held-out images at the levels where all of them are measured."""
    if "group" not in table or not (table["group"] == "held-out").any():
        return None
    held_out = table.loc[table["group"] == "held-out", "id"]
    columns = {}
    for level in LEVELS:
        rows = replace(view, parameters=at(level)).stored()
        if all(image in rows for image in held_out):
            columns[level] = [rows[image]["K_1"] for image in held_out]
    return ("held-out images, p = 1", np.array(list(columns)), np.array(list(columns.values())).T) if len(columns) > 1 else None


def closer(picture: Picture, table: pd.DataFrame) -> None:
    """One panel at a time, so that only what is looked at is computed; of the selected picture or of one's own."""
    panels: dict[str, Callable[[Picture], None]] = {
        "Radius": radius_panel,
        "Low-noise map": volume_panel,
        "Redraw": lambda which: redraw_panel(loaded, which),
    }
    st.subheader("A closer look")
    row = st.container(horizontal=True, vertical_alignment="center")
    chosen = row.segmented_control("Panel", list(panels), key="look", bind="query-params", label_visibility="collapsed")
    with row:
        own = uploaded(loaded)
    if own is not None:
        picture = own
        found = maps_of(picture)
        if not found:
            return
        st.text(picture.name)
        show_maps(picture, found, "own-p-map")
        value = view.row(picture)[f"K_{p:g}"]
        columns = st.columns(2)
        columns[0].metric(title, f"{value:.4f}", help=MEASURE.definition)
        columns[1].metric(
            "Would rank", f"{int((table['value'] > value).sum()) + 1:,} of {len(table) + 1:,}", help="Among the measured images."
        )
    if chosen:
        panels[chosen](picture)


def radius_panel(picture: Picture) -> None:
    """K and flux against radius at the ranked noise level."""
    changes = {"p": list(CURVES), "directions": fine}
    missing = [factor for factor in RADII if not view.has(picture, **{**at(sigma, factor), **changes})]

    def measure(progress: Callable[[float], object]) -> None:
        for place, factor in enumerate(missing):
            progress(place / len(missing))
            view.row(picture, **{**at(sigma, factor), **changes})

    forwards = len(missing) * fine * len(view.models)
    if missing and not long_work(
        "Spheres of other radii", workspace.seconds(denoiser, forwards), measure, keeps="Stopping keeps the finished radii."
    ):
        return
    rows = [view.row(picture, **{**at(sigma, factor), **changes}) for factor in RADII]
    shown = st.segmented_control("Plot", ["K", "Flux"], default="K", required=True, key="radius-plot")
    sign, name = (1, "K") if shown == "K" else (-1, "flux")
    curves = {f"p = {power:g}": [sign * row[f"{name}_{power:g}"] for row in rows] for power in CURVES}
    st.plotly_chart(
        charts.radius_curves(np.array(RADII), curves, "K" if shown == "K" else "inward flux", log=shown != "K" and not minus),
        key="radii",
        config=charts.CONFIG,
        alt=f"{shown} against the radius of the sphere",
    )
    st.markdown(
        "An isolated point has K = 1 at every radius. At a small radius the sphere sees the slope at the image more than the peak around it, and K at p = 1 falls to 0; at σ√d it holds the noised copies "
        "that the network was trained on. **Each radius is a measurement of its own**; the ranking uses one."
    )
    with st.expander(f"Flux and divergence at p = {p:g}"):
        columns = {
            "K": f"K_{p:g}",
            "standard error": f"stderr_{p:g}",
            "flux": f"flux_{p:g}",
            "p-Laplacian, averaged over the ball": f"divergence_{p:g}",
        }
        lines = [
            {"radius / σ√d": factor, **{name: row[column] for name, column in columns.items()}}
            for factor, row in zip(RADII, rows, strict=True)
        ]
        st.dataframe(lines, hide_index=True, height="content", alt="Flux and divergence by radius")


def volume_panel(picture: Picture) -> None:
    """The divergence itself inside the ball: the same map a second way, with less noise."""
    st.markdown(
        "The flux through the sphere is the average of the p-Laplacian inside the ball. Here that average is taken directly, by finite differences along random signs at points inside (Hutchinson's diagonal): "
        "the same quantity a second way, with less noise a pixel."
    )
    ways = [{**at(sigma), "p": [p], "directions": SECOND, "keep_maps": True, **way} for way in ({}, {"method": "volume"})]
    missing = [way for way in ways if not view.has(picture, **way)]

    def measure(progress: Callable[[float], object]) -> None:
        for place, way in enumerate(missing):
            view.row(picture, lambda share, place=place: progress((place + share) / len(missing)), **way)  # type: ignore[misc]

    forwards = len(missing) * SECOND * len(view.models)
    if missing and not long_work("Compute it both ways", workspace.seconds(denoiser, forwards), measure, icon=":material/grid_on:"):
        return
    surface, inside = (view.row(picture, **way) for way in ways)
    shown = {f"Flux, {SECOND} directions": surface["maps"][0], f"Divergence, {SECOND // 2} points": inside["maps"][0]}
    shown = {name: map_tools.smooth(heat, 3) for name, heat in shown.items()}
    st.plotly_chart(
        charts.maps_in_a_row(
            {name: coarse(heat) for name, heat in shown.items()},
            colour_range(np.stack(list(shown.values())), minus),
            "",
            list(shown) if minus else (),
        ),
        key="volume",
        config=charts.CONFIG,
        alt="Maps of the boundary and the volume estimator",
    )
    columns = st.columns(3)
    columns[0].metric("Boundary", f"{surface['value']:.4f} ± {surface['stderr']:.4f}", help=f"K at p = {p:g} by the flux.")
    columns[1].metric("Volume", f"{inside['value']:.4f} ± {inside['stderr']:.4f}", help=f"K at p = {p:g} by the divergence inside.")
    correlation = np.corrcoef(*(heat.ravel() for heat in shown.values()))[0, 1]
    columns[2].metric("Correlation of the maps", f"{correlation:.3f}", help="Over the pixels, averaged over 3 x 3.")


def against_loss(table: pd.DataFrame) -> None:
    """The control that must be beside this number."""
    st.subheader("Against the denoising loss")
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.plotly_chart(
            charts.against(
                table, "loss", title, "denoising loss of the same forwards" + (", minus the reference's" if minus else ""), ".4f"
            ),
            key="loss-chart",
            config=charts.CONFIG,
            alt="K against the denoising loss",
        )
    with right:
        varied = table["value"].nunique() > 1 and table["loss"].nunique() > 1
        order = f"{float(spearmanr(table['value'], -table['loss']).statistic):.3f}" if varied else "unknown"
        st.metric("Rank correlation with minus the loss", order, help="Spearman's, over all measured images.")
        st.markdown(
            "At the default radius the points of the sphere are noised copies of the image, so K at p = 1 is nearly the denoising loss, the thing training makes small, in a form without scale. "
            "Near 1 the two rank the images alike: **K then knows nothing that the loss does not.**"
        )


def separation(table: pd.DataFrame) -> None:
    """How well each p and level separates each group from the held-out images, with bootstrap intervals."""
    if "group" not in table or not (table["group"] == "held-out").any():
        return
    st.subheader("What each p and noise level separates")
    kinds = table["group"].astype(str)
    if "copies" in table:
        kinds = kinds + table["copies"].map(lambda count: f" x {count:g}" if isinstance(count, (int, float)) and count > 1 else "")
    kind_of = dict(zip(table["id"], kinds, strict=True))
    wanted = [
        kind
        for kind in sorted(set(kinds), key=lambda kind: (kind.split(" x ")[0], float(kind.split(" x ")[1]) if " x " in kind else 1))
        if kind != "held-out"
    ]
    if not wanted:
        return
    usual = "copied x 32" if "copied x 32" in wanted else wanted[-1]
    group = st.segmented_control("Group against held-out images", wanted, default=usual, required=True, key="separate", bind="query-params")
    lines = []
    for level in LEVELS:
        rows = replace(view, parameters=at(level)).stored()
        ours = [row for image, row in rows.items() if kind_of.get(image) == group]
        theirs = [row for image, row in rows.items() if kind_of.get(image) == "held-out"]
        if len(ours) < 2 or len(theirs) < 2:
            continue
        line: dict[str, object] = {"σ": f"{level:g}"}
        for name, column, sign in [*((f"K, p = {power:g}", f"K_{power:g}", 1) for power in POWERS), ("denoising loss", "loss", -1)]:
            auc, low, high = auc_interval([sign * row[column] for row in ours], [sign * row[column] for row in theirs])
            line[name] = f"{auc:.3f} ({low:.3f} to {high:.3f})"
        lines.append(line)
    st.dataframe(lines, hide_index=True, height="content", alt="AUC by p and noise level")
    st.caption(
        "Area under the ROC curve and its 95% bootstrap interval over images. The direction of each number is fixed by its definition. Levels that were not measured are left out."
    )


p, sigma, radius, shared, fine = settings()
minus = comparison()
title = f"K, p = {p:g}, σ = {sigma:g}" + (", minus reference" if minus else "")
view = View(loaded, MEASURE.name, at(sigma), minus)
measuring(view, len(view.models) * shared["directions"])
rows = {image: {**row, "value": row[f"K_{p:g}"], "stderr": row[f"stderr_{p:g}"]} for image, row in view.stored().items()}
if not rows:
    st.info("Nothing has been measured with these settings yet. Choose images above and measure them.", icon=":material/hourglass_empty:")
    st.stop()
table = result_table(images, rows, MEASURE.direction)
browser(table)
against_loss(table)
separation(table)
table_and_source(view, table, title, "p-laplace")
