"""Panels of the evidence page: generating images, two measures against each other, and where they
disagree.
"""

import numpy as np
import pandas as pd
import streamlit as st

from memlib.evidence import disagreement, rank_agreement, ranks
from memlib.extraction import stages
from memlib.extraction.generations import generate_run
from memlib.extraction.plan import PART, plan_of
from memlib.extraction.stages import folder_of
from memlib.measures import MEASURES
from memlib.progress import Progress
from memlib.runs import measure_images
from memlib.workspace import Workspace
from pages.figures.quality import correlations
from pages.figures.spread import paired_values
from pages.figures.style import CONFIG, literal
from pages.ranking.facts import everything_about
from pages.ranking.look import measured_key
from pages.ranking.pictures import choose_among
from pages.session import neighbours as nearby
from pages.session import results as computed
from pages.session.long_work import long_work
from pages.session.messages import number, plain

STEPS = 50  # of the sampler
SAMPLERS = {"Deterministic": 0.0, "Stochastic": 1.0}  # eta
SHOWN = 24


def sampling(loaded: Workspace) -> None:
    """Draw the form that generates images and stores them; stored ones are kept."""
    with st.expander(
        "Generate images",
        icon=":material/brush:",
        expanded=not nearby.generations(loaded),
    ):
        row = st.container(horizontal=True, vertical_alignment="bottom")
        sampler = row.segmented_control(
            "Sampler",
            list(SAMPLERS),
            default=next(iter(SAMPLERS)),
            required=True,
            key="sampler",
            help="DDIM with eta 0 or 1. Copies are usually counted with the deterministic one; "
            "reproduction rates are those of the stochastic one.",
        )
        eta = SAMPLERS.get(sampler, 0.0)
        plan = plan_of(loaded.denoiser, steps=STEPS, eta=eta)
        folder = folder_of(plan, stages.FOLDER)  # the extraction page finds the run, too
        stored = len(nearby.drawn(folder) or ())
        wanted = int(
            row.number_input(
                "How many",
                PART,
                1_000_000,
                max(1024, stored),
                PART,
                key=f"draw_count_{eta:g}",
                width=160,
            )
        )
        seed_note = f"{stored:,} are stored already. " if stored else ""
        left = max(0, wanted - stored)
        st.caption(
            f"{seed_note}{left:,} to draw, {STEPS} network forwards each, with seeds 0 to "
            f"{wanted - 1:,}; they are stored in {plain(folder)}."
        )

        def draw(progress: Progress) -> None:
            for _ in generate_run(
                folder, loaded.denoiser, wanted, steps=STEPS, eta=eta, progress=progress
            ):
                pass

        if left and long_work(
            "Generate them" if not stored else "Generate more",
            computed.seconds(loaded.denoiser, left * STEPS),
            draw,
            icon=":material/brush:",
            ask=True,
            keeps="Images generated so far are kept; a later start continues from there.",
        ):
            st.rerun()


def two_measures(values: pd.DataFrame, key: str) -> tuple[str, str] | None:
    """Draw the choice of two different measures; return None if there are fewer than two."""
    known = [name for name in MEASURES if values[name].nunique() > 1]
    if len(known) < 2:
        return None
    left, right = st.columns(2)
    usual = [name for name in ("volume_growth", "k_1_at_0.5") if name in known] or known
    one = left.selectbox(
        "One measure",
        known,
        index=known.index(usual[0]),
        format_func=lambda name: MEASURES[name].title,
        key=f"{key}_one",
        bind="query-params",
    )
    others = [name for name in known if name != one]
    start = next((others.index(name) for name in reversed(usual) if name in others), 0)
    other = right.selectbox(
        "Another",
        others,
        index=start,
        format_func=lambda name: MEASURES[name].title,
        key=f"{key}_other",
        bind="query-params",
    )
    return one, other


