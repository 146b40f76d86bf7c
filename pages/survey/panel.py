"""The survey of the loaded model: what it would do, what that costs and tells, and doing it in the
background.
"""

import streamlit as st

from memlib.bundled import BUNDLED
from memlib.survey import DRAW, ESTIMATE, MATCH, MEASURE, PRESETS, Places, Stage, Survey
from memlib.tasks import Task, tasks
from memlib.workspace import Workspace
from pages.session import background
from pages.session import results as computed
from pages.session import stored_runs as attacks
from pages.session.downloads import duration
from pages.session.messages import guarded, plain, show_error
from pages.session.state import Kept, Page

PAGE = Page("survey")
PRESET = PAGE.one_of("preset", tuple(PRESETS), "quick", linked=False)
DISMISSED: Kept[set[str]] = Kept("ended surveys that were read", set)  # names of tasks
OPTIONS = (
    "size",
    "channels",
    "label",
    "fit",
    "held_out",
    "group",
    "prompt",
    "guidance_scale",
)  # of the sources


def offered(loaded: Workspace) -> bool:
    """Return whether a survey is of use: the demo's results come with the app."""
    return loaded.sources.model not in BUNDLED or loaded.sources.images not in BUNDLED


def running(loaded: Workspace) -> Task | None:
    """Return the task that surveys the loaded model and images, None if there is none."""
    task = background.active()
    return task if task and _is_of(task, loaded) else None


def survey_panel(loaded: Workspace) -> None:
    """Draw the presets with their costs, the stages of the chosen one and the button that starts
    it; while it runs, its progress. Starting leads to the overview, which fills.
    """
    with st.container(border=True):
        task = running(loaded)
        if task is not None:
            st.fragment(_progress, run_every=background.EVERY)(loaded, task)
            return
        preset = _preset(loaded)
        survey = _survey(loaded, preset)
        stages = survey.stages()
        left = seconds(loaded, stages)
        st.markdown(PRESETS[preset].tells())
        table(loaded, stages)
        st.caption(made_of(loaded))
        for title, why in survey.refused().items():
            st.caption(f"{plain(title)} is left out. {plain(why)}")
        if all(stage.done == stage.count for stage in stages):
            row = st.container(horizontal=True, vertical_alignment="center")
            row.caption("This survey is complete.", width="content")
            row.page_link(
                "pages/overview/page.py", label="What it found", icon=":material/arrow_forward:"
            )
            return
        begun = kept(stages)
        if begun:
            st.caption(f"Kept so far: {plain(begun)}. Nothing of it is computed again.")
        row = st.container(horizontal=True, vertical_alignment="center")
        pressed = row.button(
            f"Go on, about {duration(left)}" if begun else f"Start, about {duration(left)}",
            type="primary",
            icon=":material/travel_explore:",
            key="survey.start",
            disabled=background.active() is not None,
        )
        row.caption(
            "Runs in the background, also when this page is closed. It can be stopped at any time; "
            "what is finished is kept, and the pages show it."
        )
        if pressed:
            start(loaded, preset)


def start(loaded: Workspace, preset: str) -> None:
    """Start the survey in the background and go to the overview."""
    try:
        sources = background.whole(loaded.sources)
    except ValueError as error:
        show_error(error)
        return
    flags = {name: sources[name] for name in OPTIONS} | {"device": loaded.denoiser.device}
    background.begin(
        [
            "survey",
            str(sources["model"]),
            str(sources["images"]),
            f"--preset={preset}",
            *(["--mirror"] if sources["mirror"] else []),
            *(
                f"--{name.replace('_', '-')}={value}"
                for name, value in flags.items()
                if value not in (None, "")
            ),
        ],
        f"{PRESETS[preset].title} survey",
        "overview",
        survey=digests(loaded),
        preset=preset,
    )
    st.switch_page("pages/overview/page.py")


def table(loaded: Workspace, stages: list[Stage]) -> None:
    """Draw what each stage is for, how much of it is done and what is left."""
    forward = computed.seconds(loaded.denoiser, 1)
    lines = [
        {
            "Stage": stage.title,
            "Done": f"{stage.done:,} of {stage.count:,}",
            "Forwards left": stage.left,
            "Time left": duration(stage.seconds(forward)) if stage.done < stage.count else "",
            "What for": stage.purpose,
        }
        for stage in stages
    ]
    st.dataframe(lines, hide_index=True, height="content", alt="The stages of the survey")


