"""What an attack brought out: each generated image beside its nearest training images, its path,
and the table.
"""

import io
import json
import zipfile
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

from memlib.extraction import CRITERIA, Generations, trajectory
from memlib.extraction.matches import TrainingSet
from memlib.images import to_pixels
from memlib.measures import MEASURES
from memlib.neighbours import nearest
from memlib.runs import measure_images
from memlib.workspace import Workspace
from pages.figures.pictures import data_url, enlarge, rgb
from pages.ranking.view import uploaded
from pages.session import downloads as exports
from pages.session import stored_runs as attacks
from pages.session import workspace
from pages.session.long_work import long_work
from pages.session.measured import measured
from pages.widgets.pairs import Pair, pairs
from pages.widgets.trajectory import trajectory as draw_trajectory
from pages.widgets.wipe import wipe

PER_PAGE = 24
ORDERS = {
    "Closest first": ("ratio", True),
    "Smallest distance first": ("distance", True),
    "As drawn": ("number", True),
    "Growth, largest first": ("growth", False),
    "K_1, largest first": ("K_1", False),
}


def browser(
    loaded: Workspace,
    generations: Generations,
    table: pd.DataFrame,
    copy: np.ndarray,
    criterion: str,
) -> None:
    """The gallery of pairs with its filters, and the selected one at large."""
    shown = _filtered(table)
    if shown.empty:
        st.info("No generated image passes these filters.", icon=":material/filter_alt_off:")
        return
    asked = st.query_params.get("generation", "")
    selected = (
        int(asked)
        if asked.isdecimal() and int(asked) in set(shown["number"])
        else int(shown["number"].iloc[0])
    )
    pages = -(-len(shown) // PER_PAGE)
    if (
        "found_page" not in st.session_state and asked
    ):  # a link opens the gallery where its image is
        st.session_state.found_page = (
            int(np.flatnonzero(shown["number"] == selected)[0]) // PER_PAGE + 1
        )
    page = min(int(st.session_state.get("found_page", 1)), pages)
    part = shown.iloc[(page - 1) * PER_PAGE : page * PER_PAGE]
    left, right = st.columns([6, 5], gap="medium")
    with left:
        with st.container(height=760, border=False):
            clicked = pairs(
                [
                    _pair(loaded, generations, row, criterion, bool(copy[_place(row)]))
                    for _, row in part.iterrows()
                ],
                selected,
                key="pairs",
                alt="Generated images beside their nearest training images",
                width=64,
            )
        if pages > 1:
            if st.session_state.get("found_page", 1) > pages:
                st.session_state.found_page = pages
            st.pagination(pages, key="found_page")
    if clicked is not None:
        selected = clicked
    st.query_params["generation"] = str(selected)
    row = table[table["number"] == selected].iloc[0]
    with right:
        _detail(loaded, generations, row, criterion)
    _path(loaded, generations, row)


def _filtered(table: pd.DataFrame) -> pd.DataFrame:
    row = st.container(horizontal=True, vertical_alignment="bottom")
    verdict = row.segmented_control(
        "Verdict", ["copy", "no copy"], key="verdict", bind="query-params"
    )
    if verdict:
        table = table[table["verdict"] == verdict]
    if "group" in table:
        groups = row.pills(
            "Group of the nearest image",
            sorted(table["group"].unique()),
            selection_mode="multi",
            key="found_groups",
            bind="query-params",
        )
        table = table[table["group"].isin(groups)] if groups else table
    if "cluster" in table:
        cluster = row.selectbox(
            "Cluster",
            [None, *sorted(table["cluster"].unique())],
            format_func=lambda c: "all" if c is None else f"{c}",
            key="cluster",
            width=110,
        )
        table = table[table["cluster"] == cluster] if cluster is not None else table
    largest = float(np.ceil(table["distance"].max() * 20) / 20) if len(table) else 1.0
    if "band" in st.session_state and st.session_state.band[1] > largest:
        st.session_state.pop("band")
    low, high = row.slider(
        "Band of distances",
        0.0,
        max(0.05, largest),
        (0.0, max(0.05, largest)),
        0.01,
        key="band",
        width=200,
    )
    table = table[(table["distance"] >= low) & (table["distance"] <= high)]
    text = row.text_input("Search names", key="found_search", bind="query-params", width=160)
    table = (
        table[table["nearest_name"].str.contains(text, case=False, regex=False)] if text else table
    )
    if row.toggle(
        "One of each",
        key="once",
        bind="query-params",
        help="Of the generations with the same nearest training image only the closest.",
    ):
        table = table.sort_values("distance", kind="stable").drop_duplicates("nearest")
    orders = [
        name
        for name, (column, _) in ORDERS.items()
        if column in table and table[column].notna().any()
    ]
    order = row.selectbox("Order", orders or ["Closest first"], key="found_order", width=200)
    column, ascending = ORDERS[order]
    return table.sort_values(column, ascending=ascending, kind="stable", na_position="last")


def _pair(
    loaded: Workspace, generations: Generations, row: pd.Series, criterion: str, copy: bool
) -> Pair:
    place = _place(row)
    pictures = tuple(
        rgb(image)
        for image in (
            generations.images[place],
            loaded.images[int(row["nearest"])],
            loaded.images[int(row["second"])],
        )
    )
    return Pair(
        int(row["number"]),
        pictures,
        (f"{int(row['number'])}. {row[criterion]:.3f}", _short(row["nearest_name"])),
        copy,
    )


def _place(row: pd.Series) -> int:
    """Where the row's generation stands in its run."""
    place: Any = row.name
    return int(place)


def _short(name: str) -> str:
    return str(name).rsplit("/", 1)[-1].rsplit(".", 1)[0]


def _detail(loaded: Workspace, generations: Generations, row: pd.Series, criterion: str) -> None:
    """The generated image over its neighbour, and every number."""
    place = _place(row)
    one, other = generations.images[place], loaded.images[int(row["nearest"])]
    st.text(f"Generated image {int(row['number'])} and {_short(row['nearest_name'])}")
    if row["mirrored"]:
        st.caption("The match is with the mirror image, which is shown.")
        other = other.flip(2)
    wipe(
        rgb(one),
        rgb(other),
        ("generated", "nearest training image"),
        key="wipe",
        alt="The generated image laid over its nearest training image",
    )
    numbers = st.columns(4)
    numbers[0].metric(
        "Verdict",
        row["verdict"],
        help=f"{CRITERIA[criterion].title} {'below' if CRITERIA[criterion].below else 'above'} "
        "the threshold chosen above.",
    )
    numbers[1].metric("Ratio", f"{row['ratio']:.3f}", help=CRITERIA["ratio"].definition)
    numbers[2].metric(
        "Distance",
        f"{row['distance']:.3f}",
        help=CRITERIA["distance"].definition
        + f" To the second nearest: {row['second_distance']:.3f}.",
    )
    numbers[3].metric(
        "Adaptive",
        f"{row['adaptive']:.2f}",
        help=CRITERIA["adaptive"].definition
        + f" Centred on the generation: {row['adaptive_query']:.2f}.",
    )
    numbers = st.columns(4)
    measured = _measured(loaded, generations, row)
    for column, (label, value) in zip(numbers, measured.items(), strict=False):
        measure = MEASURES[attacks.MEASURED[label]]
        column.metric(
            "Growth" if label == "growth" else "K_1",
            f"{value:,.0f}" if label == "growth" else f"{value:.3f}",
            help=measure.definition,
        )
    if "cluster" in row:
        numbers[2].metric(
            "Led to cluster", f"{int(row['cluster'])}", help="Drawn uniformly; see Clusters."
        )
    if "sscd" in row:
        numbers[3].metric("SSCD", f"{row['sscd']:.2f}", help=CRITERIA["sscd"].definition)
    facts = [
        f"{name} {row[name]}"
        for name in ("group", "copies")
        if name in row and row[name] not in ("", None)
    ]
    if facts:
        st.text("Nearest image: " + " · ".join(facts))


def _measured(loaded: Workspace, generations: Generations, row: pd.Series) -> dict[str, float]:
    """Growth and K_1 of one generated image, measured now where they are not known: a few forwards."""
    place, values = _place(row), {}
    for label, name in attacks.MEASURED.items():
        if not np.isnan(row[label]):
            values[label] = float(row[label])
            continue
        measure = MEASURES[name]
        asked = measure.defaults(loaded.denoiser)
        values[label] = float(
            measured(loaded.denoiser, generations.images[place], row["id"], name, asked)[
                measure.column
            ]
        )
    return values


def _path(loaded: Workspace, generations: Generations, row: pd.Series) -> None:
    """How the sample came about, and which training image an ideal memoriser would have made of it
    at every noise level.
    """
    st.subheader("Its path")
    plan = generations.plan
    if plan is None:
        st.caption("Images generated elsewhere have no known path.")
        return
    surrogate = (
        attacks.surrogate_of(loaded, generations.manifest)
        if plan.strength and plan.surrogate
        else None
    )
    if plan.strength and plan.surrogate and surrogate is None:
        st.caption(
            "The classifier that guided this run is not stored, so its path cannot be drawn "
            "again. Fit it again with a new attack of the same settings."
        )
        return
    images = loaded.images
    members = attacks.training_of(loaded, 0.0, False).members
    copies = attacks.copies_of(loaded)
    key = (
        "path",
        loaded.denoiser.digest,
        images.digest,
        json.dumps(generations.manifest["plan"]),
        int(row["number"]),
    )
    kept = st.session_state.setdefault("paths", {})
    if key not in kept:

        def draw(progress: Any) -> None:
            kept[key] = trajectory(
                loaded.denoiser,
                images.subset(members.tolist()),
                int(row["number"]),
                copies=None if copies is None else copies[members],
                surrogate=surrogate,
                strength=plan.strength,
                steps=plan.steps,
                seed=plan.seed,
            )
            while len(kept) > 32:
                kept.pop(next(iter(kept)))

        if not long_work(
            "Draw its path again",
            workspace.seconds(loaded.denoiser, int(plan.steps * 1.2)) + len(members) / 2e4,
            draw,
        ):
            return
    path = kept[key]
    index = members[path.index]
    scale = (1 + path.sigmas**2).rsqrt().float().view(-1, 1, 1, 1)
    noisy, denoised = (
        np.stack([rgb(image) for image in images_])
        for images_ in (
            loaded.denoiser.decode(path.noisy * scale),
            loaded.denoiser.decode(path.denoised),
        )
    )
    wanted = sorted(set(index.flatten().tolist()))
    draw_trajectory(
        noisy,
        denoised,
        path.sigmas.numpy(),
        index.numpy(),
        path.weight.numpy(),
        path.candidates.numpy(),
        {place: rgb(images[place]) for place in wanted},
        {place: _short(images.names[place]) for place in wanted},
        path.commit,
        key="path",
        alt=f"The path of generated image {int(row['number'])}",
    )
    with st.expander("What the weights are", icon=":material/function:"):
        st.latex(
            r"w_i = \operatorname{softmax}_i\left( \ln n_i - \lVert y - x_i \rVert^2 / 2\sigma^2 "
            r"\right), \qquad \text{candidates} = \exp\left(-\sum_i w_i \ln w_i\right)"
        )
        st.markdown(
            "The posterior of an ideal memoriser of the training images (n_i copies of image i), "
            "given the noisy state y. It is exact, and it is not the model's: "
            "a model that generalises is led elsewhere. The path commits where one image has 90% "
            "of the weight from there to the end. As the noise goes to zero every path commits to "
            "its nearest "
            "training image; committing at a high noise level and being led there is what copying "
            "looks like."
        )


def search(
    loaded: Workspace, generations: Generations, training: TrainingSet, mirrored: bool
) -> None:
    """Any picture, held against the training images and against the generated ones."""
    st.caption(
        "Upload a picture: its nearest training images, and the generated images nearest to it."
    )
    picture = uploaded(loaded)
    if picture is None:
        names = [loaded.images.names[place] for place in training.members.tolist()]
        name = st.selectbox("Or a training image", names, index=0, key="query_name")
        place = training.members.tolist()[names.index(name)]
        query, title = loaded.images[place], name
    else:
        query, title = picture.image, picture.name
    st.text(title)
    columns = st.columns(9)
    columns[0].image(
        data_url(enlarge(rgb(query), 96)),
        caption="the picture",
        alt="The picture that is searched for",
    )
    rows = {
        "training images": (loaded.images.subset(training.members.tolist()), "nearest in training"),
        "generated": (generations.images, "nearest generated"),
    }
    for name, (pool, caption) in rows.items():
        found = nearest(query[None], pool, min(8, len(pool)), mirrored=mirrored)
        st.caption(caption.capitalize())
        places, distances = found.index[0].tolist(), found.distance[0].tolist()
        for column, place, distance in zip(st.columns(8), places, distances, strict=False):
            column.image(
                data_url(enlarge(rgb(pool[place]), 96)),
                caption=f"{_short(pool.names[place])}  {distance:.3f}",
                alt=f"{name}, distance {distance:.3f}",
            )


def table_and_exports(
    loaded: Workspace,
    name: str,
    generations: Generations,
    table: pd.DataFrame,
    asked: dict[str, Any],
) -> None:
    """Every generation, measuring those that are not, downloads, provenance."""
    st.subheader("Table")
    missing = int(table[list(attacks.MEASURED)].isna().any(axis=1).sum())
    if missing:
        forwards = 39 + 16

        def measure(progress: Any) -> None:
            for part, measured in enumerate(attacks.MEASURED.values()):
                parameters = MEASURES[measured].defaults(loaded.denoiser)
                for done, total in measure_images(
                    loaded.denoiser,
                    generations.images,
                    range(len(generations)),
                    measured,
                    parameters,
                    workspace.results(),
                ):
                    progress((part + done / total) / len(attacks.MEASURED))

        st.caption(f"Growth and K_1 of {missing:,} generated images are not known yet.")
        if long_work(
            "Measure the generated images",
            workspace.seconds(loaded.denoiser, missing * forwards),
            measure,
            ask=True,
            keeps="Stopping keeps the finished images.",
        ):
            st.rerun()
    st.dataframe(
        table,
        hide_index=True,
        height=280,
        alt="All generated images with their nearest training images",
    )
    details = {
        "name": name,
        "model": {"name": loaded.denoiser.name, "digest": loaded.denoiser.digest},
        "images": {
            "name": loaded.images.name,
            "digest": loaded.images.digest,
            "count": len(loaded.images),
        },
        "generated": {"digest": generations.images.digest, "count": len(generations)},
        "parameters": asked,
        "run": generations.manifest,
        "date": generations.manifest.get("date", ""),
    }
    exports.table_buttons(table, details, "extraction")
    st.download_button(
        "Images as a zip",
        lambda: _zip(generations, table, details),
        "generated.zip",
        "application/zip",
        icon=":material/download:",
        on_click="ignore",
    )
    with st.expander("Where this comes from", icon=":material/function:"):
        st.json(
            json.dumps(
                {
                    **details,
                    "run": {k: v for k, v in generations.manifest.items() if k != "surrogate"},
                }
            ),
            expanded=False,
        )


def _zip(generations: Generations, table: pd.DataFrame, details: dict[str, Any]) -> bytes:
    """Every generated image as a PNG, the table and where it comes from."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("table.csv", table.to_csv(index=False))
        archive.writestr("provenance.json", json.dumps(details, indent=1))
        for place, number in enumerate(table["number"]):
            picture = io.BytesIO()
            pixels = to_pixels(generations.images[place])
            Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(
                picture, "PNG"
            )
            archive.writestr(f"images/{int(number):06d}.png", picture.getvalue())
    return stream.getvalue()
