"""Background work: runs in separate processes, shown on every page, and their results brought into
the session.
"""

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

import streamlit as st

from memlib.denoisers import NetworkDenoiser
from memlib.extraction.attack_settings import AttackSettings
from memlib.extraction.features.describe import resolved
from memlib.runs import FOLDER, Run, create_run, run_name
from memlib.tasks import Progress, Task, start, tasks
from memlib.workspace import NULL, Sources, Workspace
from pages.session import downloads as exports
from pages.session.messages import guarded, plain, show_error
from pages.session.paths import confine, roots
from pages.session.results import keep
from pages.session.state import Kept

LARGEST = 128 * 2**20  # bytes of a run that is read into a session; larger ones stay on disk
ROW = 4000  # bytes of a row's numbers
BUSY = (
    "Another task is running in the background. Start this one when it has finished, or stop "
    "the other."
)
AT = Kept("background_at", str)  # the stage of the running task when it was last looked at
BEGUN = Kept("background_begun", bool)  # whether a task was started in this run of the script
PROBLEM = Kept("background_problem", str)  # why a task was not started
FOLLOWED: Kept[list[str]] = Kept("followed", list)  # tasks whose end is reported in this session
ADOPTED: Kept[dict[str, str]] = Kept("runs_seen", dict)  # stamps of the runs read, by name
EVERY = 2.0  # seconds between two looks at the progress
ICONS = {
    "done": ":material/check:",
    "stopped": ":material/stop:",
    "failed": ":material/error:",
    "lost": ":material/error:",
}


class Asked(Protocol):
    """What a page asks to measure: the models, the measure and its parameters."""

    @property
    def loaded(self) -> Workspace: ...

    @property
    def models(self) -> Sequence[NetworkDenoiser]: ...

    @property
    def measure(self) -> str: ...

    @property
    def parameters(self) -> dict[str, Any]: ...


def active() -> Task | None:
    """Return the running task, None if there is none."""
    return next((task for task in tasks() if task.progress().active), None)


def begin(arguments: Sequence[str], title: str, link: str, **about: object) -> None:
    """Start a command as a separate process; one at a time, since they share the device. `about`
    are notes that its task keeps.

    This is the callback of a button.
    """
    if active() is not None:
        _refuse(BUSY)
        return
    start(arguments, title, {"link": link, **about}, roots=roots())
    BEGUN.set(True)


def _refuse(why: str) -> None:
    """Show in the sidebar why no task was started."""
    PROBLEM.set(why)


def button(label: str, disabled: bool, work: Callable[..., None], *arguments: object) -> None:
    """Draw a button that does `work`, which starts a task in the background."""
    st.button(
        label,
        icon=":material/rocket_launch:",
        disabled=disabled or active() is not None,
        on_click=work,
        args=arguments,
        help="Runs as a separate process and continues when this page is left, reloaded or "
        "closed. The sidebar shows its progress; finished results appear here. One task at "
        "a time.",
    )


def measure(view: Asked, chosen: Sequence[int], title: str) -> None:
    """Measure images with the view's models and settings in the background.

    This is the callback of a button.
    """
    if active() is not None:
        _refuse(BUSY)
        return
    images, made, folders = view.loaded.images, list[Path](), list[str]()
    indices = None if len(chosen) == len(images) else list(chosen)
    loaded = view.loaded.sources
    try:
        sources = [whole(one) for one in (loaded, loaded.of_reference)]
        for model, source in zip(view.models, sources, strict=False):
            folder = FOLDER / run_name(model, images, view.measure, view.parameters, indices)
            if not folder.exists():
                made.append(folder)
            asked = (view.measure, view.parameters)
            create_run(folder, model, images, *asked, indices=indices, sources=source)
            folders.append(str(folder))
        device = str(view.loaded.denoiser.device)
        resume = ["measure", "--device", device, "--resume", *folders]
        start(resume, title, {"link": "runs"}, roots=roots())
    except (ValueError, OSError) as error:
        for folder in made:  # no empty run folder is left behind
            shutil.rmtree(folder, ignore_errors=True)
        _refuse(str(error))
    else:
        BEGUN.set(True)


def extract(loaded: Workspace, settings: AttackSettings, title: str) -> None:
    """Run an attack in the background. This is the callback of a button."""
    try:
        settings = replace(settings, features=resolved(settings.features, roots()))
        sources, reference = whole(loaded.sources), None
        if settings.path.get("contrast", 1) != 1 and loaded.sources.reference:
            if loaded.sources.reference == NULL:
                raise ValueError("Contrast needs another model as the reference.")
            reference = whole(loaded.sources.of_reference)["model"]
    except ValueError as error:
        _refuse(str(error))
        return
    options = {
        "model": sources["model"],
        "reference": reference,
        "label": sources["label"],
        "prompt": sources["prompt"] or None,
        "guidance_scale": sources["guidance_scale"],
        "device": loaded.denoiser.device,
    } | settings.parameters
    begin(
        ["extract", *(f"--{name}={value}" for name, value in options.items() if value is not None)],
        title,
        "extraction",
    )


def prompts(folder: Path, create: Callable[[], Run], device: str, title: str) -> None:
    """Create a run of prompts and measure it in the background. This is the callback of a
    button.
    """
    made = not folder.exists()
    try:
        if active() is None:
            create()
    except (ValueError, OSError) as error:
        if made:
            shutil.rmtree(folder, ignore_errors=True)
        _refuse(str(error))
        return
    begin(["prompts", "--resume", str(folder), "--device", device], title, "prompts")