def kept(stages: list[Stage]) -> str:
    """Say what is stored of the stages, "" for nothing."""
    said = {
        DRAW: "{done:,} of {count:,} pictures drawn",
        MATCH: "the copies among them",
        MEASURE: "{title} of {done:,} of {count:,} images",
        ESTIMATE: "{title} of {done:,} of {count:,} images",
    }
    found = [said[stage.kind].format(**vars(stage)) for stage in stages if stage.done]
    return "; ".join(found)


def made_of(loaded: Workspace) -> str:
    """Say what the times are made of."""
    forward = 1000 * computed.seconds(loaded.denoiser, 1)
    return (
        f"Times are {forward:.2g} milliseconds for each network forward, the fastest of "
        "several trials here, and what comparing the pictures takes. Other work on this machine "
        "adds to them."
    )


def ended(loaded: Workspace) -> None:
    """Say that the latest survey of the loaded model and images has ended, and what was kept."""
    latest = next((task for task in tasks() if _is_of(task, loaded)), None)
    if latest is None or latest.progress().active or latest.folder.name in DISMISSED.get():
        return
    preset, end = str(latest.details["about"]["preset"]), latest.progress()
    if preset not in PRESETS:
        return
    stages = _survey(loaded, preset).stages()
    whole = all(stage.done == stage.count for stage in stages)
    how = f"finished after {duration(end.seconds)}" if end.state == "done" else "ended early"
    with st.container(border=True):
        st.markdown(
            f"**{PRESETS[preset].title} survey {how}.** Kept: {plain(kept(stages)) or 'nothing'}."
        )
        row = st.container(horizontal=True, vertical_alignment="center")
        if not whole:
            row.page_link("pages/workspace/page.py", label="Go on", icon=":material/arrow_forward:")
        row.button(
            "Dismiss",
            key="survey.dismiss",
            type="tertiary",
            on_click=DISMISSED.get().add,
            args=(latest.folder.name,),
        )


def seconds(loaded: Workspace, stages: list[Stage]) -> float:
    """Return about how long the missing pieces of the stages take here."""
    forward = computed.seconds(loaded.denoiser, 1)
    return sum(stage.seconds(forward) for stage in stages)


def cost(loaded: Workspace, stages: list[Stage]) -> str:
    """Say how long the missing pieces of the stages take."""
    if all(stage.done == stage.count for stage in stages):
        return "complete"
    return duration(seconds(loaded, stages))


def _preset(loaded: Workspace) -> str:
    costs = {name: cost(loaded, _survey(loaded, name).stages()) for name in PRESETS}
    st.segmented_control(
        "Survey this model",
        PRESET.options,
        format_func=lambda name: plain(f"{PRESETS[name].title}, {costs[name]}"),
        required=True,
        key=PRESET.key(),
    )
    return PRESET.value()


@guarded()
def _progress(loaded: Workspace, task: Task) -> None:
    now, preset = task.progress(), str(task.details["about"]["preset"])
    if not now.active:
        st.rerun()
    stages = _survey(loaded, preset).stages()
    forward = computed.seconds(loaded.denoiser, 1)
    whole = sum(stage.seconds(forward) for stage in stages)
    st.markdown(f"**{PRESETS[preset].title} survey**: about {duration(whole)} left.")
    table(loaded, stages)
    st.button(
        "Stop",
        icon=":material/stop:",
        key="survey.stop",
        on_click=task.stop,
        disabled=task.asked_to_stop,
        help="What is finished is kept; the survey goes on from there.",
    )


def _survey(loaded: Workspace, preset: str) -> Survey:
    return Survey(
        loaded.denoiser,
        loaded.images,
        preset,
        Places.of_the_app(),
        read=lambda folder: attacks.generations_of(str(folder), attacks.stamp(folder)),
    )


def _is_of(task: Task, loaded: Workspace) -> bool:
    return bool(task.details.get("about", {}).get("survey") == digests(loaded))


def digests(loaded: Workspace) -> list[str]:
    """What a survey is of: the digests of the model and the images."""
    return [loaded.denoiser.digest, loaded.images.digest]
