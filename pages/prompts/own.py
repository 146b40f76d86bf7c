"""One's own picture: the measures from after generation, with and without a prompt."""

import numpy as np
import pandas as pd
import streamlit as st

from memlib.measures.conditional import PROMPT_MEASURES
from memlib.measures.conditional.scoring import AMONG, MAP
from memlib.progress import Progress
from memlib.prompts.own_picture import score_upload
from memlib.sources import on_hub
from pages.figures.pictures import colour_range
from pages.prompts.stored import PAGE, Opened
from pages.session import results as computed
from pages.session import workspace
from pages.session.long_work import long_work
from pages.session.messages import number, plain, show_error
from pages.session.state import Kept
from pages.widgets.player import Kind, player

AFTER = [name for name, one in PROMPT_MEASURES.items() if one.takes == "images" and name != AMONG]
USUAL = [name for name in AFTER if not name.startswith("p_laplace")]
MEASURES = PAGE.some_of("own_measures", AFTER, linked=False)
WORDS = PAGE.text("own_prompt", linked=False)
RESULT: Kept[dict[tuple, tuple]] = Kept("prompts own picture", dict)  # picture and row, by request


def own_picture(found: Opened, row: pd.Series) -> None:
    """Draw the form for a picture and its prompt, and how it compares with the prompts of the
    run.
    """
    st.subheader("Your own picture, with and without a prompt")
    st.caption(
        "Whether a picture that you have, generated or not, is one that the model of this run "
        "holds: the measures from after generation, of the picture itself."
    )
    left, right = st.columns(2, gap="medium")
    file = left.file_uploader("A picture", ["png", "jpg", "jpeg", "webp"], key="prompts.own")
    prompt = right.text_input(
        "Its prompt", key=WORDS.key(), placeholder=str(row["name"]), max_chars=4000
    )
    names = right.multiselect(
        "Measures",
        AFTER,
        default=None,
        format_func=lambda name: PROMPT_MEASURES[name].title,
        key=MEASURES.key(),
        placeholder="those of a small sphere, and the maps",
    )
    if file is None:
        return
    measures = [PROMPT_MEASURES[name] for name in names or USUAL]
    words = prompt.strip() or str(row["name"])
    data = file.getvalue()
    key = (found.run.model, words, hash(data), tuple(one.name for one in measures))
    kept = RESULT.get()
    place = str((found.run.manifest.get("sources") or {}).get("model", ""))
    try:
        if on_hub(place):  # opening a run downloads nothing
            raise ValueError(f"{place!r} is on the Hub; download it to a folder and run it there.")
        model = workspace.model_of(place)
        if model.digest != found.run.model:
            raise ValueError("The model of this run has changed; its numbers cannot be compared.")
        read = model.given(words).reading.sentence
        if read:
            st.warning(plain(read), icon=":material/content_cut:")
        if key not in kept:
            costs = {(one.run, str(one.defaults(model))): one.forwards(model) for one in measures}

            def work(progress: Progress) -> None:
                kept[key] = score_upload(model, words, data, measures, progress)

            seconds = computed.seconds(model, sum(costs.values()))
            if not long_work("Measure the picture", seconds, work, ask=True):
                return
    except (ValueError, OSError) as error:
        show_error(error)
        return
    _drawn(found, words, *kept[key])


def _drawn(found: Opened, prompt: str, pixels: np.ndarray, row: dict) -> None:
    """Draw the picture's maps, and its values among those of the run's prompts."""
    maps = {name: row[MAP + name][0] for name in AFTER if MAP + name in row}
    left, right = st.columns(2, gap="medium")
    with left:
        player(
            pixels,
            [
                Kind(
                    PROMPT_MEASURES[name].title,
                    heat,
                    colour_range(heat, bool(heat.min() < 0)),
                    PROMPT_MEASURES[name].unit.split(",")[0],
                    bool(heat.min() < 0),
                )
                for name, heat in maps.items()
            ],
            key="prompts.own_maps",
            alt="Your picture and its maps",
        )
    lines = []
    for name in (name for name in AFTER if name in row):
        measure, values = PROMPT_MEASURES[name], np.array([])
        if name in found.table:
            values = found.table[name].to_numpy(float)
        below = int((measure.direction * values < measure.direction * row[name]).sum())
        lines.append(
            {
                "Measure": measure.title,
                "Value": number(row[name]),
                "More memorised than": f"{below:,} of {len(values):,}" if len(values) else "",
            }
        )
    with right:
        st.dataframe(
            lines, hide_index=True, height="content", alt="The measures of your own picture"
        )
        st.caption(
            f"With the prompt “{plain(prompt)}” and without; {plain(found.told)}. It is "
            "compared with the prompts of the run, whose pictures were drawn with guidance."
        )