def whole(sources: Sources) -> dict[str, object]:
    """Return the arguments that load the model and the images from any directory: absolute
    paths, and no reference.
    """
    told = asdict(sources) | {"reference": ""}
    return told | {
        name: confine(str(told[name])) for name in ("model", "images", "held_out") if told[name]
    }


def adopt(view: Asked) -> None:
    """Read what runs below FOLDER have measured with the view's settings into the session; show
    those that are too large for it.
    """
    digests = {model.digest for model in view.models}

    def wanted(run: Run) -> bool:
        alike = view.measure in [measure.name for measure in run.measures] and run.model in digests
        return alike and run.parameters == view.parameters

    for run in _adopt(wanted):
        st.info(
            f"A run with these settings has measured {run.done:,} of {run.count:,} images, "
            "more than this page keeps.",
            icon=":material/database:",
        )
        st.page_link(
            "pages/runs/page.py",
            label="Open it on the page of runs",
            icon=":material/arrow_forward:",
            query_params={"opened": run.folder.name},
        )


def adopt_usual(loaded: Workspace) -> None:
    """Read what runs have measured of the loaded model with the usual settings of each measure."""
    model = loaded.denoiser
    _adopt(
        lambda run: (
            run.model == model.digest
            and run.parameters in [measure.defaults(model) for measure in run.measures]
        )
    )


def _adopt(wanted: Callable[[Run], bool]) -> list[Run]:
    """Read the wanted runs below FOLDER into the session; return those that are too large."""
    seen, larger = ADOPTED.get(), []
    for file in FOLDER.glob("*/manifest.json"):
        try:
            run = Run(file.parent)
            if not wanted(run) or not run.manifest.get("arrays", True):
                continue
            if (
                run.count
                * (ROW + sum(4 * math.prod(shape) for shape in run.columns().values() if shape))
                > LARGEST
            ):
                larger.append(run)
            elif seen.get(file.parent.name) != run.stamp:
                keep(run)
                seen[file.parent.name] = run.stamp
        except (ValueError, OSError):
            continue  # the page of runs shows what is wrong with it
    return larger


def begun() -> bool:
    """Return whether a task was started since the sidebar was drawn: a fragment then reruns the
    whole page to show it there.
    """
    return bool(BEGUN) or bool(PROBLEM)


def show_in_sidebar() -> None:
    """Draw the running task on every page, and how the tasks that this session saw running have
    ended.
    """
    with st.sidebar:
        BEGUN.pop()
        problem = PROBLEM.pop()
        if problem:
            show_error(problem)
        if (task := active()) is not None:
            AT.set(task.progress().text)
            st.fragment(_following, run_every=EVERY)()
        else:
            _endings()


@guarded()
def _following() -> None:
    """Draw the progress as a fragment that refreshes itself; when the task ends, the whole page
    runs once more to show how it ended.
    """
    task = active()
    if task is None:
        st.rerun()
    before, stage = AT.get(), task.progress().text
    AT.set(stage)
    if before not in ("", stage):  # pages show what the stage before has found
        st.rerun()
    now, followed = task.progress(), FOLLOWED.get()
    if task.folder.name not in followed:  # of another session; its end is shown here too
        followed.append(task.folder.name)
    with st.container(border=True):
        st.text(str(task.details.get("title", "")))
        st.progress(now.share, _sentence(now))
        row = st.container(horizontal=True)
        row.button(
            "Stop",
            key=f"stop-{task.folder.name}",
            icon=":material/stop:",
            help="Finished results are kept.",
            on_click=task.stop,
            disabled=task.asked_to_stop,
        )
        if row.button(
            "Show",
            key="show-background",
            icon=":material/table_view:",
            help="Show the results finished so far.",
        ):
            st.switch_page(_page(task))


def _endings() -> None:
    """Draw how the tasks that this session saw have ended, until dismissed."""
    followed = FOLLOWED.get()
    for task in tasks():
        if task.folder.name not in followed:
            continue
        end = task.progress()
        with st.container(border=True):
            st.text(str(task.details.get("title", "")))
            text = {
                "done": f"Finished after {exports.duration(end.seconds)}.",
                "stopped": "Stopped; finished results are kept.",
            }.get(end.state, end.text)
            st.markdown(f"{ICONS.get(end.state, '')} {plain(text)}")
            row = st.container(horizontal=True)
            if row.button("Show", key=f"show-{task.folder.name}", icon=":material/table_view:"):
                st.switch_page(_page(task))
            row.button(
                "Dismiss",
                key=f"dismiss-{task.folder.name}",
                on_click=followed.remove,
                args=(task.folder.name,),
            )


def _page(task: Task) -> str:
    link = task.details.get("about", {}).get("link", "runs")
    known = ("overview", "runs", "extraction", "prompts")
    return f"pages/{link}/page.py" if link in known else "pages/runs/page.py"


def _sentence(now: Progress) -> str:
    if now.state == "starting" or not now.total:
        return "Starting"
    left = f", {exports.duration(now.left)} left" if now.left and now.done < now.total else ""
    return f"{plain(now.text)}: {now.done:,.0f} of {now.total:,.0f}{left}"


def of_run(folder: Path) -> Task | None:
    """Return the task that is working on a run, None if there is none."""
    task = active()
    arguments = task.details.get("arguments", []) if task else []
    return task if any(Path(argument).name == folder.name for argument in arguments) else None
