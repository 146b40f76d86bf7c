"""How often the model draws one image: an estimate on request, and the pixels that make the image
rare.
"""

import streamlit as st

from memlib.evidence import About, counted_in_words, drawn_how
from memlib.measures import Row, rate_in_words
from memlib.progress import Progress
from memlib.workspace import Workspace
from pages.figures.maps import maps_in_a_row
from pages.figures.pictures import coarse, colour_range
from pages.figures.style import CONFIG, literal
from pages.ranking.counting import takes_long
from pages.ranking.rates import MEASURE, estimated, screen, stochastic_draws
from pages.ranking.view import Picture
from pages.session import results as computed
from pages.session.long_work import long_work
from pages.session.measured import is_measured, measured
from pages.session.neighbours import Truth


def estimate(loaded: Workspace, picture: Picture) -> Row | None:
    """Return the estimated rate of an image; where it is not estimated yet, draw a button for it
    and return None.
    """
    denoiser, asked = loaded.denoiser, MEASURE.asked(loaded.denoiser)

    def work(progress: Progress) -> None:
        measured(denoiser, picture.image, picture.id, MEASURE.name, asked.parameters, progress)

    if not is_measured(denoiser, picture.id, MEASURE.name, asked.parameters):
        forwards = asked.forwards(denoiser)
        seconds = computed.seconds(denoiser, forwards)
        st.caption(f"{forwards:,} network forwards.")
        if not long_work(
            "Estimate the rate",
            seconds,
            work,
            icon=":material/casino:",
            ask=True,
            keeps="Nothing is kept if you stop: a rate is one estimate.",
        ):
            return None
    return measured(denoiser, picture.image, picture.id, MEASURE.name, asked.parameters)


def rates_known(loaded: Workspace, image: str, about: About, truth: Truth | None) -> list[str]:
    """Say every rate that is known of the image with this id, counted and estimated, a sentence
    each.
    """
    lines, tolerance = [], MEASURE.defaults(loaded.denoiser)["tolerance"]
    if truth is not None and about.found is not None and about.trained:
        times, of = about.times, about.found.draws
        how = f" {drawn_how(truth.run.plan)}" if truth.run.plan else ""
        lines.append(
            f"**Counted**: {counted_in_words(times, of)}; {times:,} copies in {of:,} pictures "
            f"drawn{how}."
        )
    draws = None if takes_long(loaded, 0) else stochastic_draws(loaded)
    if draws is not None:
        times = draws.times_of(image, tolerance)
        lines.append(
            f"**Counted, stochastic sampler**: {counted_in_words(times, draws.count)}; {times:,} "
            f"of {draws.count:,} pictures are within {tolerance:g} of it."
        )
    rows = estimated(loaded)
    if image in rows:
        lines.append(
            f"**Estimated, stochastic sampler**: {rate_in_words(rows[image])}, for pictures within "
            f"{tolerance:g} of it."
        )
    known = screen(loaded)
    if known.predicted is not None and image in loaded.images.ids:
        row = known.predicted.row(loaded.images.ids.index(image))
        lines.append(f"**Predicted**: {rate_in_words(row)}. {known.sentence()}")
    return lines


def rate_panel(loaded: Workspace, picture: Picture) -> None:
    """Draw the rate of the image with its interval, or a button if it is not estimated yet."""
    asked = MEASURE.asked(loaded.denoiser)
    st.markdown(
        "One in how many generated images is a copy of this image? Paths of the stochastic "
        "sampler are led towards it, weighted to correct for that, and let go once the image is "
        "nearly certain. This gives the rate even of images that plain sampling would hardly "
        "ever show."
    )

    draws = stochastic_draws(loaded)
    if draws is not None:
        drawn = draws.times_of(picture.id, asked.parameters["tolerance"])
        st.subheader(f"Counted: it comes back {counted_in_words(drawn, draws.count)}.")
        st.caption(f"{drawn:,} of {draws.count:,} images of the same sampler are copies of it.")
    predicted(loaded, picture)

    row = estimate(loaded, picture)
    if row is None:
        return
    st.subheader(f"Estimated: it comes back {rate_in_words(row)}.")
    limit = {
        1: "The weights of the paths are too uneven for an estimate: this is a lower limit, at 95% "
        "by Markov's inequality.",
        -1: "No path came back: this is an upper limit from the largest weight, a rule of thumb.",
        0: "",
    }[int(row["sign"])]
    st.caption(
        f"For the stochastic sampler with {asked.parameters['steps']:,} steps; a copy is a "
        f"generated image within {asked.parameters['tolerance']:g} of the image (root mean "
        f"square). {asked.parameters['paths']:,} paths, let go at σ = {row['released']:.2g}, of "
        f"which {row['copies']:.0%} came back. {limit}"
    )
    heat = coarse(row["map"])
    st.plotly_chart(
        literal(maps_in_a_row({"Pixels that make it rare": heat}, colour_range(heat), "nats")),
        key="rate-map",
        config=CONFIG,
        alt="Map of the pixels that make the image rare",
    )


def predicted(loaded: Workspace, picture: Picture) -> None:
    """Draw the rate predicted from a cheaper measure, or why there is none."""
    if picture.id not in loaded.images.ids:  # a picture that was uploaded
        return
    found = screen(loaded)
    if found.predicted is None:
        st.caption(f"Not predicted. {found.sentence()}")
        return
    row = found.predicted.row(loaded.images.ids.index(picture.id))
    st.subheader(f"Predicted: it comes back {rate_in_words(row)}.")
    st.caption(found.sentence())
