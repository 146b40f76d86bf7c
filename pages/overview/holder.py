"""The holder's question, is my picture in it: a picture from outside beside the training images and
the pictures drawn. It stays in the session: neither it nor what is computed of it is stored.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from memlib import nearest
from memlib.evidence import (
    About,
    Remembered,
    Resemblance,
    counted_in_words,
    resemblance,
    standings,
    surpassed_in_words,
    times_drawn,
)
from memlib.evidence.text import short as digits
from memlib.measures import MEASURES
from memlib.progress import Progress, part
from memlib.runs import measure_one
from memlib.workspace import Workspace
from pages.figures.pictures import enlarged, rgb
from pages.ranking.facts import everything_about
from pages.ranking.pictures import growth_map
from pages.ranking.rate_panel import rates_known
from pages.ranking.view import Picture, picture_taken
from pages.session import results as computed
from pages.session.long_work import long_work
from pages.session.measure_tables import measured
from pages.session.messages import number, plain, plus_minus, show_error
from pages.session.neighbours import Truth, unguided
from pages.session.state import Kept

CHEAP = ("denoising_loss", "volume_growth")
SIDE = 160  # pixels of a picture
ANSWERS: Kept[dict[tuple, Any]] = Kept("holder's answers", dict, of_model=True)


def holder(loaded: Workspace, truth: Truth | None, found: Remembered | None) -> None:
    """Draw the question, and the answer for the picture that is given."""
    with st.expander("Is my picture in it?", icon=":material/person_search:"):
        picture = picture_taken(
            loaded, "Your picture", "It is resized as the image set is, and forgotten afterwards."
        )
        if picture is None:
            st.caption(
                "It is compared with every training image and every picture drawn, pixel by pixel "
                "and mirrored; a crop or other colours are not found. It is not stored: closing "
                "the page forgets it."
            )
            return
        try:
            answer(loaded, picture, truth, found)
        except ValueError as error:
            show_error(error)


def answer(
    loaded: Workspace, picture: Picture, truth: Truth | None, found: Remembered | None
) -> None:
    """Draw the answer in a sentence, the pictures beside each other, and what is known."""
    images = loaded.images
    with st.spinner("Comparing with the training images"):
        near: Resemblance = here(
            (picture.id, images.digest, images.held_out.tobytes()),
            lambda: resemblance(picture.image, images),
        )
        drawn = closest_drawn(loaded, picture)
    own = Picture(images.ids[near.place], images.names[near.place], images[near.place])
    tables = measured(loaded)
    if near.copy:
        told = standings(loaded.denoiser, images, computed.results(), tables, near.place)
        about = About(near.place, told, True, found)
        st.markdown(
            f"#### The nearest training image is {plain(own.name)}, {near.sentence()} It "
            f"{about.sentence()}"
        )
        side_by_side(loaded, picture, own, near, drawn)
        lines = rates_known(loaded, own.id, about, truth)
        st.markdown("\n".join(f"- {line}" for line in lines))
        everything_about(own.id)
        return
    st.markdown(f"#### {near.sentence()} {sentence_of(drawn)}")
    if picture.id in set(images.ids):
        st.caption("It is one of the held-out images, which were not trained on.")
    side_by_side(loaded, picture, own, near, drawn)
    as_measured(loaded, picture, tables[0])


def here(key: tuple, make: Callable[[], Any]) -> Any:
    """Return what `make` returns, made once in this session for each key."""
    known = ANSWERS.get()
    if key not in known:
        known[key] = make()
    return known[key]


def closest_drawn(loaded: Workspace, picture: Picture) -> tuple[int, float, int, int] | None:
    """Return place and distance of the closest picture drawn without guidance, how many are copies
    of the picture and how many there are; None if none is drawn.
    """
    known = unguided(loaded)
    if known is None:
        return None
    pool = known[1].images

    def make() -> tuple[int, float, int, int]:
        one = nearest(picture.image[None], pool, 1)
        times = times_drawn(picture.image, pool)
        return int(one.index), float(one.distance), times, len(pool)

    closest: tuple[int, float, int, int] = here((picture.id, pool.digest), make)
    return closest


def sentence_of(drawn: tuple[int, float, int, int] | None) -> str:
    """Say how often the model drew the picture."""
    if drawn is None:
        return "No picture of this model is drawn yet, so whether it draws yours is not known."
    _, _, times, of = drawn
    if not times:
        return (
            f"None of {of:,} pictures drawn is a copy of it: the model draws it "
            f"{counted_in_words(times, of)}."
        )
    return f"But the model drew copies of it, {times:,} in {of:,}: {counted_in_words(times, of)}."


def side_by_side(
    loaded: Workspace,
    picture: Picture,
    own: Picture,
    near: Resemblance,
    drawn: tuple[int, float, int, int] | None,
) -> None:
    """Draw the picture, its nearest training image, the closest picture drawn and, of a copy, the
    training image's map of growth.
    """
    columns = st.columns(4, gap="small")
    shown = [(picture.image, "Your picture, as the model would see it.", "Your picture")]
    where = "The nearest training image" + (", mirrored" if near.mirrored else "")
    shown.append((own.image, f"{where}, at a distance of {digits(near.distance)}.", own.name))
    if drawn is not None:
        place, distance, _, _ = drawn
        known = unguided(loaded)
        assert known is not None
        text = f"The closest picture drawn, at a distance of {digits(distance)}."
        shown.append((known[1].images[place], text, f"Generated image {place:,}"))
    for column, (image, text, alt) in zip(columns, shown, strict=False):
        column.image(enlarged(rgb(image), SIDE), alt=alt)
        column.caption(plain(text))
    if near.copy:
        with columns[len(shown)]:
            growth_map(loaded, own)
    st.caption("Distances are root mean square differences per value; black to white is 2.")


def as_measured(loaded: Workspace, picture: Picture, values: pd.DataFrame) -> None:
    """Draw where the measures of the picture itself fall among those of the images, or the button
    that measures it.
    """
    denoiser, results = loaded.denoiser, computed.results()
    able = [name for name in CHEAP if not MEASURES[name].refusal(denoiser)]
    asked = {name: MEASURES[name].defaults(denoiser) for name in able}
    rows = {name: results.rows(denoiser.digest, MEASURES[name].run, asked[name]) for name in able}
    missing = [name for name in able if picture.id not in rows[name]]

    def work(progress: Progress) -> None:
        for done, name in enumerate(missing):
            told = part(progress, done, 1, len(missing))
            one = (denoiser, picture.image, picture.id, name, asked[name], results)
            measure_one(*one, told)

    if missing:
        st.markdown("Whether the model knows it all the same, two cheap measures can tell.")
        forwards = sum(MEASURES[name].forwards(denoiser) for name in missing)
        seconds = computed.seconds(denoiser, forwards)
        if not long_work("Measure my picture", seconds, work, ask=True):
            return
    held_out = loaded.images.held_out
    for name in able:
        row = results.rows(denoiser.digest, MEASURES[name].run, asked[name])[picture.id]
        value, measure = row[MEASURES[name].column], MEASURES[name]
        known = values[name].to_numpy()
        groups = {"training": known[~held_out], "held-out": known[held_out]}
        error = row[measure.error]
        said = surpassed_in_words(name, value, groups)
        st.markdown(
            f"- **{measure.title}**: {number(value)} {plus_minus(error)} {measure.unit}. "
            f"{said or 'No image of the set has this measure yet to compare it with.'}"
        )
