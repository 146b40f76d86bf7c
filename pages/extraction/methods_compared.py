"""Attacks side by side: copies and different images at equal numbers of generated images and at
equal cost, bands, and the curve over strength.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from torch import Tensor

from memlib.evidence import share
from memlib.extraction import (
    CRITERIA,
    UNCONDITIONAL,
    Attack,
    Generations,
    compared,
    extraction_scores,
    read_manifest,
    similarities,
)
from memlib.extraction.cost import fitting_cost, guidance_cost
from memlib.extraction.matches import TrainingSet
from memlib.workspace import Workspace
from pages.extraction.equal_cost import at_equal_cost
from pages.figures.style import CONFIG, GROUP_COLOURS, LEGEND, literal
from pages.session import stored_runs as attacks
from pages.session.messages import plain

BANDS = ("high", "middle", "low")
HELD_OUT_RATE = "same test on held-out images"


def comparison(
    loaded: Workspace,
    chosen: Attack,
    training: TrainingSet,
    table: pd.DataFrame,
    criterion: str,
    threshold: float,
    matching: tuple[float, bool, str],
) -> None:
    """Draw the chosen run beside the other stored runs of this model."""
    runs = attacks.stored_runs(loaded)
    manifests = {name: read_manifest(folder) for name, folder in runs.items()}
    titles = {attacks.title(manifest): name for name, manifest in manifests.items()}
    picked = st.multiselect(
        "Compare with",
        [title for title in titles if title != chosen.name],
        default=[title for title in titles if title != chosen.name][:5],
    )
    everyone, tables = [chosen], {chosen.name: table}

    def attack_of(title: str, folder: Path) -> Attack:
        """Read a stored run and match it in the same way as the chosen one."""
        found = attacks.generations_of(str(folder), attacks.stamp(folder))
        tables[title] = attacks.matches(loaded, found, training, *matching)
        copy = CRITERIA[criterion].holds(tables[title][criterion].to_numpy(), threshold)
        return Attack.of(title, found, tables[title], copy, training.groups)

    for title in picked:
        try:
            everyone.append(attack_of(title, runs[titles[title]]))
        except ValueError as error:
            st.warning(plain(str(error)), icon=":material/warning:")
    drawn = [attack for attack in everyone if attack.surrogate is None]
    everyone = [
        replace(
            attack,
            own=_own_images(attack, drawn),
            guidance=guidance_cost(loaded.denoiser, attack.surrogate),
            fitting=fitting_cost(loaded.denoiser, attack.surrogate),
        )
        if attack.surrogate
        else attack
        for attack in everyone
    ]
    fewest = min(len(attack.copy) for attack in everyone)
    st.subheader(f"At {fewest:,} generated images each")
    st.dataframe(
        _with_false_positives(
            compared(everyone, n=fewest), everyone, tables, criterion, threshold, fewest
        ),
        hide_index=True,
        alt="Methods at equal numbers of generated images",
        column_config=_COLUMNS,
    )
    known = [attack for attack in everyone if attack.forwards]
    if known:
        budget = min(float(attack.evaluations()[-1]) for attack in known)
        st.subheader(f"At {budget:,.0f} network forwards each")
        st.caption(
            "All costs are counted, in network forwards: drawing and describing the model "
            "samples and, as timed on this device, training the classifier and guidance. "
            "*Different images* counts what guided images copy, *with model samples* what both "
            "copy."
        )
        st.dataframe(
            compared(known, forwards=budget),
            hide_index=True,
            alt="Methods at equal cost",
            column_config=_COLUMNS,
        )
        left, right = st.columns(2, gap="medium")
        by_count = {
            attack.name: (np.arange(1, len(attack.copy) + 1), attack.unique()) for attack in known
        }
        by_cost = {attack.name: (attack.evaluations(), attack.unique()) for attack in known}
        left.plotly_chart(
            literal(_curves(by_count, "generations")),
            key="by-generations",
            config=CONFIG,
            alt="Different training images found against generated images",
        )
        right.plotly_chart(
            literal(_curves(by_cost, "network forwards")),
            key="by-forwards",
            config=CONFIG,
            alt="Different training images found against network forwards",
        )
    at_equal_cost(loaded)
    _bands(everyone, training, fewest)
    _strengths(loaded)


def _own_images(attack: Attack, drawn: Sequence[Attack]) -> Tensor | None:
    """Return what the model samples of a surrogate are copies of, from a plain unconditional run of
    the same seed and steps; None if no such run is compared.
    """
    plan = attack.generations.plan
    if plan is None or attack.surrogate is None:
        return None
    count = int(attack.surrogate["settings"]["generated"])
    samples = replace(plan, method=UNCONDITIONAL, surrogate=None, strength=0.0, first=0)
    for one in drawn:
        if one.generations.plan == samples and len(one.image) >= count:
            return one.image[:count]
    return None


_COLUMNS = {
    "share": st.column_config.NumberColumn(
        "copies, share",
        format="percent",
        help="Copies among the generated images, with Wilson's 95% interval.",
    ),
    "share from": st.column_config.NumberColumn(format="percent"),
    "share to": st.column_config.NumberColumn(format="percent"),
    "unique": st.column_config.NumberColumn(
        "different images", help="With a bootstrap 95% interval."
    ),
    "with own images": st.column_config.NumberColumn(
        "with model samples",
        help="Different images copied by these images and by the model samples, whose cost is "
        "included. Empty if the unconditional run with those samples is not compared.",
    ),
    "unique from": st.column_config.NumberColumn(format="%.0f"),
    "unique to": st.column_config.NumberColumn(format="%.0f"),
    "network forwards": st.column_config.NumberColumn(format="localized"),
    HELD_OUT_RATE: st.column_config.TextColumn(
        help="Generated images that the same test calls copies of images the model was not "
        "trained on: its false positives. At most: with 95% confidence, one-sided.",
    ),
}


def _with_false_positives(
    lines: pd.DataFrame,
    everyone: Sequence[Attack],
    tables: Mapping[str, pd.DataFrame],
    criterion: str,
    threshold: float,
    n: int,
) -> pd.DataFrame:
    """Add how many of the first n images the same test calls copies of held-out images."""
    wrong = [
        attacks.false_positives(tables[attack.name], criterion, threshold) for attack in everyone
    ]
    known = [share(int(one[:n].sum()), n) for one in wrong if one is not None]
    return lines.assign(**{HELD_OUT_RATE: known}) if len(known) == len(wrong) else lines


def _curves(lines: Mapping[str, tuple[np.ndarray, np.ndarray]], axis: str) -> go.Figure:
    figure = go.Figure()
    for tint, (name, (x, y)) in zip(GROUP_COLOURS, lines.items(), strict=False):
        keep = np.unique(np.linspace(0, len(x) - 1, 400).astype(int))
        figure.add_trace(
            go.Scatter(
                x=x[keep],
                y=y[keep],
                mode="lines",
                name=name,
                line={"color": tint, "width": 3, "shape": "hv"},
            )
        )
    figure.update_xaxes(title=axis)
    figure.update_yaxes(title="different training images", rangemode="tozero")
    figure.update_layout(height=320, margin={"l": 0, "r": 0, "t": 70, "b": 0}, legend=LEGEND)
    return figure


@st.cache_data(max_entries=64, show_spinner="Comparing with every training image")
def _scores(
    run: str,
    training: str,
    kind: str,
    low: float,
    high: float,
    n: int,
    _found: Generations,
    _training: TrainingSet,
) -> dict[str, float]:
    found = extraction_scores(
        (
            block
            for block in similarities(
                Generations(_found.images.subset(range(n)), None, {}), _training, kind
            )
        ),
        low,
        high,
    )
    return {
        "AMS": found.ams,
        "AMS from": found.ams_interval[0],
        "AMS to": found.ams_interval[1],
        "UMS": found.ums,
        "UMS from": found.ums_interval[0],
        "UMS to": found.ums_interval[1],
        "best match only": found.best,
    }


def _bands(everyone: Sequence[Attack], training: TrainingSet, n: int) -> None:
    """Draw AMS and UMS in three bands with adjustable ends."""
    st.subheader("AMS and UMS")
    row = st.container(horizontal=True, vertical_alignment="bottom")
    kind = row.segmented_control(
        "Similarity",
        ["distance", "adaptive"],
        default="distance",
        format_func=lambda one: {"distance": "Distance", "adaptive": "Adaptive ratio"}[one],
        required=True,
        key="similarity",
    )
    usual = (0.05, 0.1, 0.2) if kind == "distance" else (0.5, 1.0, 1.4)
    cuts = [
        row.number_input(
            f"{band}, up to", 0.0, 10.0, cut, format="%.3f", key=f"{kind}_{band}", width=120
        )
        for band, cut in zip(BANDS, usual, strict=True)
    ]
    cumulative = row.toggle(
        "Cumulative",
        key="cumulative",
        help="Each band starts at distance zero. The paper's bands are disjoint: a near copy is "
        "not in the low band.",
    )
    if not 0 < cuts[0] < cuts[1] < cuts[2]:
        st.error("The ends of the bands must be in ascending order.", icon=":material/error:")
        return
    lines = []
    for attack in everyone:
        for band, high, low in zip(BANDS, cuts, (0.0, *cuts[:2]), strict=True):
            top = float("inf") if cumulative or not low else -low
            scores = _scores(
                attack.generations.images.digest,
                training.digest,
                kind,
                -high,
                top,
                n,
                attack.generations,
                training,
            )
            lines.append(
                {
                    "method": attack.name,
                    "band": band,
                    f"{kind} from": 0.0 if cumulative else low,
                    "to": high,
                }
                | scores
            )
    percent = {
        name: st.column_config.NumberColumn(format="percent")
        for name in lines[0]
        if name.startswith(("AMS", "UMS", "best"))
    }
    st.dataframe(
        pd.DataFrame(lines),
        hide_index=True,
        height="content",
        alt="AMS and UMS in bands",
        column_config=percent,
    )
    st.caption(
        f"From the first {n:,} generated images of each run. AMS: the share of generated images "
        "whose best match lies in the band. UMS: the number of different training images "
        "matched in the band, by any match, over the number of generated images; it can exceed "
        "AMS, and depends on that number. Near-duplicates are not merged here: these are the "
        "formulas of the paper."
    )


def _strengths(loaded: Workspace) -> None:
    """Draw the curve over strength: the bundled sweep, for the demo."""
    file = attacks.BUNDLED_RUNS / "strengths.csv"
    if loaded.sources.model != "demo" or not file.exists():
        return
    st.subheader("Over strength and cohesion")
    sweep = pd.read_csv(file)
    figure = go.Figure()
    for tint, (cohesion, part) in zip(GROUP_COLOURS, sweep.groupby("cohesion"), strict=False):
        error = {
            "type": "data",
            "symmetric": False,
            "array": part["share to"] - part["share"],
            "arrayminus": part["share"] - part["share from"],
        }
        figure.add_trace(
            go.Scatter(
                x=part["strength"],
                y=part["share"],
                error_y=error,
                mode="lines+markers",
                name=f"cohesion {cohesion:g}",
                line={"color": tint, "width": 3},
                customdata=part[["unique", "generations"]],
                hovertemplate="strength %{x:g}: %{y:.1%} copies, %{customdata[0]} different "
                "images of %{customdata[1]} generations<extra></extra>",
            )
        )
    figure.update_xaxes(title="strength")
    figure.update_yaxes(title="copies", tickformat=".0%", rangemode="tozero")
    figure.update_layout(height=320, margin={"l": 0, "r": 0, "t": 48, "b": 0}, legend=LEGEND)
    st.plotly_chart(
        literal(figure),
        key="strengths",
        config=CONFIG,
        alt="Share of copies over the strength of the guidance",
    )
    st.caption(
        "Bundled: the same starting noise at every strength; 0 is unconditional. Copies by a "
        "ratio below 1/3, near-duplicates merged; 95% intervals."
    )
