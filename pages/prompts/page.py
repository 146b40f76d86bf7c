"""Models of text: prompts ranked by how memorised they are, with the pictures they give."""

from pathlib import Path

import pandas as pd
import streamlit as st

from pages.prompts.detail import detail
from pages.prompts.exports import table_and_exports
from pages.prompts.judged import judged
from pages.prompts.new_run import new_run
from pages.prompts.own import own_picture
from pages.prompts.ranked import browser_of, ranked
from pages.prompts.stored import RUN, Opened, known, opened, title_of
from pages.session import background
from pages.session.messages import plain, show_error
from pages.widgets.waiting import in_sight


def main() -> None:
    """Draw the page of prompts."""
    st.caption(
        "A model that draws from text remembers training pictures by their captions. Measures "
        "compare the model with a prompt to the model without: before a picture is drawn, while "
        "it is drawn, and after."
    )
    new_run()
    found = choose(known())
    if found is None:
        return
    about(found)
    if not len(found.table):
        st.info("No prompt is measured yet.", icon=":material/hourglass_empty:")
        return
    browser = browser_of(found)
    browser.controls()
    left, right = st.columns([5, 7], gap="medium")
    with left:
        row: pd.Series = ranked(found, browser)
    with right:
        detail(found, row)
    in_sight("Which measure tells them", 700, lambda: judged(found))
    in_sight("Table", 480, lambda: table_and_exports(found))
    in_sight("Your own picture", 420, lambda: own_picture(found, row))


def choose(runs: dict[str, Path]) -> Opened | None:
    """Draw the choice of a run, and return it opened; None if it cannot be read."""
    if not runs:
        st.info("No run of prompts is stored yet. Start one above.", icon=":material/info:")
        return None
    choice = RUN.among(list(runs), next(iter(runs)))
    st.selectbox(
        "Run",
        choice.options,
        key=choice.key(),
        format_func=lambda name: plain(title_of(name, runs[name])),
        width=640,
    )
    try:
        return opened(runs[choice.value()])
    except (ValueError, OSError) as error:
        show_error(error)
        return None


def about(found: Opened) -> None:
    """Draw what was measured, and the progress of a run that is not complete."""
    run, settings = found.run, found.run.parameters
    drawn = (
        f"{settings['seeds']:,} seeds each, guidance scale {settings['guidance']:g}, "
        f"{settings['steps']:,} steps"
    )
    st.markdown(
        f"**{run.done:,} of {run.count:,} prompts** of {plain(run.manifest['images']['name'])}, "
        f"on {plain(run.manifest['model']['name'])}: {drawn}."
    )
    if run.done == run.count:
        return
    st.progress(run.done / run.count)
    at_work = background.of_run(run.folder)
    row = st.container(horizontal=True)
    if at_work is None:
        row.caption(f"Not at work. {run.done:,} measured prompts are kept.")
        with row:
            background.button(
                "Continue in the background",
                False,
                background.begin,
                ["prompts", "--resume", str(run.folder)],
                run.folder.name,
                "prompts",
            )
        return
    row.button("Refresh", icon=":material/refresh:", help="The sidebar shows how far it is.")
    row.button(
        "Stop",
        icon=":material/stop:",
        key="prompts.stop",
        on_click=at_work.stop,
        disabled=at_work.asked_to_stop,
        help="Every finished prompt is kept, and the run continues from there.",
    )


main()
