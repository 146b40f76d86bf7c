"""How often the model draws one image: an estimate on request, and the pixels that make it
rare.
"""

import streamlit as st

from memlib.measures import MEASURES, rate_in_words
from memlib.progress import Progress
from memlib.workspace import Workspace
from pages.figures.maps import maps_in_a_row
from pages.figures.pictures import coarse, colour_range
from pages.figures.style import CONFIG, literal
from pages.ranking.view import Picture
from pages.session import results as computed
from pages.session.long_work import long_work
from pages.session.measured import is_measured, measured

MEASURE = MEASURES["reproduction_rate"]


def rate_panel(loaded: Workspace, picture: Picture) -> None:
    """The rate of the picture with its interval; a button where it is not estimated yet."""
    denoiser, asked = loaded.denoiser, MEASURE.asked(loaded.denoiser)
    st.markdown(
        "One in how many pictures is a copy of this image? Paths of the stochastic sampler are led "
        "towards it, weighted for that, and let go where it becomes sure: so the rate of an image "
        "is known that sampling would hardly ever show."
    )

    def estimate(progress: Progress) -> None:
        measured(denoiser, picture.image, picture.id, MEASURE.name, asked.parameters, progress)

    if not is_measured(denoiser, picture.id, MEASURE.name, asked.parameters):
        forwards = asked.forwards(denoiser)
        seconds = computed.seconds(denoiser, forwards)
        st.caption(f"{forwards:,} network forwards.")
        if not long_work(
            "Estimate the rate",
            seconds,
            estimate,
            icon=":material/casino:",
            ask=True,
            keeps="Stopping keeps nothing: a rate is one estimate.",
        ):
            return
    row = measured(denoiser, picture.image, picture.id, MEASURE.name, asked.parameters)
    st.subheader(f"It comes back {rate_in_words(row)}.")
    limit = {
        1: "The weights of the paths are too uneven for an estimate: this is a lower limit, at 95% "
        "by Markov's inequality.",
        -1: "No path came back: this is an upper limit by the largest weight, a rule of thumb.",
        0: "",
    }[int(row["sign"])]
    st.caption(
        f"Of the stochastic sampler with {asked.parameters['steps']:,} steps; a copy is a picture "
        f"within {asked.parameters['tolerance']:g} of the image (root mean square). "
        f"{asked.parameters['paths']:,} paths, let go at σ = {row['released']:.2g}, of which "
        f"{row['copies']:.0%} came back. {limit}"
    )
    heat = coarse(row["map"])
    st.plotly_chart(
        literal(maps_in_a_row({"Pixels that make it rare": heat}, colour_range(heat), "nats")),
        key="rate-map",
        config=CONFIG,
        alt="Which pixels make the image rare",
    )
