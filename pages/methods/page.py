"""What each measure is, its formula, direction, limits and source."""

import pandas as pd
import streamlit as st

from memlib.bundled import DEMO
from memlib.extraction import CRITERIA
from memlib.measures import MEASURES, Measure
from pages.figures.curves import agreement_by_cost
from pages.figures.style import CONFIG, literal

FRONTIER = DEMO / "frontier.csv"


def main() -> None:
    """Draw the page: every measure, the attack, the cost of a ranking, and the limits."""
    st.markdown(
        "Every measure here is a function of one object, the **denoiser** $D(y, \\sigma) = "
        "\\mathbb{E}[x_0 \\mid y]$: the best guess of the image behind noise of "
        "standard deviation $\\sigma$, $y = x_0 + \\sigma n$. The score is $(D - y) / \\sigma^2$, "
        "the "
        "predicted noise $(y - D) / \\sigma$, and the path from image to "
        "latent solves $\\mathrm{d}y / \\mathrm{d}\\sigma = (y - D) / \\sigma$. Values are natural "
        "logarithms (nats), noise levels are in image units, images lie in [-1, 1]."
    )
    measures()
    extraction()
    frontier()
    st.subheader("What no measure here can say")
    st.markdown(
        "A high value means that the model reproduces an image easily. It does not mean that "
        "someone will find it, nor that the image was in the training set: a plain image that "
        "was never trained on can have a high value. Compare with held-out images of the same "
        "kind, and look at the images."
    )


def measures() -> None:
    """Draw a card for each measure; measures that differ only in p or noise level share one."""
    kinds: dict[str, list[Measure]] = {}
    for measure in MEASURES.values():
        kinds.setdefault(measure.definition, []).append(measure)
    for alike in kinds.values():
        measure = alike[0]
        with st.container(border=True):
            st.subheader(
                measure.title
                if len(alike) == 1
                else measure.title.replace("K₁", "Kₚ").replace(" at σ = 0.2", "")
            )
            st.markdown(measure.definition)
            st.latex(measure.formula)
            sign = (
                "Bigger means more memorised."
                if measure.direction > 0
                else "Smaller means more memorised."
            )
            also = (
                ""
                if len(alike) == 1
                else "\n\n**Names in the table of measures.** "
                f"{', '.join(one.title for one in alike)}."
            )
            st.markdown(
                f"**Direction.** {sign} This is fixed by definition, never by the "
                "data.\n\n**Unit.** "
                f"{measure.unit}\n\n**Limits.** {measure.limits}\n\n**Source.** "
                f"{measure.citation}.{also}"
            )


def extraction() -> None:
    """Draw the attack, its scores and the criteria of a copy."""
    with st.container(border=True):
        st.subheader("Extraction (SIDE)")
        st.markdown(
            "Features are computed for images drawn from the model and clustered by k-means; "
            "clusters whose images lie close to their centre are kept. A classifier of the "
            "clusters, trained on noised images, then guides the sampling towards clusters "
            "chosen uniformly."
        )
        st.latex(
            r"s_\lambda(y, \sigma, c) = s(y, \sigma) + \lambda\, \nabla_y \log p_\phi(c \mid y, "
            r"\sigma)"
        )
        st.markdown(
            "**Scores.** AMS is the share of generated images whose best match γ lies in a "
            "band; UMS is the number of different training images matched in the band, over the "
            "number of generated images:"
        )
        st.latex(
            r"\mathrm{AMS} = \frac1n \sum_x \mathbf 1\left[a \le \max_j \gamma(x, x_j) < b\right], "
            r"\qquad \mathrm{UMS} = \frac1n \Bigl| \bigcup_x \{ j : a \le \gamma(x, x_j) < b \} "
            r"\Bigr|"
        )
        criteria = "\n".join(f"- **{one.title}.** {one.definition}" for one in CRITERIA.values())
        st.markdown(
            f"**Criteria of a copy**\n\n{criteria}\n\n**Limits.** A rate means nothing without "
            "the same test on images that were never trained on. UMS and the number of "
            "different images depend on the number of generated images. The classifier has only "
            "seen what the model draws often, so the attack leads to images the model already "
            "draws: it can raise the share of copies without finding more "
            "images.\n\n**Source.** Chen et al., SIDE: Surrogate Conditional Data Extraction "
            "from Diffusion Models, arXiv 2410.02467."
        )


def frontier() -> None:
    """Draw how well short runs rank images as a long run does, against network forwards."""
    if not FRONTIER.exists():
        return
    st.subheader("How many forwards a ranking needs")
    st.markdown(
        "Volume growth of 192 demo images chosen at random, ranked by short runs and by a long "
        "one (100 steps, 16 other probes: 1,717 forwards per image): Spearman's rank "
        "correlation. The default, 12 steps and 2 probes, takes 39 forwards."
    )
    table = pd.read_csv(FRONTIER)
    st.plotly_chart(
        literal(agreement_by_cost(table)),
        config=CONFIG,
        alt="Rank correlation against network forwards",
    )
    with st.expander("The numbers"):
        st.dataframe(table, hide_index=True, height="content", alt="Rank correlations")


main()
