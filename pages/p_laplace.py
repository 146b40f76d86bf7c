"""Images ranked by the p-Laplace of the learned score; maps over p and noise level; what the number owes to simpler ones."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from scipy.stats import spearmanr

from memlib import maps as map_tools
from memlib.measures import LEVELS, MEASURES, POWERS, Row, difference
from memlib.measures.evidence import auc_interval
from memlib.runs import measure_one, result_key, result_table
from pages.shared import charts, exports, workspace
from pages.shared.growth import Picture
from pages.shared.pictures import colour_range, rgb
from pages.shared.player import Axis, Kind, player
from pages.shared.ranking import facts, measuring, overview, ranked_gallery
from pages.shared.redraw import redraw_panel

RUN = "p_laplace"
FINE = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)  # the positions of the slider over p
CURVES = (1.0, 1.5, 2.0, 3.0)
STEPS = 8  # noise levels of one image's maps
RADII = (0.03, 0.1, 0.2, 0.4, 0.7, 1.0, 1.4, 2.0)  # in units of sigma sqrt(d)

loaded = workspace.require()
denoiser, images, results = loaded.denoiser, loaded.images, workspace.results()
st.caption(
    "Where the model has memorised an image, its score points back to the image from all around. The p-Laplace adds up how much flows inward through a sphere around it: 1 for a perfectly memorised image, 0 where the model sees nothing there."
)


def settings() -> tuple[float, float, dict[str, Any], int]:
    """p and noise level of the ranking, the parameters both stand for, and the directions of the maps; they stand in the URL."""
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
    parameters: dict[str, Any] = {"sigma": float(sigma), "p": list(POWERS), "directions": int(directions) // 2 * 2, "seed": int(seed)}
    if radius != 1:
        parameters["radius"] = float(f"{radius * float(sigma) * denoiser.dimension**0.5:.6g}")
    if center != "clean":
        parameters["center"] = center
    return float(p), float(sigma), parameters, int(fine) // 2 * 2


def comparison() -> bool:
    """Whether the reference's value is subtracted."""
    if loaded.reference is None:
        return False
    choice = st.segmented_control(
        "Show", ["K", "Minus reference"], default="K", required=True, key="of", bind="query-params",
        help="A model trained less or without the images sees how simple a picture is, but does not remember it. Its value can be taken away.",
    )  # fmt: skip
    return bool(choice == "Minus reference")


def stored(parameters: dict[str, Any]) -> dict[str, Row]:
    """Rows of the image set that are there already, by id."""

    def of(digest: str) -> dict[str, Row]:
        keys = {image: result_key(digest, image, RUN, parameters) for image in images.ids}
        return {image: results[key] for image, key in keys.items() if key in results}

    rows = of(denoiser.digest)
    if minus and loaded.reference is not None:
        others = of(loaded.reference.digest)
        rows = {image: difference(row, others[image]) for image, row in rows.items() if image in others}
    return rows


def one(picture: Picture, sigma: float, **changes: Any) -> Row:
    """The picture's row at one noise level, measured now where it has to be; the shown radius and centre are kept."""
    asked = {**parameters, "sigma": sigma, **changes}
    if "radius" in parameters and "radius" not in changes:
        asked["radius"] = float(f"{parameters['radius'] / parameters['sigma'] * sigma:.6g}")
    models = [denoiser, *([loaded.reference] if minus and loaded.reference is not None else [])]
    rows = [measure_one(model, picture.image, picture.id, "k_1_at_0.5", asked, results) for model in models]
    return rows[0] if len(rows) == 1 else difference(*rows)


def ladder() -> list[float]:
    """The noise levels of one image's maps: the ranked one and others around it, inside the model's range."""
    low, high = max(0.1, denoiser.sigma_floor * 1.01), min(5.0, denoiser.sigma_max * 0.99)
    around = np.geomspace(low, high, STEPS - 1) if low < high else np.array([])
    return sorted({float(f"{level:.3g}") for level in around} | {sigma})


@st.fragment
def browser(table: pd.DataFrame) -> None:
    """The gallery, the selected image and where it stands among all, which answer without the rest of the page."""
    left, right = st.columns([5, 6], gap="medium")
    with left:
        chosen = ranked_gallery(loaded, table, lambda value: f"{value:.4f}")
    if chosen is None:
        return
    picture = Picture(chosen["id"], chosen["name"], images[int(chosen["index"])])
    with right:
        detail(chosen, table, picture)
    closer(picture)
    overview(table, float(chosen["value"]), title, f"K, p = {p:g},")


