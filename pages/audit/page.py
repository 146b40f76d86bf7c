"""Flagged images one by one: look, decide, export."""

from collections.abc import Callable

import numpy as np
import streamlit as st

from memlib.audit import Unsaved, check_name
from memlib.evidence import base_rate, held_out, signed
from memlib.measures import MEASURES
from pages.audit.casebook import (
    Casebook,
    Flagged,
    about_measures,
    at_a_glance,
    casebook,
    described,
)
from pages.audit.cases import browser_of, passing
from pages.audit.choices import (
    ALL,
    ANSWER,
    DECIDED,
    DESK,
    DISPUTED,
    EXTRACTION,
    FLAG_BY,
    HAND,
    IMPORTED,
    MEASURE,
    QUEUE,
    STALE,
    STATUS,
    TO_DECIDE,
)
from pages.audit.choices import threshold as threshold_of
from pages.audit.exports import after_the_desk
from pages.audit.near_duplicates import alike
from pages.audit.queues import by_hand, imported
from pages.audit.review import Review, review, take
from pages.ranking.browser import Browser
from pages.ranking.facts import everything_about
from pages.ranking.verdicts import REVIEWER, signed_in
from pages.session import neighbours as nearby
from pages.session import selection, workspace
from pages.session.address import renamed
from pages.session.messages import guarded, show_error
from pages.widgets.desk import State, desk

BEHIND, AHEAD = 16, 40  # cases the browser holds around the current one
FIRST = 6  # of them in the first message; the browser asks for the others at the first step
SOON = 256  # cases looked up together
FALSE_POSITIVES = 0.01  # of held-out images, at the threshold the page starts with
FLAGGED = 0.02  # of all images, where there are none held out


def main() -> None:
    """Draw the page: the choice of a queue, and the desk."""
    workspace.require()
    renamed("names", "search")
    above, below = st.container(), st.container()  # the parts above may change height
    with above:
        row = st.container(horizontal=True, vertical_alignment="bottom")
        source = row.segmented_control(
            "Queue",
            QUEUE.options,
            required=True,
            key=QUEUE.key(),
            help="Which images to look at.",
        )
        with row:
            reviewer = the_name()
        popover = row.popover("Filter and order", icon=":material/filter_alt:")
        status = popover.segmented_control(
            "Status",
            STATUS.options,
            required=True,
            key=STATUS.key(),
            help="By your own verdicts when the queue was made. Disputed: another reviewer "
            "decided differently; only cases you have decided are shown.",
        )
        try:
            book, whole = asked_for(str(source))
            if not whole:
                return
            seen = review(book.loaded.denoiser.digest, reviewer)
            browser = browser_of(book, of_status(whole, str(status), book, seen))
        except ValueError as error:
            show_error(error)
            return
        with popover:
            browser.controls()
        queue = passing(browser)
        total = len({book.loaded.images.ids[index] for index in whole})
        if 0 < len(queue) < total:
            st.caption(f"{len(queue):,} of {total:,} cases pass the filters.")
    with below:
        if queue:
            deciding(book, browser, queue, reviewer)
        else:
            st.info("No case of this queue passes these filters.", icon=":material/filter_alt_off:")


def asked_for(source: str) -> tuple[Casebook, list[int]]:
    """Return the casebook and the queue of the chosen source."""
    loaded = workspace.require()
    book = casebook(loaded, None, alike())
    makers: dict[str, Callable[[Casebook], tuple[list[int], Flagged | None]]] = {
        MEASURE: by_measure,
        EXTRACTION: by_extraction,
        HAND: by_hand,
        IMPORTED: imported,
    }
    queue, flagged = makers[source](book)
    return book if flagged is None else casebook(loaded, flagged, alike()), queue


def by_measure(book: Casebook) -> tuple[list[int], Flagged | None]:
    """Draw the choice of a threshold, with how many images it would flag by chance; return the
    flagged images, most memorised first.
    """
    # a threshold compares with held-out images, which a measure of chosen images lacks
    whole = [name for name, measure in MEASURES.items() if not measure.chosen]
    known = [name for name in whole if book.values[name].notna().sum() > 1]
    if not known:
        st.info(
            "No image has been measured yet. Measure images on one of the ranked pages, or queue "
            "images by hand."
        )
        st.page_link(
            "pages/volume_growth/page.py",
            label="Go to volume growth",
            icon=":material/arrow_forward:",
        )
        return [], None
    left, right = st.columns([2, 3], gap="medium", vertical_alignment="bottom")
    name = left.selectbox(
        "Measure",
        known,
        format_func=lambda one: MEASURES[one].title,
        key=FLAG_BY.among(known, known[0]).key(),
    )
    direction, value = MEASURES[name].direction, signed(book.values[[name]])[name].to_numpy()
    kept_out, values = held_out(book.loaded.images), book.values[name].dropna().to_numpy()
    step = _step(float(values.max() - values.min()) / 200)
    low, high = (
        float(np.floor(values.min() / step) * step),
        float(np.ceil(values.max() / step) * step),
    )
    usual = value[kept_out & ~np.isnan(value)]
    start = (
        float(
            np.quantile(usual, 1 - FALSE_POSITIVES)
            if len(usual)
            else np.nanquantile(value, 1 - FLAGGED)
        )
        * direction
    )
    start = float(np.clip((np.floor if direction < 0 else np.ceil)(start / step) * step, low, high))
    threshold = right.slider(
        f"Flag at {'least' if direction > 0 else 'most'}, {MEASURES[name].unit}",
        low,
        high,
        step=step,
        format="%.4g",
        key=threshold_of(name).within(low, high, start).key(),
        help=f"It starts where {FALSE_POSITIVES:.0%} of the held-out images are flagged, or "
        f"{FLAGGED:.0%} of all images if none are held out. Held-out images are not queued.",
    )
    st.caption(str(base_rate(value, threshold * direction, kept_out)))
    reach = np.flatnonzero((value >= threshold * direction) & ~kept_out)
    return reach[np.argsort(-value[reach], kind="stable")].tolist(), Flagged(name, float(threshold))


