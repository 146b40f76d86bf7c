"""A gallery of small pictures: one is selected, by click or by arrow keys, at once in the browser.

All pictures travel in one file and are drawn without smoothing. The selected id comes back as a component state.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import streamlit as st

from pages.figures.pictures import data_url, sheet


@dataclass(frozen=True)
class Card:
    """One picture's id, the line below it, a quieter second line, and its text for those who do not see it."""

    id: str
    title: str
    note: str
    alt: str


_CSS = """
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(var(--card), 1fr)); gap: 8px; font-family: var(--st-font); }
.cards button {
  all: unset; box-sizing: border-box; cursor: pointer; padding: 6px; border: 2px solid transparent;
  border-radius: var(--st-base-radius); background: var(--st-secondary-background-color); color: var(--st-text-color); text-align: center;
}
.cards button:hover { border-color: var(--st-border-color); }
.cards button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.cards button[aria-selected="true"] { border-color: var(--st-primary-color); }
.cards .picture { margin: 0 auto 4px; image-rendering: pixelated; background-repeat: no-repeat; border-radius: 2px; }
.cards .title { font-size: 0.8rem; font-variant-numeric: tabular-nums; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.cards .note { font-size: 0.7rem; opacity: 0.7; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
"""

_JS = """
const shown = new WeakMap()  // the pictures of each gallery as an object the browser has
export default function ({ data, parentElement, setStateValue }) {
  const box = parentElement.querySelector(".cards")
  const scale = data.scale, w = data.width * scale, h = data.height * scale
  box.style.setProperty("--card", (w + 16) + "px")
  const root = box.getRootNode()
  const held = box.contains(root.activeElement)
  const mark = (id, focus) => {
    for (const button of box.children) {
      const on = button.dataset.id === id
      button.setAttribute("aria-selected", on ? "true" : "false")
      button.tabIndex = on ? 0 : -1
      if (on && focus) button.focus()
    }
  }
  const choose = (id) => { mark(id, true); setStateValue("selected", id) }
  // one object for all cards: a long data URL in the style of each would be read as often as there are cards
  if (shown.get(box)?.data !== data.sheet) {
    if (shown.has(box)) URL.revokeObjectURL(shown.get(box).url)
    const [head, body] = data.sheet.split(",")
    const text = atob(body), bytes = new Uint8Array(text.length)
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
    shown.set(box, { data: data.sheet, url: URL.createObjectURL(new Blob([bytes], { type: head.slice(5, -7) })) })
  }
  const source = `url(${shown.get(box).url})`, sheet = data.columns * w + "px"
  box.replaceChildren(...data.cards.map((card, i) => {
    const button = document.createElement("button")
    button.type = "button"
    button.dataset.id = card.id
    button.setAttribute("role", "option")
    button.setAttribute("aria-label", card.alt)
    button.title = card.alt
    const picture = document.createElement("div")
    picture.className = "picture"
    picture.style.width = w + "px"
    picture.style.height = h + "px"
    picture.style.backgroundImage = source
    picture.style.backgroundSize = sheet + " auto"
    picture.style.backgroundPosition = `-${(i % data.columns) * w}px -${Math.floor(i / data.columns) * h}px`
    const title = document.createElement("div")
    title.className = "title"
    title.textContent = card.title
    const note = document.createElement("div")
    note.className = "note"
    note.textContent = card.note
    button.append(picture, title, note)
    button.onclick = () => choose(card.id)
    return button
  }))
  mark(data.selected, held)
  if (![...box.children].some((b) => b.tabIndex === 0) && box.firstChild) box.firstChild.tabIndex = 0
  box.onkeydown = (event) => {
    const all = [...box.children], at = all.indexOf(root.activeElement)
    if (at < 0) return
    const across = getComputedStyle(box).gridTemplateColumns.split(" ").length
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across, Home: -at, End: all.length - 1 - at }[event.key]
    if (step === undefined) return
    event.preventDefault()
    const next = all[Math.min(all.length - 1, Math.max(0, at + step))]
    choose(next.dataset.id)
  }
}
"""

_component = st.components.v2.component(
    "afterimage_gallery",
    html='<div class="cards" role="listbox" aria-label="Images"></div>',
    css=_CSS,
    js=_JS,
)


def gallery(
    pictures: np.ndarray,
    cards: Sequence[Card],
    selected: str | None,
    *,
    key: str,
    width: int,
    on_select: Callable[[], None],
) -> None:
    """Draw pictures (N, H, W, 3) uint8 with their cards; `on_select` finds the chosen id in st.session_state[key]["selected"]."""
    columns = min(12, len(pictures))
    _component(
        key=key,
        data={
            "sheet": data_url(sheet(pictures, columns), "WEBP"),
            "columns": columns,
            "width": pictures.shape[2],
            "height": pictures.shape[1],
            "scale": max(1, width // pictures.shape[2]),
            "cards": [asdict(card) for card in cards],
            "selected": selected,
        },
        on_selected_change=on_select,
    )
