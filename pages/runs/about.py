"""A run as a whole: what was measured, where its images are, its provenance."""

import json

import streamlit as st

from memlib.measures.conditional.scoring import PROMPTS
from memlib.runs import FOLDER, Run
from memlib.workspace import Sources
from pages.session import background, workspace
from pages.session.messages import plain, show_error


def about(run: Run) -> None:
    """Draw what was measured, the progress of the run, and a button that continues it."""
    manifest, done = run.manifest, run.done
    settings = ", ".join(f"{name} {json.dumps(value)}" for name, value in run.parameters.items())
    title = run.measures[0].title.split(" at ")[0] if run.measures else run.measure
    things = "images"
    if run.measure == PROMPTS:
        title, things = "Prompts", "prompts"
    st.markdown(
        f"**{plain(title)}** of {plain(manifest['model']['name'])} on "
        f"{plain(manifest['images']['name'])}: {done:,} of {run.count:,} {things} measured. "
        f"{plain(settings)}."
    )
    here = run.folder.resolve().parent == FOLDER.resolve()
    if run.measure == PROMPTS and here:
        st.page_link(
            "pages/prompts/page.py",
            label="Open it on the page of prompts",
            icon=":material/arrow_forward:",
            query_params={"run": run.folder.name},
        )
    if done == run.count:
        return
    at_work = background.of_run(run.folder)
    st.progress(done / run.count)
    if at_work is None and manifest.get("sources") and here:
        background.button(
            "Continue in the background",
            False,
            background.begin,
            [command_of(run), "--resume", str(run.folder)],
            run.folder.name,
            "runs",
        )
    elif at_work is not None:
        st.button("Refresh", icon=":material/refresh:", help="The sidebar shows how far it is.")


def command_of(run: Run) -> str:
    """Return the command that continues a run."""
    return "prompts" if run.measure == PROMPTS else "measure"


def missing(run: Run) -> None:
    """Draw a note that the images of the run are not loaded, and a button to load them."""
    if run.measure == PROMPTS:
        return
    sources = run.manifest.get("sources")
    st.info(
        "The images of this run are not loaded, so its rows are shown without pictures.",
        icon=":material/hide_image:",
    )
    if sources and st.button(
        "Open its model and images", type="primary", icon=":material/folder_open:"
    ):
        try:
            named = Sources.read(sources)
            if named.on_hub:  # the visitor is asked before anything is downloaded
                workspace.ask(named)
                st.switch_page("pages/workspace/page.py")
            with st.spinner("Loading"):
                workspace.open_workspace(named, by_link=True)
        except ValueError as error:
            show_error(error)
        else:
            st.rerun()


def comes_from(run: Run) -> None:
    """Draw the definition of the measure, and the run's manifest."""
    for measure in run.measures[:1]:
        st.latex(measure.formula)
        st.markdown(
            f"{measure.definition}\n\n**Limits:** {measure.limits}\n\n**Source:** "
            f"{measure.citation}."
        )
    st.json(
        json.dumps({name: value for name, value in run.manifest.items() if name != "selection"}),
        expanded=False,
    )