def _step(rough: float) -> float:
    """Return the next number that is 1, 2 or 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(max(rough, 1e-12)))
    return float(
        next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    )


def by_extraction(book: Casebook) -> tuple[list[int], None]:
    """List the reproduced images, the most often copied first."""
    if not book.counts:
        st.info(
            "No generated images of this model are stored yet. Generate some on the evidence page."
        )
        return [], None
    total = np.sum(list(book.counts.values()), axis=0)
    drawn = sum(len(samples) for samples in nearby.generations(book.loaded).values())
    found = np.flatnonzero(total > 0)
    st.caption(
        f"{len(found):,} images were reproduced, {total.sum():,} times among {drawn:,} generated "
        "images: nearest over second nearest below 1/3."
    )
    return found[np.argsort(-total[found], kind="stable")].tolist(), None


def of_status(queue: list[int], status: str, book: Casebook, seen: Review) -> list[int]:
    """Return the part of the queue that has the chosen status."""
    ids = book.loaded.images.ids
    stale = seen.stale(book) if status == STALE else {}
    keep: Callable[[str], bool] = {
        ALL: lambda image: True,
        TO_DECIDE: lambda image: image not in seen.decided,
        DECIDED: lambda image: image in seen.decided,
        STALE: lambda image: image in stale,
        DISPUTED: lambda image: any(
            line["verdict"] != seen.own[image]["verdict"] for line in seen.others.get(image, ())
        ),
    }[status]
    return [index for index in queue if keep(ids[index])]


def the_name() -> str:
    """Draw the reviewer's name; return it."""
    name = signed_in()
    if name:
        st.text_input("Reviewer", name, disabled=True, width=220)
        return name
    typed = st.text_input(
        "Reviewer",
        key=REVIEWER.key(),
        placeholder="your name",
        max_chars=100,
        width=220,
        help="Verdicts are kept under this name. Others' verdicts on an image appear once you "
        "have decided on it.",
    )
    try:
        return check_name(typed) if typed.strip() else ""
    except ValueError as error:
        show_error(error)
        return ""


@st.fragment
@guarded()
def deciding(book: Casebook, browser: Browser, queue: list[int], reviewer: str) -> None:
    """Draw the desk and act on what it sends; `queue` are the cases that pass the filters.

    A fragment: nothing in it takes long, and a verdict does not rerun the page.
    """
    loaded, images = book.loaded, book.loaded.images
    on_the_desk = st.container()  # first, so that it stays in place whatever else is drawn
    place = {images.ids[index]: spot for spot, index in enumerate(queue)}

    def received(state: State) -> None:
        DESK.set(state)
        if state.at in place:
            selection.choose(state.at)
        answer = {
            "number": ANSWER.get()["number"] + 1,
            "processed": list[str](),
            "lost": "",
            "problem": "",
        }
        try:
            answer["processed"], lost = take(state.outbox, book)
            answer["lost"] = " ".join(lost[:3]) + (
                f" And {len(lost) - 3} more." if len(lost) > 3 else ""
            )
        except Unsaved as error:
            answer["problem"] = str(error)
        ANSWER.set(answer)

    answer, state = ANSWER.get(), DESK.get()
    try:
        seen = review(loaded.denoiser.digest, reviewer)
        stale = seen.stale(book)
    except Unsaved as error:  # the browser keeps the verdicts until the database is back
        show_error(error)
        return
    token = f"{loaded.denoiser.digest}{hash(tuple(queue))}"
    at = chosen = selection.chosen()
    if at not in place:
        at = next(
            (images.ids[index] for index in queue if images.ids[index] not in seen.decided),
            images.ids[queue[0]],
        )
    first = max(0, place[at] - BEHIND)
    window = queue[first : place[at] + AHEAD]
    held = set(state.known)
    unknown = [index for index in window if images.ids[index] not in held]
    sent = unknown if held else queue[place[at] : place[at] + FIRST]
    near = {images.ids[mate] for index in window for mate in book.mates(index)} | {
        images.ids[index] for index in window
    }
    data = {
        "queue": token,
        "version": book.version,
        "model": loaded.denoiser.digest,
        "reviewer": reviewer,
        "flagged": None
        if book.flagged is None
        else {"measure": book.flagged.measure, "threshold": book.flagged.threshold},
        "order": [images.ids[index] for index in window],
        "first": first,
        "total": len(queue),
        "at": at,
        "asked": state.at,
        "sent": chosen if chosen in place and chosen != state.at else None,
        "cases": described(book, sent, queue[first : first + SOON]),
        "film": at_a_glance(book, [index for index in unknown if index not in sent]),
        "about": about_measures(book),
        "mine": {
            image: line | {"stale": stale.get(image, [])}
            for image, line in seen.own.items()
            if image in near
        },
        "others": {image: lines for image, lines in seen.others.items() if image in near},
        "undoable": seen.undoable(),
        "decided": sum(image in place for image in seen.decided),
        "stale": sum(image in place for image in stale),
        "answer": answer["number"],
        "processed": answer["processed"],
        "lost": answer["lost"],
        "problem": answer["problem"],
    }
    with on_the_desk:
        desk(data, "desk", received)
    everything_about(at)
    after_the_desk(book, browser, queue, seen, at)


main()
