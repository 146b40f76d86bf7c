"""What every page of ranked images shares: measuring them, the gallery, where the values stand."""

import json
import random
from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st

from memlib.measures import MEASURES
from memlib.runs import measure_images
from memlib.workspace import Workspace
from pages.figures import charts
from pages.ranking.view import View
from pages.session import background, workspace
from pages.session import downloads as exports
from pages.session.messages import plain, show_error
from pages.widgets.gallery import Card, gallery

PER_PAGE = 48


def measuring(view: View, forwards: int) -> None:
    """Choose what to measure, see what it will cost, measure it. Finished images are kept whatever
    happens.

    `forwards` are the network forwards of all models an image.
    """
    background.adopt(view)
    images, results, models, parameters = (
        view.loaded.images,
        workspace.results(),
        view.models,
        view.parameters,
    )
    known = set.intersection(*(set(view.known(model)) for model in models))
    missing = [index for index, image in enumerate(images.ids) if image not in known]
    with st.expander(
        "Measure images" if missing else "All images are measured with these settings",
        icon=":material/play_arrow:",
        expanded=len(missing) == len(images),
    ):
        if not missing:
            return
        choice = st.segmented_control(
            "What to measure",
            ["A random sample", "Everything", "Chosen images"],
            default="A random sample",
            required=True,
        )
        if choice == "Everything":
            chosen = missing
        elif choice == "Chosen images":
            text = st.text_area("Names or ids, one a line", height=100, placeholder=images.names[0])
            wanted = {line.strip() for line in text.splitlines() if line.strip()}
            known = set(images.names) | set(images.ids)
            if wanted - known:
                st.warning(
                    plain(f"Not in this image set: {', '.join(sorted(wanted - known)[:5])}"),
                    icon=":material/warning:",
                )
            chosen = [
                index for index in missing if {images.names[index], images.ids[index]} & wanted
            ]
        else:
            count = st.number_input("How many", 1, max(1, len(missing)), min(64, len(missing)))
            chosen = sorted(
                random.Random(parameters["seed"]).sample(missing, int(min(count, len(missing))))
            )
        both = " with the model and its reference" if len(models) > 1 else ""
        cost = exports.duration(workspace.seconds(view.loaded.denoiser, len(chosen) * forwards))
        st.caption(f"{len(chosen):,} images, {forwards} network forwards each{both}: about {cost}.")
        row = st.container(horizontal=True)
        now = row.button(
            "Measure", type="primary", icon=":material/play_arrow:", disabled=not chosen
        )
        title = f"{MEASURES[view.measure].title.split(' at ')[0]} of {len(chosen):,} images"
        with row:
            background.button(
                "Run in background", not chosen, background.measure, view, chosen, title
            )
        if now:
            bar = st.progress(0.0, "Measuring")
            st.button("Stop", icon=":material/stop:", help="Finished images are kept.")
            try:
                for model, of in zip(models, ("", " with the reference"), strict=False):
                    for done, total in measure_images(
                        model,
                        images,
                        chosen,
                        view.measure,
                        parameters,
                        results,
                        lambda share: bar.progress(share, f"Measuring, {share:.0%}"),
                    ):
                        bar.progress(done / total, f"{done:,} of {total:,} images measured{of}")
            except ValueError as error:
                show_error(error)
                return
            st.rerun()


def filtered(table: pd.DataFrame, maps: bool) -> pd.DataFrame:
    """The rows that pass the filters above the gallery, in the order chosen there; `maps` offers to
    show maps in it.
    """
    row = st.container(horizontal=True, vertical_alignment="bottom")
    if "group" in table:
        groups = row.pills(
            "Groups",
            sorted(table["group"].unique()),
            selection_mode="multi",
            key="groups",
            bind="query-params",
        )
        table = table[table["group"].isin(groups)] if groups else table
    text = row.text_input("Search names", key="search", bind="query-params", width=200)
    table = table[table["name"].str.contains(text, case=False, regex=False)] if text else table
    order = row.segmented_control(
        "Order",
        ["Most memorised first", "Least first"],
        default="Most memorised first",
        required=True,
        key="order",
        bind="query-params",
    )
    if maps:
        row.segmented_control(
            "Show",
            ["Images", "Maps"],
            default="Images",
            required=True,
            key="show",
            bind="query-params",
        )
    return table if order == "Most memorised first" else table.iloc[::-1]


