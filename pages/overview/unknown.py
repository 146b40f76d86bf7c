"""What is not known of this model: a sentence each, with the page that mends it and the cost."""

import pandas as pd
import streamlit as st

from memlib.evidence import Remembered
from memlib.extraction import stages
from memlib.extraction.plan import plan_of
from memlib.extraction.stages import folder_of
from memlib.measures import MEASURES
from memlib.workspace import Workspace
from pages.ranking.rates import MEASURE, estimate_likeliest, estimated
from pages.session import neighbours
from pages.session import results as computed
from pages.session.downloads import duration
from pages.session.neighbours import Truth, unguided

DRAWS, STEPS = 1024, 50  # what the evidence page offers to draw
CHEAP = "denoising_loss"  # the measure to begin with where none is measured


def unknown(
    loaded: Workspace, truth: Truth | None, found: Remembered | None, values: pd.DataFrame
) -> None:
    """Draw what is not known, and what would mend it."""
    st.subheader("What is not known")
    denoiser, images = loaded.denoiser, loaded.images

    def takes(forwards: int) -> str:
        return duration(computed.seconds(denoiser, forwards))

    if found is None and unguided(loaded) is None:
        mend(
            "Which images come back: no picture is drawn without guidance. "
            f"{DRAWS:,} pictures take about {takes(DRAWS * STEPS)}, and can be stopped and gone on "
            "with.",
            "evidence",
            "Draw pictures",
        )
    elif truth is not None and found is not None:
        eta = truth.run.plan.eta if truth.run.plan else 0.0
        folder = folder_of(plan_of(denoiser, steps=STEPS, eta=eta), stages.FOLDER)
        more = max(0, 2 * found.draws - len(neighbours.drawn(folder) or ()))
        mend(
            f"What was not drawn is not safe: {found.counts.images - found.counts.seen:,} images "
            f"have not come back in {found.draws:,} pictures, and some may in more, or under "
            f"guidance. Twice as many take about {takes(more * STEPS)}.",
            "evidence",
            "Draw more",
        )
    known = estimated(loaded)
    rates = sum(image in known for image in images.ids) if known else 0
    if rates < len(images):
        mend(
            f"How rare the rare ones are: the reproduction rate is estimated for {rates:,} of "
            f"{len(images):,} images. One takes about "
            f"{takes(MEASURE.forwards(denoiser))}, all of them "
            f"{takes(MEASURE.forwards(denoiser) * (len(images) - rates))}.",
            "volume_growth",
            "Estimate the chosen image's",
            closer="How often",
        )
        estimate_likeliest(loaded)
    if not images.held_out.any():
        mend(
            "What the measures say of images that were not trained on: no image is known to be "
            "held out, so no ranking has a null. Name a second source of such images; it costs "
            "nothing but measuring them.",
            "workspace",
            "Name held-out images",
        )
    if not values.notna().any(axis=None):
        forwards = MEASURES[CHEAP].forwards(denoiser) * len(images)
        mend(
            "Which images the measures call memorised: nothing is measured yet. "
            f"{MEASURES[CHEAP].title} of all {len(images):,} images takes about {takes(forwards)}.",
            "evidence",
            "Measure images",
        )


def mend(said: str, page: str, label: str, **query: str) -> None:
    """Draw one thing that is not known, and a link to where that is mended."""
    left, right = st.columns([3, 1], vertical_alignment="center")
    left.markdown(said)
    right.page_link(
        f"pages/{page}/page.py",
        label=label,
        icon=":material/arrow_forward:",
        query_params=query or None,
    )