def scatter_panel(
    loaded: Workspace, values: pd.DataFrame, order: pd.DataFrame, counts: np.ndarray
) -> None:
    """Draw how far measures agree, and two measures against each other; selected points show their
    images.
    """
    st.subheader("Do they agree?")
    agreement = rank_agreement(values)
    if len(agreement) < 2:
        st.caption("Two measures are needed.")
        return
    title = "Rank correlation of every pair of measures"
    room = st.expander(title, icon=":material/grid_on:", on_change="rerun")
    if room.open:
        with room:
            _all_pairs(agreement)
    chosen = two_measures(values, "scatter")
    if chosen is None:
        return
    one, other = chosen
    images = loaded.images
    groups = np.where(
        images.held_out, "held out", np.where(counts > 0, "reproduced", "not reproduced")
    )
    places = np.flatnonzero(values[[one, other]].notna().all(axis=1))
    axes = [f"{MEASURES[name].title}, {MEASURES[name].unit}" for name in chosen]
    pair = values[one].to_numpy(), values[other].to_numpy()
    event = st.plotly_chart(
        literal(
            lambda: paired_values(*pair, places, groups, images.names, *axes),
            ("pair", *chosen, *pair, counts, images.held_out, *measured_key(images, {})),
        ),
        key="scatter",
        on_select="rerun",
        selection_mode=("points", "box", "lasso"),
        config={"displaylogo": False},
        alt=f"{axes[0]} against {axes[1]}",
    )
    picked = [
        int(
            point["customdata"][0] if isinstance(point["customdata"], list) else point["customdata"]
        )
        for point in event.selection.points
    ]
    together = float(agreement.to_numpy()[list(agreement).index(one), list(agreement).index(other)])
    st.caption(
        f"{len(picked):,} images selected."
        if picked
        else "Rank correlation "
        f"{together:.2f}. Click a "
        "point, or draw a box or a "
        "lasso, to see the images."
    )
    if len(picked) == 1:
        everything_about(images.ids[picked[0]])
    if picked:
        shown = sorted(picked, key=lambda place: order[one].to_numpy()[place])[: 2 * SHOWN]
        choose_among(
            images,
            shown,
            [
                f"{number(float(values[one].to_numpy()[place]))} / "
                f"{number(float(values[other].to_numpy()[place]))}"
                for place in shown
            ],
            "evidence.picked",
            "Selected images",
        )
        if st.button(
            f"Queue {len(picked):,} for the audit",
            icon=":material/playlist_add:",
            help="They appear on the audit page under By hand.",
        ):
            kept: list[str] = st.session_state.setdefault("by_hand", [])
            kept.extend(
                image for image in (images.ids[place] for place in picked) if image not in set(kept)
            )
            st.switch_page("pages/audit/page.py", query_params={"queue": "By hand"})


def _all_pairs(agreement: pd.DataFrame) -> None:
    names = [MEASURES[str(name)].title for name in agreement]
    st.plotly_chart(
        literal(correlations(agreement.to_numpy(), names)),
        key="agreement",
        config=CONFIG,
        alt="Spearman's rank correlation of every pair of measures, in their directions",
    )
    st.caption(
        "Spearman's rank correlation, each measure in its direction, over the images that "
        "have both. 1 means the same order."
    )


def disagreement_panel(loaded: Workspace, values: pd.DataFrame, counts: np.ndarray) -> None:
    """Draw the images on whose rank two measures differ most."""
    st.subheader("Where they disagree")
    chosen = two_measures(values, "disagree")
    if chosen is None:
        st.caption("Two measures are needed.")
        return
    one, other = chosen
    apart = disagreement(values, one, other).sort_values()
    order = ranks(values[[one, other]].dropna())
    for ends, high in ((apart.index[::-1][:SHOWN], one), (apart.index[:SHOWN], other)):
        low = other if high == one else one
        said = f"{MEASURES[high].title} ranks them higher than {MEASURES[low].title}"
        st.markdown(f"**{said}**")
        places = [
            int(place)
            for place in ends
            if (apart[place] > 0) == (high == one) and apart[place] != 0
        ]
        marks = [" · reproduced" if counts[place] else "" for place in places]
        captions = [
            f"{float(order[high][place]):,.0f} / {float(order[low][place]):,.0f}{mark}"
            for place, mark in zip(places, marks, strict=True)
        ]
        if places:
            choose_among(loaded.images, places, captions, f"evidence.apart {high == one}", said)
    st.caption(
        "Below each image: its rank by the measure that ranks it higher, then by the other, "
        f"among the {len(order):,} images that have both."
    )


def missing_panel(loaded: Workspace, values: pd.DataFrame) -> None:
    """Draw which measures are missing for some images, and a form to measure them."""
    total = len(loaded.images)
    missing = {
        name: total - int(values[name].count()) for name in MEASURES if values[name].count() < total
    }
    if not missing:
        return
    with st.expander(
        f"{len(missing):,} measures are missing for some images", icon=":material/play_arrow:"
    ):
        row = st.container(horizontal=True, vertical_alignment="bottom")
        name = row.selectbox(
            "Measure",
            list(missing),
            format_func=lambda one: f"{MEASURES[one].title}: {missing[one]:,} images missing",
            key="measure_more",
            width=420,
        )
        measure = MEASURES[name]
        count = int(
            row.number_input(
                "How many images",
                1,
                missing[name],
                min(32, missing[name]),
                key=f"measure_count_{name}",
                width=160,
            )
        )
        left = np.flatnonzero(values[name].isna())
        chosen = np.sort(
            np.random.default_rng(0).choice(left, min(count, len(left)), replace=False)
        ).tolist()
        parameters = measure.defaults(loaded.denoiser)

        def work(progress: Progress) -> None:
            for _ in measure_images(
                loaded.denoiser,
                loaded.images,
                chosen,
                name,
                parameters,
                computed.results(),
                progress,
            ):
                pass

        st.caption(
            f"{measure.forwards(loaded.denoiser):,} network forwards per image. The images are "
            "chosen at random among those without a value."
        )
        seconds = computed.seconds(loaded.denoiser, len(chosen) * measure.forwards(loaded.denoiser))
        if long_work(
            "Measure them", seconds, work, ask=True, keeps="Finished images are kept if you stop."
        ):
            st.rerun()
