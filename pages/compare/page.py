"""Two models on the same images: what each gives away, which images changed, and whether the
difference is more than chance.
"""

from dataclasses import replace

import pandas as pd
import streamlit as st

from memlib.denoisers import NetworkDenoiser
from memlib.evidence import Remembered, clusters, drawn_how
from memlib.evidence.two_models import compared_in_words, in_words, shift_in_words, shifts
from memlib.extraction import Plan
from memlib.measures import MEASURES
from memlib.workspace import Workspace
from pages.compare.changed import Compared, copies_panel, measure_panel
from pages.session import neighbours, results, workspace
from pages.session.downloads import table_buttons
from pages.session.measure_tables import measured
from pages.session.messages import plain

COLUMNS = {
    "title": st.column_config.TextColumn("Measure", width=250),
    "trained": st.column_config.NumberColumn("Images", width=70, help="Trained images measured."),
    "change": st.column_config.TextColumn(
        "Mean change",
        width=200,
        help="Of the first model minus the second, in the measure's unit; positive is more "
        "memorised. The 95% interval counts near-duplicates and variants of one drawing as one.",
    ),
    "net": st.column_config.TextColumn(
        "Beyond held-out images",
        width=200,
        help="The mean change minus that of the held-out images. Two models differ on every "
        "image; only what they differ by beyond images neither was trained on is memory.",
    ),
    "beyond": st.column_config.NumberColumn(
        "Beyond 99%",
        width=100,
        help="Trained images that changed by more than 99% of the held-out ones; 1% of all would "
        "by chance.",
    ),
}


def main() -> None:
    """Draw the comparison of the loaded model and its reference."""
    loaded = workspace.require()
    st.caption(
        "Two models on the same images: before and after a remedy, an early checkpoint and the "
        "last. The second is the reference that the workspace names."
    )
    if loaded.reference is None:
        st.info(
            "No second model is loaded. Name one as the reference, on the workspace page.",
            icon=":material/compare:",
        )
        st.page_link(
            "pages/workspace/page.py", label="Go to the workspace", icon=":material/arrow_forward:"
        )
        return
    both = (loaded, swapped(loaded, loaded.reference))
    compared = Compared(both[0], both[1], *map(given_away, both))
    sentences(compared)
    if compared.one and compared.other:
        copies_panel(compared)
    measures(compared)


def swapped(loaded: Workspace, reference: NetworkDenoiser) -> Workspace:
    """Return the workspace with the model and its reference exchanged."""
    turned = replace(loaded.sources.of_reference, reference=loaded.sources.model)
    return Workspace(turned, reference, loaded.images, loaded.denoiser)


def given_away(loaded: Workspace) -> Remembered | None:
    """Return what the pictures drawn from a model are copies of; None where none are drawn."""
    truth = neighbours.usual_truth(loaded)
    return None if truth is None else neighbours.remembered(loaded, truth)


def plan_of(loaded: Workspace) -> Plan | None:
    """Return how the pictures of a model were drawn, None where that is not known."""
    found = neighbours.unguided(loaded)
    return None if found is None else found[1].plan


def sentences(compared: Compared) -> None:
    """Say what each of the two models gives away, and how they differ."""
    for loaded, found in compared.sides:
        name = plain(loaded.denoiser.name)
        if found is not None:
            st.markdown(f"**{name}:** {found.sentence()}")
            if plan := plan_of(loaded):
                st.caption(f"Drawn {drawn_how(plan)}.")
            continue
        st.markdown(f"**{name}:** no picture of it is drawn yet, so what it gives away is unknown.")
        if st.button("Open it as the model, to draw from it", icon=":material/brush:"):
            workspace.open_workspace(loaded.sources)
            st.switch_page("pages/evidence/page.py")
    if compared.one and compared.other:
        st.markdown(f"#### {plain(compared_in_words(compared.one, compared.other))}")
        one, other = (plan_of(loaded) for loaded, _ in compared.sides)
        if not one or not other or drawn_how(one) != drawn_how(other):
            st.warning(
                "The pictures of the two models were not drawn alike, so a part of the difference "
                "may be that of the samplers.",
                icon=":material/warning:",
            )


def measures(compared: Compared) -> None:
    """Draw by how much every measure changed, and the images that changed most by one of them."""
    loaded, other = compared.loaded, compared.second
    values, others = measured(loaded)[0], measured(other)[0]
    groups = neighbours.near_duplicates(loaded)
    held_out = loaded.images.held_out
    table = shifts(values, others, held_out, clusters(loaded.images, groups))
    st.subheader("What the measures say")
    if table.empty:
        st.info(
            "No measure is known for both models on the same images. The pages of volume growth "
            "and p-Laplace measure both when *Minus reference* is chosen.",
            icon=":material/info:",
        )
        return
    st.markdown(shift_in_words(table.iloc[0]))
    st.dataframe(
        shown(table),
        hide_index=True,
        column_config=COLUMNS,
        alt="The change of every measure between the two models, with intervals",
    )
    details = results.manifest(loaded, str(table["measure"].iloc[0]), {})
    details |= {"reference": {"name": other.denoiser.name, "digest": other.denoiser.digest}}
    table_buttons(table, {**details, "measure": "all", "parameters": {}}, "two-models")
    measure_panel(compared, values, others, list(table["measure"]))


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table as it is drawn: numbers and their intervals in one cell."""

    def cells(*columns: str) -> list[str]:
        told = table[list(columns)].to_numpy()
        return ["" if pd.isna(row).any() else in_words(*row) for row in told]

    return pd.DataFrame(
        {
            "title": [MEASURES[name].title for name in table["measure"]],
            "trained": table["trained"],
            "change": cells("change", "low", "high"),
            "net": cells("net", "net low", "net high"),
            "beyond": table["beyond"],
        }
    )


main()
