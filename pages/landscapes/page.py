"""The plane, where the truth is known: mixtures shaped by hand, with exact and estimated fields,
and a network trained on them.
"""

from functools import partial

import streamlit as st

from memlib import landscapes as land
from pages.landscapes import modes, plane_view, settings
from pages.landscapes.basins_panel import basins_panel
from pages.landscapes.estimates import Fields, as_npz, estimate
from pages.landscapes.flow_panel import flow_panel
from pages.landscapes.learned import learned_panel, train
from pages.landscapes.settings import Settings
from pages.session.messages import show_error

INTRODUCTION = (
    "The measures of the other pages for a mixture of Gaussians in the plane, where each exact "
    "value is known and shown beside its estimate. Drag the modes, change the noise level, "
    "click to probe a point."
)
EXPLANATION = (
    "Every exact field is a formula of the mixture. The average over a disc is a sum over 24 to "
    "96 points of its rim. The growth is the fall of the log density along a path solved to "
    "fourth order, which is the integral of the divergence. The estimates come from the very "
    "functions that measure images on the other pages: the flux through N directions, shared by "
    "all points, and the trace by K random signs at each level along a second-order path. A "
    "mixture stays a mixture under noise; its covariances grow by σ² I.\n\n**To see:** at the "
    "exact top of a mode, p = 1 gives 1 whatever its width; weights change p-Laplace little, "
    "widths change it much; more latent volume leads to a narrow mode than to a broad one of "
    "the same weight; data points with width 0 are a perfect memory.\n\n**Sources:** Brokman et "
    "al., arXiv 2505.08246, whose mixture is the first landscape; Hasegawa and Yasuda, arXiv "
    "2503.19429."
)


def main() -> None:
    """Draw the page: first the cheap fields, then the estimates in a second run."""
    st.caption(INTRODUCTION)
    preset, shown = modes.chosen_preset()
    shown = modes.current_modes(preset, shown)
    text = land.format_modes(shown)
    chosen = settings.choose()
    point = modes.current_probe()
    ready = (text, chosen.radii, chosen.powers, chosen.directions, chosen.probes, chosen.seed)
    known = st.session_state.get("landscape_ready") == ready
    estimates = estimate(text, chosen) if known else None
    plane_view.draw(text, chosen, point, estimates, partial(modes.edited, preset))
    waiting = st.empty()
    if "landscape_problem" in st.session_state:
        show_error(st.session_state.pop("landscape_problem"))
    with st.expander("Modes as numbers", icon=":material/table:"):
        modes.mode_table(preset, shown)
    closer_look(text, chosen, point)
    if estimates is not None:
        download(text, chosen, estimates)
    explanation()
    if estimates is None:
        estimate(text, chosen, waiting)
        st.session_state.landscape_ready = ready
        st.rerun()


def closer_look(text: str, chosen: Settings, point: tuple[float, float]) -> None:
    """Draw the chosen panel."""
    st.subheader("A closer look")
    look = st.segmented_control(
        "Panel",
        ["Flow", "Learned", "How often"],
        key="view",
        bind="query-params",
        label_visibility="collapsed",
    )
    if look == "Flow":
        flow_panel(text, chosen, point)
    elif look == "How often":
        basins_panel(text, chosen)
    elif look == "Learned":
        train()
        learned_panel(text, chosen.powers, chosen.p, chosen.seed)


def download(text: str, chosen: Settings, estimates: Fields) -> None:
    """Draw the button that downloads all fields as one file."""
    st.download_button(
        "Fields as .npz",
        partial(as_npz, text, chosen, estimates),
        "landscape.npz",
        "application/octet-stream",
        icon=":material/download:",
        on_click="ignore",
    )


def explanation() -> None:
    """Explain what is shown, in formulas and words."""
    with st.expander("Definitions", icon=":material/function:"):
        st.latex(
            r"p(y;\sigma)=\sum_k w_k\,\mathcal N(y;\,m_k,\,S_k+\sigma^2 I),\qquad s=\nabla\log "
            r"p,\qquad H=\nabla s,\qquad D=y+\sigma^2 s"
        )
        st.latex(
            r"\Delta_p=\nabla\!\cdot(|s|^{p-2}s),\qquad \frac1{|B_r|}\int_{B_r}\!\Delta_p=\frac "
            r"dr\,\mathbb E_u\big[|s|^{p-2}\,s\cdot u\big],\qquad "
            r"K_p=-\Big(\frac{\sigma^2}{r}\Big)^{p-1}\mathbb E_u\big[|s|^{p-2}\,s\cdot u\big]"
        )
        st.latex(
            r"\log\left|\det\frac{dy_\sigma}{dy_0}\right|=\int "
            r"(d-\operatorname{tr}J)\,d\ln\sigma=\int-\sigma^2\operatorname{tr}H\,d\ln\sigma=\log "
            r"p(y_{\sigma_0};\sigma_0)-\log p(y_\sigma;\sigma),\qquad \frac{dy}{d\sigma}=-\sigma\,s"
        )
        st.markdown(EXPLANATION)


main()
