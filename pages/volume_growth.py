"""Images ranked by volume growth; the selected one large, with its map and its curve; measuring, and the table."""

import json
import random

import numpy as np
import pandas as pd
import streamlit as st

from memlib.flow import rounded_ends
from memlib.measures import MEASURES, Row
from memlib.runs import forward_seconds, measure_images, result_key, result_table
from pages.shared import charts, exports, workspace
from pages.shared.gallery import Card, gallery
from pages.shared.pictures import colour, rgb

MEASURE = MEASURES["volume_growth"]
PER_PAGE = 48

loaded = workspace.require()
denoiser, images, results = loaded.denoiser, loaded.images, workspace.results()
st.caption(
    "The more a small volume around an image grows on its way to the latent, the more of the latent space leads to that image, and the more easily the model reproduces it."
)


def settings() -> dict[str, float | int]:
    """The parameters chosen in the settings row; they stand in the URL."""
    lowest, highest = rounded_ends(denoiser)
    with st.expander("Settings", icon=":material/tune:"):
        columns = st.columns(5)
        low = columns[0].number_input(
            "Lowest noise level σ",
            1e-4,
            200.0,
            lowest,
            format="%.3g",
            key="low",
            bind="query-params",
            help="Below it the growth is not counted. Values of different noise ranges cannot be compared.",
        )
        high = columns[1].number_input(
            "Highest noise level σ",
            1e-4,
            200.0,
            highest,
            format="%.3g",
            key="high",
            bind="query-params",
            help="Where the path ends; by then nothing of the image should be visible.",
        )
        steps = columns[2].number_input(
            "Steps", 2, 200, 12, key="steps", bind="query-params", help="Noise levels on the way, evenly spaced in ln σ."
        )
        probes = columns[3].number_input(
            "Probes",
            1,
            64,
            2,
            key="probes",
            bind="query-params",
            help="Random directions at each level. More make the value and the map less noisy.",
        )
        seed = columns[4].number_input(
            "Seed", 0, 2**31 - 1, 0, key="seed", bind="query-params", help="The same seed draws the same probes, shared by all images."
        )
    return {"sigma_min": float(low), "sigma_max": float(high), "steps": int(steps), "probes": int(probes), "seed": int(seed)}


def measuring(parameters: dict[str, float | int]) -> None:
    """Choose what to measure, see what it will cost, measure it. Finished images are kept whatever happens."""
    missing = [index for index in range(len(images)) if key_of(index, parameters) not in results]
    with st.expander(
        "Measure images" if missing else "All images are measured with these settings",
        icon=":material/play_arrow:",
        expanded=len(missing) == len(images),
    ):
        if not missing:
            return
        choice = st.segmented_control(
            "What to measure", ["A random sample", "Everything", "Chosen images"], default="A random sample", required=True
        )
        if choice == "Everything":
            chosen = missing
        elif choice == "Chosen images":
            text = st.text_area("Names or ids, one a line", height=100, placeholder=images.names[0])
            wanted = {line.strip() for line in text.splitlines() if line.strip()}
            known = set(images.names) | set(images.ids)
            if wanted - known:
                st.warning(f"Not in this image set: {', '.join(sorted(wanted - known)[:5])}", icon=":material/warning:")
            chosen = [index for index in missing if {images.names[index], images.ids[index]} & wanted]
        else:
            count = st.number_input("How many", 1, max(1, len(missing)), min(64, len(missing)))
            chosen = sorted(random.Random(parameters["seed"]).sample(missing, int(min(count, len(missing)))))
        forwards = (int(parameters["steps"]) + 1) * (int(parameters["probes"]) + 1)
        if "forward_seconds" not in st.session_state or st.session_state.forward_seconds[0] != denoiser.digest:
            st.session_state.forward_seconds = (denoiser.digest, forward_seconds(denoiser))
        st.caption(
            f"{len(chosen):,} images, {forwards} network forwards each: about {exports.duration(len(chosen) * forwards * st.session_state.forward_seconds[1])}."
        )
        if st.button("Measure", type="primary", icon=":material/play_arrow:", disabled=not chosen):
            bar = st.progress(0.0, "Measuring")
            st.button("Stop", icon=":material/stop:", help="Finished images are kept.")
            try:
                for done, total in measure_images(
                    denoiser,
                    images,
                    chosen,
                    MEASURE.name,
                    parameters,
                    results,
                    lambda share: bar.progress(share, f"Measuring, {share:.0%}"),
                ):
                    bar.progress(done / total, f"{done:,} of {total:,} images measured")
            except ValueError as error:
                st.error(str(error), icon=":material/error:")
                return
            st.rerun()


