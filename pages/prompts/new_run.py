"""A new run: a model of text, a list of prompts, what is measured, its cost, and its start."""

from functools import partial

import streamlit as st

from memlib.denoisers import NetworkDenoiser
from memlib.measures.conditional import PROMPT_MEASURES
from memlib.measures.conditional.scoring import USUAL as USUAL_MEASURES
from memlib.measures.conditional.scoring import PromptSettings
from memlib.prompts import (
    PromptList,
    create_prompt_run,
    originals_of,
    prompt_run_name,
    read_list,
    typed_list,
)
from memlib.quoting import shortened
from memlib.runs import FOLDER
from pages.prompts.stored import PAGE, RUN, WHEN
from pages.session import background, downloads, workspace
from pages.session import results as computed
from pages.session.messages import guarded, plain, show_error
from pages.session.paths import confine, roots
from pages.widgets.waiting import folded

USUAL = PromptSettings()
MODEL = PAGE.text("of", linked=False)
TYPED = PAGE.text("typed", linked=False)
ORIGINALS = PAGE.text("originals", linked=False)
MEASURES = PAGE.some_of("measures", list(PROMPT_MEASURES), linked=False)
SEEDS = PAGE.number("seeds", USUAL.seeds, 1, 64, linked=False)
GUIDANCE = PAGE.number("guidance", USUAL.guidance, 0.0, 100.0, linked=False)
STEPS = PAGE.number("steps", USUAL.steps, 2, 999, linked=False)
READ = 500  # prompts of which it is said what the tokenizer leaves out


@st.fragment
@guarded()
def new_run() -> None:
    """Draw the form of a new run; it starts in the background. A fragment: what is typed redraws
    only the form.
    """
    if background.begun():
        st.rerun()
    folded("New run", ":material/play_arrow:", _shown)


def _shown() -> None:
    try:
        _form()
    except (ValueError, OSError) as error:
        show_error(error)


def _form() -> None:
    left, right = st.columns(2, gap="medium")
    place = left.text_input(
        "Model of text",
        key=MODEL.key(),
        placeholder="demo-text",
        help="A folder as diffusers saves pipelines: Stable Diffusion 1, 2, XL, or 3 without its "
        "T5. Empty: the bundled model.",
    ).strip()
    originals = left.text_input(
        "Folder of originals",
        key=ORIGINALS.key(),
        placeholder="none",
        help="Training pictures. Each prompt is compared with the file that its list names, or "
        "with the nearest of all.",
    ).strip()
    text = right.text_area(
        "Prompts, one a line",
        key=TYPED.key(),
        height=110,
        placeholder="black cat, animal mammal",
    )
    file = right.file_uploader(
        "Or a list as CSV or JSONL",
        ["csv", "jsonl", "json", "txt"],
        key="prompts.list",
        help="A column prompt, caption or text; optional columns are label (memorised or not), "
        "file, kind and family.",
    )
    settings = _settings()
    prompts = None
    if file is not None:
        prompts = read_list(file.getvalue(), file.name)
    elif text.strip():
        prompts = typed_list(text)
    if prompts is None:
        st.caption("Type prompts or choose a list; then the cost is said, and the run can start.")
        st.button("Start in the background", icon=":material/rocket_launch:", disabled=True)
        return
    _start(place or "demo-text", prompts, settings, originals)


def _settings() -> PromptSettings:
    """Draw what is measured and how pictures are drawn. Raises ValueError for what does not fit."""
    names = st.multiselect(
        "Measures",
        MEASURES.options,
        format_func=lambda name: (
            f"{WHEN[PROMPT_MEASURES[name].when]}: {PROMPT_MEASURES[name].title}"
        ),
        key=MEASURES.key(),
        placeholder=f"the usual {len(USUAL_MEASURES)}",
    )
    columns = st.columns(3)
    seeds = columns[0].number_input("Seeds", 1, 64, key=SEEDS.key(), help="Pictures of a prompt.")
    guidance = columns[1].number_input(
        "Guidance scale w",
        0.0,
        100.0,
        key=GUIDANCE.key(),
        help="Of the sampler; measures compare prompts without guidance.",
    )
    steps = columns[2].number_input("Steps", 2, 999, key=STEPS.key(), help="Of the sampler, DDIM.")
    return USUAL.changed(
        {
            "measures": ",".join(names) or USUAL.measures,
            "seeds": int(seeds),
            "guidance": float(guidance),
            "steps": int(steps),
        }
    )


def _start(place: str, prompts: PromptList, settings: PromptSettings, folder: str) -> None:
    """Draw what was read and the cost, and the button that starts the run."""
    model = workspace.model_of(place)
    if model.texts is None:
        raise ValueError(f"{model.name} takes no prompt; name a model of text.")
    st.caption(plain(f"{prompts.name}: {prompts.said}"))
    _left_out(model, prompts)
    images = originals_of(folder, model, roots=roots()) if folder else None
    seconds = len(prompts) * computed.seconds(model, settings.forwards(model))
    st.caption(
        f"About {downloads.duration(seconds)}: {settings.forwards(model):,} network forwards a "
        "prompt. Each finished prompt is kept if you stop, and the same run continues from there."
    )
    target = FOLDER / prompt_run_name(model, prompts, settings, images)
    sources = {"model": confine(place), "originals": confine(folder) if folder else None}
    create = partial(create_prompt_run, target, model, prompts, settings, images, sources=sources)
    title = f"{len(prompts):,} prompts on {model.name}"
    background.button(
        "Start in the background",
        False,
        begin,
        background.prompts,
        target.name,
        (target, create, str(model.device), title),
    )


def begin(work: object, name: str, arguments: tuple) -> None:
    """Start a run, and open it."""
    assert callable(work)
    work(*arguments)
    RUN.set(name)


def _left_out(model: NetworkDenoiser, prompts: PromptList) -> None:
    """Say which prompts the tokenizer cuts off or does not know."""
    assert model.texts is not None
    cut = [
        (one.prompt, said)
        for one in prompts.prompts[:READ]
        if (said := model.texts.reading(one.prompt).sentence)
    ]
    if cut:
        more = f" of the first {READ:,}" if len(prompts) > READ else ""
        count = f"{len(cut):,} prompts{more} are" if len(cut) > 1 else f"One prompt{more} is"
        st.warning(
            f"{count} not read whole, first “{plain(shortened(cut[0][0], 60))}”. "
            f"{plain(cut[0][1])}",
            icon=":material/content_cut:",
        )