def detail(row: pd.Series, table: pd.DataFrame, picture: Picture) -> None:
    """The selected image: maps over p and noise level, numbers, and K against noise level."""
    levels = ladder()
    with st.spinner(f"Maps at {len(levels)} noise levels"):
        found = [one(picture, level, p=list(FINE), directions=fine, keep_maps=True) for level in levels]
    st.text(picture.name)
    flux = map_tools.smooth(np.stack([result["maps"] for result in found], 1), 3)  # (p, level, H, W)
    local = np.stack([result["local"] for result in found])
    texts = [
        f"K = {result[f'K_{power:g}']:.4f} ± {result[f'stderr_{power:g}']:.4f} at p = {power:g}, σ = {level:g}"
        for power in FINE
        for level, result in zip(levels, found, strict=True)
    ]
    kinds = [
        Kind(
            "Flux", flux, colour_range(flux, minus), "", minus, texts,
            "Each pixel's part of the inward flux, averaged over 3 x 3. It sums to K.",
        ),
        Kind(
            "Local cosine", np.broadcast_to(local, (len(FINE), *local.shape)), colour_range(local, True) if minus else (0.0, 1.0), "", minus, texts,
            "Cosine between predicted and added noise in 3 x 3 patches, each normalised by itself: another operator, the same for every p. It does not sum to K. 1: remembered here.",
        ),
    ]  # fmt: skip
    axes = [
        Axis("p", [f"{power:g}" for power in FINE], FINE.index(p) if p in FINE else 0),
        Axis("Noise level σ", [f"{level:g}" for level in levels], levels.index(sigma)),
    ]
    player(rgb(picture.image), kinds, axes, key="p-map", alt=picture.name)
    numbers = st.columns(4)
    numbers[0].metric("Minus reference" if minus else f"K, p = {p:g}", f"{row['value']:.4f}", help=MEASURE.definition)
    numbers[1].metric(
        "Standard error",
        "unknown" if np.isnan(row["stderr"]) else f"± {row['stderr']:.4f}",
        help="From the spread between pairs of directions" + ("; for the difference an upper bound." if minus else "."),
    )
    numbers[2].metric("Rank", f"{row['rank']:,} of {len(table):,}", help="Among the measured images; 1 is the most memorised.")
    numbers[3].metric(
        "Denoising loss",
        f"{row['loss']:.4f}",
        help="Of the same forwards. At the default radius K at p = 1 is nearly this number in another form.",
    )
    facts(row, loaded)
    curves = {f"p = {power:g}": [result[f"K_{power:g}"] for result in found] for power in CURVES}
    st.plotly_chart(
        charts.statistic_curves(np.array(levels), curves, sigma, held_out_band(table)),
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
        rows = stored({**parameters, "sigma": level})
        if all(image in rows for image in held_out):
            columns[level] = [rows[image]["K_1"] for image in held_out]
    return ("held-out images, p = 1", np.array(list(columns)), np.array(list(columns.values())).T) if len(columns) > 1 else None


def closer(picture: Picture) -> None:
    """One panel at a time, so that only what is looked at is computed."""
    panels: dict[str, Callable[[Picture], None]] = {
        "Radius": radius_panel,
        "Low-noise map": volume_panel,
        "Redraw": lambda which: redraw_panel(loaded, which),
    }
    st.subheader("A closer look")
    chosen = st.segmented_control("Panel", list(panels), key="look", bind="query-params", label_visibility="collapsed")
    if chosen:
        panels[chosen](picture)


def radius_panel(picture: Picture) -> None:
    """Flux against radius at the ranked noise level."""
    unit = sigma * denoiser.dimension**0.5
    with st.spinner("Spheres of other radii"):
        rows = [one(picture, sigma, p=list(CURVES), directions=fine, radius=float(f"{factor * unit:.6g}")) for factor in RADII]
    st.plotly_chart(
        charts.radius_curves(np.array(RADII), {f"p = {power:g}": [row[f"K_{power:g}"] for row in rows] for power in CURVES}),
        key="radii",
        config=charts.CONFIG,
        alt="K against the radius of the sphere",
    )
    st.markdown(
        "An isolated point has K = 1 at every radius. At a small radius the sphere sees the slope at the image more than the peak around it, and K at p = 1 falls to 0; at σ√d it holds the noised copies "
        "that the network was trained on. **Each radius is a measurement of its own**; the ranking uses one."
    )
    with st.expander("Flux and divergence"):
        power = f"{p:g}"
        st.dataframe(
            [{"radius / σ√d": factor, "K": row[f"K_{power}"], "standard error": row[f"stderr_{power}"], "flux": row[f"flux_{power}"], "ball-averaged p-Laplacian": row[f"divergence_{power}"]} for factor, row in zip(RADII, rows, strict=True)],
            hide_index=True, height="content", alt="Flux and divergence by radius",
        )  # fmt: skip


def volume_panel(picture: Picture) -> None:
    """The divergence itself inside the ball: the same map a second way, with less noise."""
    st.markdown(
        "The flux through the sphere is the average of the p-Laplacian inside the ball. Here that average is taken directly, by finite differences along random signs at points inside (Hutchinson's diagonal): "
        "the same quantity a second way, with less noise a pixel."
    )
    count = 256
    asked = {"p": [p], "directions": count, "keep_maps": True}
    work = st.empty()
    key = result_key(denoiser.digest, picture.id, RUN, {**parameters, "sigma": sigma, **asked, "method": "volume"})
    if key not in results:
        with work.container():
            cost = exports.duration(workspace.seconds(denoiser, 2 * count * (2 if minus else 1)))
            st.caption(f"{2 * count} network forwards, about {cost}.")
            if not st.button("Compute it", type="primary", icon=":material/grid_on:"):
                return
            with st.spinner("Inside the ball"):
                one(picture, sigma, **asked, method="volume")
                one(picture, sigma, **asked)
        work.empty()
    inside, surface = one(picture, sigma, **asked, method="volume"), one(picture, sigma, **asked)
    shown = {f"Flux, {count} directions": surface["maps"][0], f"Divergence, {count // 2} points": inside["maps"][0]}
    shown = {name: map_tools.smooth(heat, 3) for name, heat in shown.items()}
    st.plotly_chart(
        charts.maps_in_a_row(shown, colour_range(shown[f"Divergence, {count // 2} points"], minus), "", list(shown) if minus else ()),
        key="volume",
        config=charts.CONFIG,
        alt="Maps of the boundary and the volume estimator",
    )
    columns = st.columns(3)
    columns[0].metric("Boundary", f"{surface['value']:.4f} ± {surface['stderr']:.4f}", help=f"K at p = {p:g} by the flux.")
    columns[1].metric("Volume", f"{inside['value']:.4f} ± {inside['stderr']:.4f}", help=f"K at p = {p:g} by the divergence inside.")
    columns[2].metric(
        "Correlation of the maps",
        f"{np.corrcoef(*(heat.ravel() for heat in shown.values()))[0, 1]:.3f}",
        help="Over the pixels, averaged over 3 x 3.",
    )


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
        order = float(spearmanr(table["value"], -table["loss"]).statistic)
        st.metric("Rank correlation with minus the loss", f"{order:.3f}", help="Spearman's, over all measured images.")
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
    group = st.segmented_control(
        "Group against held-out images",
        wanted,
        default=wanted[-2] if "copied x 32" not in wanted else "copied x 32",
        required=True,
        key="separate",
        bind="query-params",
    )
    lines = []
    for level in LEVELS:
        rows = stored(
            {
                **parameters,
                "sigma": level,
                **({"radius": float(f"{parameters['radius'] / sigma * level:.6g}")} if "radius" in parameters else {}),
            }
        )
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


p, sigma, parameters, fine = settings()
minus = comparison()
MEASURE = MEASURES["k_1_at_0.5"]
title = f"K, p = {p:g}, σ = {sigma:g}" + (", minus reference" if minus else "")
models = [denoiser, *([loaded.reference] if minus and loaded.reference is not None else [])]
measuring(loaded, models, "k_1_at_0.5", parameters, len(models) * parameters["directions"])
rows = {image: {**row, "value": row[f"K_{p:g}"], "stderr": row[f"stderr_{p:g}"]} for image, row in stored(parameters).items()}
if not rows:
    st.info("Nothing has been measured with these settings yet. Choose images above and measure them.", icon=":material/hourglass_empty:")
    st.stop()
table = result_table(images, rows, MEASURE.direction)
browser(table)
against_loss(table)
separation(table)
st.subheader("Table")
st.dataframe(table.drop(columns="index"), hide_index=True, height=280, alt="All measured images with their values")
details = workspace.manifest(loaded, "k_1_at_0.5", parameters) | {"shown": title}
if minus and loaded.reference:
    details["reference"] = {"name": loaded.reference.name, "digest": loaded.reference.digest}
exports.table_buttons(table, details, "p-laplace")
with st.expander("What this number is", icon=":material/function:"):
    st.latex(MEASURE.formula)
    st.markdown(
        f"{MEASURE.definition}\n\n**Direction:** bigger means more memorised. **Limits:** {MEASURE.limits}\n\n**Source:** {MEASURE.citation}."
    )
    st.json(json.dumps(details), expanded=False)
