"""What is loaded, in the form it has in the address: sources to parameters and back."""

import re
from dataclasses import fields, replace

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from memlib.denoisers.condition import LARGEST_SCALE
from memlib.images.transform import FITS
from memlib.workspace import Sources

NOTHING = "none"  # no model, or no reference
LONGEST = 2000  # characters of a prompt
DIGITS = 9  # digits of a number in an address; longer ones are ignored


def sources_of_url() -> Sources:
    """Return the sources that the address names; the demo if it names nothing."""
    url, usual = st.query_params, Sources()
    return Sources(
        model=url.get("model", usual.model),
        images=url.get("images", usual.images),
        reference=_reference(url.get("model", usual.model), url.get("reference")),
        size=_number(url.get("size", "")),
        channels=_number(url.get("channels", "")),
        label=_number(url.get("label", "")),
        fit=url.get("fit", usual.fit) if url.get("fit") in FITS else usual.fit,
        mirror=url.get("mirror") == "yes",
        held_out=url.get("held_out", ""),
        group=url.get("group", ""),
        prompt=url.get("prompt", "")[:LONGEST],
        guidance_scale=_scale(url.get("guidance_scale", "")),
    )


def for_url(sources: Sources) -> dict[str, str]:
    """Return the parameters by which the address names the sources; empty for the demo."""
    usual = replace(Sources(), reference=_reference(sources.model, None))
    told = {field.name: getattr(sources, field.name) for field in fields(sources)}
    told = {
        name: "yes" if value is True else str(value)
        for name, value in told.items()
        if value not in (None, "") and value != getattr(usual, name)
    }
    if (sources.model, sources.images) != (usual.model, usual.images):
        told |= {"model": sources.model, "images": sources.images}
    if usual.reference and not sources.reference:
        told["reference"] = NOTHING
    return told


def show(sources: Sources | None) -> None:
    """Write these sources, or that nothing is loaded, to the address."""
    wanted = {"model": NOTHING} if sources is None else for_url(sources)
    for field in fields(Sources):
        text = wanted.get(field.name)
        if text and st.query_params.get(field.name) != text:
            st.query_params[field.name] = text
        elif not text:
            st.query_params.pop(field.name, None)


def renamed(before: str, now: str) -> None:
    """Rename a parameter that an older link has by its old name."""
    if before in st.query_params:
        st.query_params[now] = st.query_params[before]
        del st.query_params[before]


def _reference(model: str, told: str | None) -> str:
    """Return the reference that an address names; the demo's model has one by default."""
    if told is None:
        return Sources().reference if model == Sources().model else ""
    return "" if told == NOTHING else told


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= DIGITS else None


def _scale(text: str) -> float | None:
    if not re.fullmatch(r"\d{1,3}(\.\d{1,3})?", text, re.ASCII):
        return None
    return float(text) if float(text) <= LARGEST_SCALE else None


def hand_over() -> None:
    """Run a server's very first request again, by app.py.

    Streamlit takes a folder called `pages` for its older kind of multipage app until
    `st.navigation` has run once in the process, and looks there for a script of the address. The
    scripts `pages/0_<page>.py` are what it finds. Without them "Page not found" would appear over
    the page.
    """
    PagesManager.uses_pages_directory = False
    st.rerun()
