"""A new attack: its settings, its cost, and running it."""

import streamlit as st

from memlib.extraction import read_generations, stages
from memlib.extraction.attack_settings import (
    DRAWING,
    GUIDANCE,
    METHODS,
    SAMPLER,
    SEARCH,
    SEEKING,
    AttackSettings,
    TooSmall,
)
from memlib.extraction.plan import SEEK
from memlib.extraction.stages import attack_run
from memlib.images import to_pixels
from memlib.progress import Progress
from memlib.workspace import Workspace
from pages.extraction.criterion import PAGE
from pages.figures.pictures import data_url, sheet
from pages.ranking.settings import choice_of, settings_controls
from pages.session import background, downloads
from pages.session import stored_runs as attacks
from pages.session.messages import plain, show_error
from pages.session.paths import roots
from pages.session.stored_runs import TITLES
from pages.widgets.waiting import folded

WALL = 256  # images drawn last, shown while more are drawn
USUAL = AttackSettings()
RUN = PAGE.one_of("run", list[str](), "", of_model=True)
METHOD = PAGE.one_of("method", list(METHODS), USUAL.method, words=TITLES.__getitem__)


def new_attack(loaded: Workspace) -> None:
    """Draw the settings of an attack and its cost, and run it.

    Images are stored part by part as they are drawn; the same settings continue where they stopped.
    """
    linked = {option.address or name for name, option in AttackSettings.options().items()}
    folded(
        "New attack",
        ":material/play_arrow:",
        lambda: form(loaded),
        not linked.isdisjoint(st.query_params),
    )


def form(loaded: Workspace) -> None:
    """Draw the settings, the cost, and the buttons that start the attack."""
    try:
        settings = asked()
    except ValueError as error:
        show_error(error)
        row = st.container(horizontal=True)
        row.button("Start", icon=":material/play_arrow:", disabled=True)
        if isinstance(error, TooSmall):
            row.button(
                "Use {own:,} model samples in {clusters:,} clusters".format(**error.instead),
                icon=":material/auto_fix_high:",
                on_click=use,
                args=(error.instead,),
            )
        return
    cost = downloads.duration(attacks.cost(loaded, settings))
    st.caption(
        f"About {cost}. Images drawn so far are kept if you stop, and the same settings "
        "continue from there."
    )
    row = st.container(horizontal=True)
    now = row.button("Start", type="primary", icon=":material/play_arrow:")
    title = f"{TITLES[settings.method]}: {settings.count:,} images"
    with row:
        background.button("Run in background", False, background.extract, loaded, settings, title)
    if now:
        run(loaded, settings)


def use(settings: dict[str, int]) -> None:
    """Choose these settings."""
    for name, value in settings.items():
        choice_of(PAGE, USUAL, name).set(value)


def asked() -> AttackSettings:
    """Draw the settings of an attack and return them. Raises ValueError if they do not fit
    together.
    """
    st.segmented_control(
        "Method",
        METHOD.options,
        format_func=METHOD.words,
        required=True,
        key=METHOD.key(),
    )
    method = METHOD.value()
    st.caption(METHODS[method])
    usual = USUAL.changed({"method": method} | (SEARCH if method == SEEK else {}))
    own: tuple[str, ...] = GUIDANCE if usual.guided else SAMPLER
    if method == SEEK:
        own = (*SAMPLER, *SEEKING)
    columns = [*st.columns(len(DRAWING)), *st.columns(len(own))]
    return settings_controls(PAGE, usual, (*DRAWING, *own), columns)


def run(loaded: Workspace, settings: AttackSettings) -> None:
    """Run the attack and show the images it draws; afterwards the page opens the run."""
    bar = st.progress(0.0, "Starting")
    st.button("Stop", icon=":material/stop:", help="Images drawn so far are kept.")
    wall, folder = st.empty(), None

    def counted(stage: str) -> Progress:
        return lambda done, total: bar.progress(
            min(1.0, done / total), f"{plain(stage)}: {done:,.0f} of {total:,.0f}"
        )

    try:
        for folder in attack_run(
            loaded.denoiser,
            settings,
            stages.FOLDER,
            counted,
            reference=loaded.reference,
            roots=roots(),
        ):
            drawn = read_generations(folder).images
            pixels = to_pixels(drawn.batch(range(len(drawn))[-WALL:]))
            wall.image(data_url(sheet(pixels, 32)), width="stretch", alt="The latest images")
    except (ValueError, OSError) as error:
        show_error(error)
        return
    if folder is not None:
        RUN.set(folder.name)
    st.rerun()