def _choose(image: str) -> None:
    st.query_params["image"] = image


def ranked_gallery(
    loaded: Workspace,
    table: pd.DataFrame,
    line: Callable[[float], str],
    maps: Callable[[list[str]], np.ndarray] | None = None,
) -> pd.Series | None:
    """The gallery of a ranked table, with filters and pages; returns the selected image's row, None
    where no image passes.

    `line` writes a value on a card; `maps` gives pictures (N, H, W, 3) of the maps of some ids.
    """
    shown = filtered(table, maps is not None).drop_duplicates("id")
    if shown.empty:
        st.info("No image passes these filters.", icon=":material/filter_alt_off:")
        return None
    pages = -(-len(shown) // PER_PAGE)
    selected = st.query_params.get("image")
    if "page" not in st.session_state and selected in set(
        shown["id"]
    ):  # a link opens the gallery where its image is
        st.session_state.page = int(np.flatnonzero(shown["id"] == selected)[0]) // PER_PAGE + 1
    page = min(int(st.session_state.get("page", 1)), pages)
    part = shown.iloc[(page - 1) * PER_PAGE : page * PER_PAGE]
    selected = selected if selected in set(table["id"]) else str(part["id"].iloc[0])
    if maps is not None and st.session_state.get("show") == "Maps":
        pictures = maps(list(part["id"]))
    else:
        pictures = loaded.images.thumbnails(part["index"].tolist())
    with st.container(height=780, border=False):
        gallery(
            pictures,
            [_card(row, line) for _, row in part.iterrows()],
            selected,
            key="gallery",
            on_select=_choose,
        )
    if pages > 1:
        if st.session_state.get("page", 1) > pages:
            st.session_state.page = pages
        st.pagination(pages, key="page")
    return table[table["id"] == selected].iloc[0]


def _card(row: pd.Series, line: Callable[[float], str]) -> Card:
    name = row["name"].rsplit("/", 1)[-1].rsplit(".", 1)[0]
    group, value = str(row.get("group", "")), line(row["value"])
    return Card(
        row["id"],
        f"{row['rank']}. {value}",
        group or name,
        f"Rank {row['rank']}: {name}, {value} {group}",
    )


def facts(row: pd.Series, loaded: Workspace) -> None:
    """What the image set's metadata says of the selected image."""
    known = [
        f"{name} {row[name]:g}" if isinstance(row[name], (int, float)) else f"{name} {row[name]}"
        for name in loaded.images.metadata
        if name in row and row[name] not in ("", None)
    ]
    if known:
        st.text(" · ".join(known))


def overview(table: pd.DataFrame, selected: float, axis: str, title: str) -> None:
    """All measured images at once: spread by group, and value against number of copies where it is
    known.
    """
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("Spread")
        st.plotly_chart(
            charts.histogram(table, "group" if "group" in table else None, selected, axis),
            key="spread",
            config=charts.CONFIG,
            alt=f"Histogram of {axis} by group",
        )
    if (
        "copies" in table
        and pd.api.types.is_numeric_dtype(table["copies"])
        and table["copies"].nunique() > 1
    ):
        with right:
            st.subheader(f"{title} against number of copies")
            st.plotly_chart(
                charts.dose_response(table, axis),
                key="dose",
                config=charts.CONFIG,
                alt=f"{axis} against number of copies",
            )


def table_and_source(view: View, table: pd.DataFrame, shown: str, name: str) -> None:
    """The whole table, its downloads, and what the number is: the end of every page of ranked
    images.
    """
    measure, loaded = MEASURES[view.measure], view.loaded
    st.subheader("Table")
    st.dataframe(
        table.drop(columns="index"),
        hide_index=True,
        height=280,
        alt="All measured images with their values",
    )
    details = workspace.manifest(loaded, view.measure, view.parameters) | {
        "shown": shown
    }  # shown: what `value` is
    if view.minus_reference and loaded.reference:
        details["reference"] = {"name": loaded.reference.name, "digest": loaded.reference.digest}
    exports.table_buttons(table, details, name)
    with st.expander("What this number is", icon=":material/function:"):
        st.latex(measure.formula)
        st.markdown(
            f"{measure.definition}\n\n**Direction:** bigger means more memorised. **Limits:** "
            f"{measure.limits}\n\n**Source:** {measure.citation}."
        )
        st.json(json.dumps(details), expanded=False)
