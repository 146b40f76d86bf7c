"""What each number is, its formula, direction, limits and source."""

import pandas as pd
import streamlit as st

from memlib.denoisers.unet import DEMO
from memlib.measures import MEASURES, Measure
from pages.shared import charts, workspace

FRONTIER = DEMO / "frontier.csv"

workspace.enter()
st.markdown(
    "Every measure here is a function of one object, the **denoiser** $D(y, \\sigma) = \\mathbb{E}[x_0 \\mid y]$: the best guess of the image behind noise of "
    "standard deviation $\\sigma$, $y = x_0 + \\sigma n$. The score is $(D - y) / \\sigma^2$, the predicted noise $(y - D) / \\sigma$, and the path from image to "
    "latent solves $\\mathrm{d}y / \\mathrm{d}\\sigma = (y - D) / \\sigma$. Values are natural logarithms (nats), noise levels are in image units, images lie in [-1, 1]."
)
kinds: dict[str, list[Measure]] = {}
for measure in MEASURES.values():  # one card for what differs only in p or noise level
    kinds.setdefault(measure.definition, []).append(measure)
for alike in kinds.values():
    measure = alike[0]
    with st.container(border=True):
        st.subheader(measure.title if len(alike) == 1 else measure.title.replace("K_1", "K_p").replace(" at σ = 0.2", ""))
        st.markdown(measure.definition)
        st.latex(measure.formula)
        sign = "Bigger means more memorised." if measure.direction > 0 else "Smaller means more memorised."
        also = "" if len(alike) == 1 else f"\n\n**In the table of measures as.** {', '.join(one.title for one in alike)}."
        st.markdown(
            f"**Direction.** {sign} This is fixed by definition, never by the data.\n\n**Unit.** {measure.unit}\n\n**Limits.** {measure.limits}\n\n**Source.** {measure.citation}.{also}"
        )
if FRONTIER.exists():
    st.subheader("How many forwards a ranking needs")
    st.markdown(
        "Volume growth of 192 demo images drawn at random, ranked by short runs and by a long one (100 steps, 16 other probes: 1,717 forwards an image): Spearman's rank correlation. "
        "The default, 12 steps and 2 probes, takes 39 forwards."
    )
    table = pd.read_csv(FRONTIER)
    st.plotly_chart(charts.frontier(table), config=charts.CONFIG, alt="Rank correlation against network forwards")
    with st.expander("The numbers"):
        st.dataframe(table, hide_index=True, height="content", alt="Rank correlations")
st.subheader("What no number here says")
st.markdown(
    "A high value says that the model reproduces an image easily, not that someone will find it, nor that the image was in the training set: a plain picture that was never "
    "trained on can score high. Compare with held-out images of the same kind, and look."
)
