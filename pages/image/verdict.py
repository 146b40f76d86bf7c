"""What reviewers decided on the chosen image, to read; the audit page decides."""

import streamlit as st

from memlib.workspace import Workspace
from pages.ranking.verdicts import reviewer, verdicts_on
from pages.ranking.view import Picture


def verdict(loaded: Workspace, picture: Picture) -> None:
    """Draw the verdicts that the visitor may see, and the way to the desk."""
    st.subheader("Its verdict")
    seen, given = verdicts_on(loaded.denoiser.digest, picture.id)
    for line in seen.to_dict("records"):
        note = f": {line['note']}" if line["note"] else ""
        st.text(f"{line['verdict']}, {line['reviewer']}, {str(line['at'])[:10]}{note}")
    hidden = given - len(seen)
    if hidden:
        st.caption(
            f"{hidden:,} {'verdict' if hidden == 1 else 'verdicts'} of other reviewers: shown once "
            f"you have decided{'' if reviewer() else ' under your name'}."
        )
    elif not given:
        st.caption("Nobody has decided on it yet.")
    st.page_link(
        "pages/audit/page.py",
        label="Decide on it at the desk",
        icon=":material/fact_check:",
        query_params={"image": picture.id},
    )
