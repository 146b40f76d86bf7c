"""Flagged images one by one: look, decide, export."""

from collections.abc import Callable

import numpy as np
import streamlit as st

from memlib.audit import Unsaved, check_name
from memlib.evidence import base_rate, held_out, signed
from memlib.measures import MEASURES
from pages.audit.casebook import Casebook, Flagged, casebook, described
from pages.audit.exports import after_the_desk
from pages.audit.near_duplicates import alike
from pages.audit.queues import by_hand, imported
from pages.audit.review import Review, review, signed_in, take
from pages.session import neighbours as nearby
from pages.session import workspace
from pages.session.messages import show_error
from pages.widgets.desk import State, desk

BEHIND, AHEAD, SOON = (
    16,
    40,
    256,
)  # cases the browser holds around the current one; those looked up together
FALSE_POSITIVES = 0.01  # of held-out images, at the threshold the page starts with
FLAGGED = 0.02  # of all images, where there are none held out
STATUS = ["All", "To decide", "Decided", "Stale", "Disputed"]

loaded = workspace.require()
images = loaded.images


def by_measure(book: Casebook) -> tuple[list[int], Flagged | None]:
    """Images that reach a threshold of a measure, most memorised first, with what chance alone
    would flag.
    """
    known = [name for name in MEASURES if book.values[name].notna().sum() > 1]
    if not known:
        st.info(
            "Nothing has been measured yet. Measure the images on one of the pages above, or "
            "queue images by hand."
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
        key="flag_by",
        bind="query-params",
    )
    direction, value = MEASURES[name].direction, signed(book.values[[name]])[name].to_numpy()
    kept_out, values = held_out(images), book.values[name].dropna().to_numpy()
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
        start,
        step,
        format="%.4g",
        key=f"threshold_{name}",
        bind="query-params",
        help=f"It starts where {FALSE_POSITIVES:.0%} of the held-out images are flagged, or "
        f"{FLAGGED:.0%} of all where none are held out. Held-out images are not queued.",
    )
    st.caption(str(base_rate(value, threshold * direction, kept_out)))
    reach = np.flatnonzero((value >= threshold * direction) & ~kept_out)
    return reach[np.argsort(-value[reach], kind="stable")].tolist(), Flagged(name, float(threshold))


def _step(rough: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(max(rough, 1e-12)))
    return float(
        next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    )


def by_extraction(book: Casebook) -> tuple[list[int], None]:
    """Images that generations are copies of, the most often copied first."""
    if not book.counts:
        st.info("No pictures drawn from this model are stored yet. The evidence page draws some.")
        return [], None
    total = np.sum(list(book.counts.values()), axis=0)
    drawn = sum(len(samples) for samples in nearby.generations(loaded).values())
    found = np.flatnonzero(total > 0)
    st.caption(
        f"{len(found):,} images came back, {total.sum():,} times among {drawn:,} generations: "
        "nearest over second nearest below 1/3."
    )
    return found[np.argsort(-total[found], kind="stable")].tolist(), None


def narrowed(queue: list[int], status: str, text: str, book: Casebook, seen: Review) -> list[int]:
    """The part of the queue with a status and a name; each picture once."""
    stale = seen.stale(book) if status == "Stale" else {}
    keep: Callable[[str], bool] = {
        "All": lambda image: True,
        "To decide": lambda image: image not in seen.decided,
        "Decided": lambda image: image in seen.decided,
        "Stale": lambda image: image in stale,
        "Disputed": lambda image: any(
            line["verdict"] != seen.own[image]["verdict"] for line in seen.others.get(image, ())
        ),
    }[status]
    chosen = {
        images.ids[index]: index
        for index in reversed(queue)
        if keep(images.ids[index]) and text.lower() in images.names[index].lower()
    }
    return [index for index in dict.fromkeys(queue) if chosen.get(images.ids[index]) == index]


def the_name() -> str:
    """Who decides."""
    name = signed_in()
    if name:
        st.text_input("Reviewer", name, disabled=True, width=220)
        return name
    typed = st.text_input(
        "Reviewer",
        key="reviewer",
        persist_state="session",
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
def deciding(book: Casebook, queue: list[int], reviewer: str) -> None:
    """The desk and what follows from it.

    A fragment: nothing in it runs long, and a verdict need not run the page.
    """
    on_the_desk = st.container()  # first, so that it keeps its place whatever else is drawn
    place = {images.ids[index]: spot for spot, index in enumerate(queue)}

    def received(state: State) -> None:
        st.session_state.desk_state = state
        answer = {
            "number": st.session_state.get("desk_answer", {}).get("number", 0) + 1,
            "processed": [],
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
        st.session_state.desk_answer = answer

    state = st.session_state.get("desk_state", State())
    answer = st.session_state.get(
        "desk_answer", {"number": 0, "processed": [], "lost": "", "problem": ""}
    )
    try:
        seen = review(loaded.denoiser.digest, reviewer)
        stale = seen.stale(book)
    except Unsaved as error:  # the browser keeps what was decided until the database is back
        show_error(error)
        return
    token = f"{loaded.denoiser.digest}{hash(tuple(queue))}"
    asked = state.at
    at = next((image for image in (asked, st.query_params.get("case")) if image in place), None)
    if at is None or (
        st.session_state.get("desk_queue") not in (None, token) and asked not in place
    ):
        at = next(
            (images.ids[index] for index in queue if images.ids[index] not in seen.decided),
            images.ids[queue[0]],
        )
    st.session_state.desk_queue = token
    st.query_params["case"] = at
    first = max(0, place[at] - BEHIND)
    window = queue[first : place[at] + AHEAD]
    held = set(state.known)
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
        "asked": asked,
        "cases": described(
            book,
            [index for index in window if images.ids[index] not in held],
            queue[first : first + SOON],
        ),
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
    after_the_desk(book, queue, seen, at)


above, below = st.container(), st.container()  # what is above may grow and shrink while it is made
with above:
    row = st.container(horizontal=True, vertical_alignment="bottom")
    sources = ["A measure", "Extraction", "By hand", "Imported"]
    source = row.segmented_control(
        "Queue",
        sources,
        default=sources[0],
        required=True,
        key="queue",
        bind="query-params",
        help="Which images to look at.",
    )
    with row:
        reviewer = the_name()
    with row.popover(
        "Filter"
        if (st.session_state.get("status", "All"), st.session_state.get("names", "")) == ("All", "")
        else "Filtered",
        icon=":material/filter_alt:",
    ):
        status = st.segmented_control(
            "Show",
            STATUS,
            default="All",
            required=True,
            key="status",
            bind="query-params",
            help="By your own verdicts, as they were when the queue was made. Disputed: another "
            "reviewer decided otherwise; only what you have decided shows.",
        )
        search = st.text_input("Names that hold", key="names", bind="query-params")
    book = casebook(loaded, None, alike())
    queue, flagged = {
        "A measure": by_measure,
        "Extraction": by_extraction,
        "By hand": by_hand,
        "Imported": imported,
    }[source](book)
try:
    if flagged is not None:
        book = casebook(loaded, flagged, alike())
    if queue:
        queue = narrowed(queue, status, search, book, review(loaded.denoiser.digest, reviewer))
        if queue:
            with below:
                deciding(book, queue, reviewer)
        else:
            st.info("No case of this queue passes these filters.", icon=":material/filter_alt_off:")
except ValueError as error:
    show_error(error)