def key_of(index: int, parameters: dict[str, float | int]) -> str:
    return result_key(denoiser.digest, images.ids[index], MEASURE.name, parameters)


def filtered(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that pass the filters above the gallery, in the order chosen there."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    if "group" in table:
        groups = row.pills("Groups", sorted(table["group"].unique()), selection_mode="multi", key="groups", bind="query-params")
        table = table[table["group"].isin(groups)] if groups else table
    text = row.text_input("Search names", key="search", bind="query-params", width=200)
    table = table[table["name"].str.contains(text, case=False, regex=False)] if text else table
    order = row.segmented_control(
        "Order", ["Most memorised first", "Least first"], default="Most memorised first", required=True, key="order", bind="query-params"
    )
    row.segmented_control("Show", ["Images", "Maps"], default="Images", required=True, key="show", bind="query-params")
    return table if order == "Most memorised first" else table.iloc[::-1]


def colour_range(rows: dict[str, Row]) -> tuple[float, float]:
    """One range for every map on the page: all but the extreme hundredths of the measured pixels."""
    sample = np.stack([row["map"] for row in list(rows.values())[:256]])
    low, high = np.quantile(sample, [0.01, 0.99])
    return float(low), float(high)


def choose() -> None:
    st.query_params["image"] = st.session_state.gallery["selected"]


@st.fragment
def browser(table: pd.DataFrame, rows: dict[str, Row], parameters: dict[str, float | int]) -> None:
    """The gallery, the selected image and where it stands among all, which answer without the rest of the page."""
    left, right = st.columns([5, 6], gap="medium")
    with left:
        shown = filtered(table).drop_duplicates("id")
        if shown.empty:
            st.info("No image passes these filters.", icon=":material/filter_alt_off:")
            return
        pages = -(-len(shown) // PER_PAGE)
        selected = st.query_params.get("image")
        if "page" not in st.session_state and selected in set(shown["id"]):  # a link opens the gallery where its image is
            st.session_state.page = int(np.flatnonzero(shown["id"] == selected)[0]) // PER_PAGE + 1
        page = min(int(st.session_state.get("page", 1)), pages)
        part = shown.iloc[(page - 1) * PER_PAGE : page * PER_PAGE]
        selected = selected if selected in set(table["id"]) else str(part["id"].iloc[0])
        low, high = colour_range(rows)
        if st.session_state.get("show") == "Maps":
            pictures = np.stack([colour(rows[image]["map"], low, high) for image in part["id"]])
        else:
            pictures = np.stack([rgb(images[index]) for index in part["index"]])
        cards = [card(row) for _, row in part.iterrows()]
        with st.container(height=780, border=False):
            gallery(pictures, cards, selected, key="gallery", width=64, on_select=choose)
        if pages > 1:
            if st.session_state.get("page", 1) > pages:
                st.session_state.page = pages
            st.pagination(pages, key="page")
    with right:
        chosen = table[table["id"] == selected].iloc[0]
        detail(chosen, table, rows, (low, high), parameters)
    overview(table, float(chosen["value"]))


def card(row: pd.Series) -> Card:
    name = row["name"].rsplit("/", 1)[-1].rsplit(".", 1)[0]
    group = str(row.get("group", ""))
    return Card(
        row["id"],
        f"{row['rank']}. {row['value']:,.0f}",
        group or name,
        f"Rank {row['rank']}: {name}, {row['value']:,.0f} {MEASURE.unit} {group}",
    )


def detail(
    row: pd.Series, table: pd.DataFrame, rows: dict[str, Row], limits: tuple[float, float], parameters: dict[str, float | int]
) -> None:
    """The selected image: map, numbers and curve."""
    result = rows[row["id"]]
    st.text(row["name"])
    figure = charts.overlay(rgb(images[int(row["index"])]), result["map"], *limits, MEASURE.unit)
    st.plotly_chart(figure, key="overlay", config=charts.CONFIG, alt=f"{row['name']} with its volume growth map")
    ceiling = denoiser.dimension * np.log(parameters["sigma_max"] / parameters["sigma_min"])
    numbers = st.columns(4)
    numbers[0].metric("Log growth", f"{row['value']:,.0f}", help=f"{MEASURE.definition} In nats; the map sums to it.")
    error = "unknown" if np.isnan(row["stderr"]) else f"± {row['stderr']:,.0f}"
    numbers[1].metric(
        "Standard error",
        error,
        help="Of the estimate, from the spread between probes; one probe has none. Probes are shared by all images, so ranks are steadier than this.",
    )
    numbers[2].metric("Rank", f"{row['rank']:,} of {len(table):,}", help="Among the measured images; 1 is the most memorised.")
    numbers[3].metric(
        "Of the ceiling",
        f"{row['value'] / ceiling:.1%}",
        help=f"No exact model can exceed the growth of an isolated point, {ceiling:,.0f} nats = d ln(σ max / σ min). A trained network can: it corrects the noise more steeply than any distribution of images allows.",
    )
    facts = [
        f"{name} {row[name]:g}" if isinstance(row[name], (int, float)) else f"{name} {row[name]}"
        for name in images.metadata
        if name in row and row[name] not in ("", None)
    ]
    if facts:
        st.text(" · ".join(facts))
    sigmas = np.geomspace(float(parameters["sigma_min"]), float(parameters["sigma_max"]), int(parameters["steps"]) + 1)
    band = None
    if "group" in table and (table["group"] == "held-out").any():
        band = ("held-out images", np.stack([rows[image]["curve"] for image in table.loc[table["group"] == "held-out", "id"]]))
    st.plotly_chart(
        charts.growth_curve(sigmas, result["curve"], denoiser.dimension, band),
        key="curve",
        config=charts.CONFIG,
        alt="Growth accumulated over the noise levels",
    )


def overview(table: pd.DataFrame, selected: float) -> None:
    """All measured images at once: spread by group, and value against number of copies where it is known."""
    axis = f"log growth, {MEASURE.unit}"
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("Spread")
        st.plotly_chart(
            charts.histogram(table, "group" if "group" in table else None, selected, axis),
            key="spread",
            config=charts.CONFIG,
            alt="Histogram of log growth by group",
        )
    if "copies" in table and pd.api.types.is_numeric_dtype(table["copies"]) and table["copies"].nunique() > 1:
        with right:
            st.subheader("Growth against number of copies")
            st.plotly_chart(charts.dose_response(table, axis), key="dose", config=charts.CONFIG, alt="Log growth against number of copies")


parameters = settings()
if parameters["sigma_min"] >= parameters["sigma_max"]:
    st.error("The lowest noise level must be below the highest.", icon=":material/error:")
    st.stop()
if denoiser.truncated:
    st.info(f"The schedule of this model goes on past σ = {denoiser.sigma_max:.4g}; it is cut there.", icon=":material/content_cut:")
measuring(parameters)
rows = {image: results[key] for index, image in enumerate(images.ids) if (key := key_of(index, parameters)) in results}
if not rows:
    st.info("Nothing has been measured with these settings yet. Choose images above and measure them.", icon=":material/hourglass_empty:")
    st.stop()
table = result_table(images, rows, MEASURE.direction)
browser(table, rows, parameters)
st.subheader("Table")
st.dataframe(table.drop(columns="index"), hide_index=True, height=280, alt="All measured images with their values")
exports.table_buttons(table, workspace.manifest(loaded, MEASURE.name, parameters), "volume-growth")
with st.expander("What this number is", icon=":material/function:"):
    st.latex(MEASURE.formula)
    st.markdown(
        f"{MEASURE.definition}\n\n**Direction:** bigger means more memorised. **Limits:** {MEASURE.limits}\n\n**Source:** {MEASURE.citation}."
    )
    st.json(json.dumps(workspace.manifest(loaded, MEASURE.name, parameters)), expanded=False)
