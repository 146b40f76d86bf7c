"""A gallery of generated pictures, each beside its nearest and second-nearest training image; one is selected at once in the browser."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from pages.widgets.base import as_sheet, check_pictures, widget


@dataclass(frozen=True)
class Pair:
    """A generated picture, its nearest and its second-nearest training image, each (H, W, 3) uint8, the lines below them, and the verdict."""

    id: int
    pictures: tuple[np.ndarray, ...]
    captions: tuple[str, ...]
    copy: bool


_CSS = """
.pairs .legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin-bottom: 8px; }
.pairs .swatch { display: inline-block; width: 10px; height: 10px; border: 2px solid var(--st-primary-color); border-radius: 2px; margin-right: 5px; vertical-align: -2px; }
.pairs .cards { display: grid; gap: 8px; padding: 4px; }
.pairs .cards button {
  all: unset; box-sizing: border-box; cursor: pointer; padding: 8px; border: 2px solid transparent; text-align: center; min-width: 0;
  border-radius: var(--st-base-radius); background: var(--st-secondary-background-color); color: var(--st-text-color);
}
.pairs .cards button:hover { border-color: var(--st-border-color); }
.pairs .cards button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.pairs .cards button[aria-selected=true] { border-color: var(--st-text-color); }
.pairs .row { display: flex; justify-content: center; align-items: center; gap: 8px; margin-bottom: 4px; }
.pairs .match { display: flex; gap: 3px; padding: 3px; border-radius: 4px; }
.pairs .copy .match { background: var(--st-primary-color); }
.pairs .caption { font-size: 0.8rem; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; font-variant-numeric: tabular-nums; }
.pairs .caption ~ .caption { font-size: 0.72rem; opacity: 0.75; }
"""

_JS = r"""
class View {
  constructor(root) {
    const swatch = make("span", "", make("i", "swatch"), "called a copy")
    this.legend = make("div", "legend quiet", make("span", "", "In each card: generated, nearest and second-nearest training image"), swatch)
    this.cards = make("div", "cards"); this.cards.setAttribute("role", "listbox")
    this.cards.onkeydown = (event) => this.keys(event)
    root.replaceChildren(this.legend, this.cards)
  }
  update(data, send) {
    this.send = send
    const drawn = JSON.stringify([data.cards, data.sheet, data.scale])
    if (drawn !== this.drawn) { this.drawn = drawn; this.build(data) }
    this.cards.setAttribute("aria-label", data.alt)
    this.turn ??= data.turn
    if (data.turn >= this.turn) this.mark(data.selected)  // an answer to an earlier click would take the frame back
  }
  build({ cards, sheet: given, scale, each }) {
    const sheet = new Sheet(given), held = this.cards.contains(this.cards.getRootNode().activeElement)
    this.legend.hidden = !cards.length
    this.cards.style.gridTemplateColumns = `repeat(auto-fill, minmax(${each * (sheet.width * scale + 3) + 38}px, 1fr))`
    this.cards.replaceChildren(...cards.map((card) => {
      const button = make("button", card.copy ? "copy" : ""); button.type = "button"; button.dataset.id = card.id
      button.setAttribute("role", "option"); button.setAttribute("aria-label", card.captions.join(", ") + (card.copy ? ", called a copy" : ""))
      const pictures = Array.from({ length: each }, () => { const e = sheet.canvas(); resize(e, sheet.width, sheet.height, scale); return e })
      button.append(make("div", "row", make("div", "match", ...pictures.slice(0, 2)), ...pictures.slice(2)),
        ...card.captions.map((line) => { const e = make("div", "caption", line); e.title = line; return e }))
      button.onclick = () => this.choose(button)
      return button
    }))
    if (held) this.focusAfter = true
    sheet.ready().then(() => this.cards.querySelectorAll("canvas").forEach((canvas, i) => sheet.paint(canvas.getContext("2d"), i)))
  }
  mark(id) {
    const all = [...this.cards.children]
    for (const button of all) {
      const on = +button.dataset.id === id
      button.setAttribute("aria-selected", on ? "true" : "false"); button.tabIndex = on ? 0 : -1
      if (on && this.focusAfter) button.focus({ preventScroll: true })
    }
    this.focusAfter = false
    if (all.length && !all.some((button) => button.tabIndex === 0)) all[0].tabIndex = 0
  }
  choose(button) {
    const id = +button.dataset.id
    this.mark(id); button.focus({ preventScroll: true })
    this.send("clicked", { id, turn: ++this.turn })
  }
  keys(event) {
    const all = [...this.cards.children], at = all.indexOf(this.cards.getRootNode().activeElement)
    if (at < 0) return
    const across = getComputedStyle(this.cards).gridTemplateColumns.split(" ").length
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across, Home: -at, End: all.length - 1 - at }[event.key]
    if (step === undefined) return
    event.preventDefault()
    const next = all[clamp(at + step, 0, all.length - 1)]
    if (next !== all[at]) { this.choose(next); next.scrollIntoView({ block: "nearest" }) }
  }
}
"""

_component = widget("pairs", _CSS, _JS)


def pairs(
    rows: Sequence[Pair], selected: int | None, *, key: str, alt: str, width: int = 64
) -> int | None:
    """Draw the rows as cards and return the selected one's id: the one just clicked, otherwise `selected`, None if it is not among the rows.

    The page keeps what is returned and gives it back as `selected` in its next run. Pictures are `width` pixels wide at most and by
    a whole factor where they are smaller. Raises ValueError for pictures of different shapes or numbers.
    """
    shapes = {tuple(picture.shape for picture in row.pictures) for row in rows}
    if len(shapes) > 1 or any(len(set(shape)) != 1 for shape in shapes):
        raise ValueError(
            f"All cards need the same number of pictures of one shape; these have {sorted(shapes)}."
        )

    def count() -> None:
        st.session_state[f"{key} turn"] = st.session_state[key]["clicked"]["turn"]

    click = (st.session_state.get(key) or {}).get(
        "clicked"
    )  # a trigger: there in the run that a click started, and in no other
    wanted = click["id"] if click else selected
    chosen = wanted if wanted in {row.id for row in rows} else None
    each = len(rows[0].pictures) if rows else 0
    pictures = (
        np.stack([picture for row in rows for picture in row.pictures])
        if rows
        else np.zeros((1, 1, 1, 3), np.uint8)
    )
    check_pictures(pictures, "The cards' pictures")
    sent = as_sheet(pictures, width)
    _component(
        key=key,
        data={
            "cards": [
                {"id": row.id, "captions": list(row.captions), "copy": row.copy} for row in rows
            ],
            "each": each,
            "sheet": sent,
            "scale": max(1, width // sent["width"]),
            "selected": chosen,
            "turn": st.session_state.get(f"{key} turn", 0),
            "alt": alt,
        },
        on_clicked_change=count,
    )
    return chosen
