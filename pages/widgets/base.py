"""What the widgets that move in the browser are made of: one look, one life cycle, pictures cut from a sheet, sliders, a clock.

A widget's script is a class `View` with a constructor (root), `update(data, send)` for every run of the page and, if it
has to fit its room, `layout(width)`. It lives as long as its element: a run of the page with the same data leaves it alone.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from pages.figures.pictures import coarse, data_url, sheet

_CSS = """
.widget { font-family: var(--st-font); color: var(--st-text-color); font-size: 0.85rem; }
.widget [hidden] { display: none !important; }
.widget canvas, .widget img { image-rendering: pixelated; display: block; border-radius: 2px; }
.widget .shrunk { image-rendering: auto; }
.widget figure { margin: 0; min-width: 0; }
.widget figcaption, .widget .quiet { font-size: 0.8rem; opacity: 0.75; }
.widget figcaption { margin-bottom: 4px; }
.widget output, .widget .number { font-variant-numeric: tabular-nums; }
.widget input { accent-color: var(--st-primary-color); margin: 0; }
.widget input[type=range] { width: 100%; cursor: pointer; }
.widget .line { display: grid; grid-template-columns: auto minmax(0, 1fr) auto; gap: 10px; align-items: center; }
.widget .push { font: inherit; color: inherit; cursor: pointer; background: var(--st-secondary-background-color);
  border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); padding: 2px 10px; }
.widget .push:hover { border-color: var(--st-primary-color); }
.widget :focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.widget .axis { fill: currentColor; opacity: 0.75; font-size: 11px; }
"""

_JS = r"""
const memory = new Map()  // what the visitor moved, by key: it outlives the element, so it is there again after a look at another page
const recall = (id, start) => { if (!memory.has(id)) memory.set(id, start); return memory.get(id) }
const clamp = (v, low, high) => Math.min(high, Math.max(low, v))
const make = (tag, name, ...inside) => { const e = document.createElement(tag); if (name) e.className = name; e.append(...inside); return e }
const draw = (tag, attributes, ...inside) => {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag)
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value)
  e.append(...inside); return e
}
const push = (text, act) => { const e = make("button", "push", text); e.type = "button"; e.onclick = act; return e }
const short = (v) => v === 0 ? "0" : Math.abs(v) >= 1e4 || Math.abs(v) < 1e-2 ? v.toExponential(1) : String(+v.toPrecision(3))

// the whole factor, or one over a whole number, by which `side` pixels fit the room
const fit = (side, room) => room >= side ? Math.floor(room / side) : 1 / Math.ceil(side / Math.max(room, 1))
const resize = (e, width, height, scale) => {
  e.style.width = width * scale + "px"; e.style.height = height * scale + "px"
  e.classList.toggle("shrunk", scale < 1)
}

class Sheet {
  constructor({ url, columns, width, height }) {
    Object.assign(this, { url, columns, width, height, image: new Image() })
    this.image.src = url
  }
  ready() { return this.image.decode() }
  canvas(label) {
    const e = make("canvas"); e.width = this.width; e.height = this.height
    if (label) { e.setAttribute("role", "img"); e.setAttribute("aria-label", label) } else e.setAttribute("aria-hidden", "true")
    return e
  }
  // picture i at x, y of a canvas's context, by default filling its canvas
  paint(context, i, x = 0, y = 0, width = this.width, height = this.height) {
    context.drawImage(this.image, (i % this.columns) * this.width, Math.floor(i / this.columns) * this.height, this.width, this.height, x, y, width, height)
  }
}

// a native slider; set(value, text) moves it without calling `move`
const slider = (label, least, most, step, move) => {
  const input = make("input"), out = make("output"); input.type = "range"
  Object.assign(input, { min: least, max: most, step }); input.setAttribute("aria-label", label)
  input.oninput = () => move(+input.value)
  const set = (value, text) => { input.value = value; out.textContent = text; input.setAttribute("aria-valuetext", text) }
  return { input, set, line: make("label", "line", make("span", "", label), input, out) }
}

// a button that plays and pauses: step(seconds) at every frame while it plays, until it returns false or the element is gone
const clock = (root, step) => {
  const button = push("Play", () => playing ? pause() : play())
  let playing = false, last = 0
  const frame = (now) => {
    if (!playing) return
    const passed = clamp((now - last) / 1000, 0, 0.1); last = now  // a frame's time can be before the click's
    if (!root.isConnected || step(passed) === false) pause(); else requestAnimationFrame(frame)
  }
  const play = () => { if (playing) return; playing = true; button.textContent = "Pause"; last = performance.now(); requestAnimationFrame(frame) }
  const pause = () => { playing = false; button.textContent = "Play" }
  return { button, play, pause }
}
"""

_LIFE = r"""
const views = new WeakMap()
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".widget")
  if (!views.has(root)) {
    const view = new View(root)
    views.set(root, view)
    let wide = 0  // heights follow from widths: only a new width asks for a new layout
    if (view.layout) new ResizeObserver(() => { if (root.clientWidth && root.clientWidth !== wide) view.layout(wide = root.clientWidth) }).observe(root)
  }
  views.get(root).update(data, setTriggerValue)
}
"""


def widget(name: str, css: str, js: str) -> Callable[..., Any]:
    """A components.v2 widget: the shared pieces, its own style (below `.name`) and its own `class View`."""
    return st.components.v2.component(
        f"afterimage_{name}",
        html=f'<div class="widget {name}"></div>',
        css=_CSS + css,
        js=_JS + js + _LIFE,
    )


def as_sheet(pictures: np.ndarray, most: int) -> dict[str, Any]:
    """Pictures (N, H, W, 3) uint8 as the browser's `Sheet` takes them: one lossless picture, each averaged down to at most `most` pixels a side."""
    if max(pictures.shape[1:3]) > most:
        pictures = (
            np.moveaxis(coarse(np.moveaxis(pictures, -1, 1), most), 1, -1).round().astype(np.uint8)
        )
    columns = min(64, len(pictures))
    return {
        "url": data_url(sheet(pictures, columns), "WEBP"),
        "columns": columns,
        "width": pictures.shape[2],
        "height": pictures.shape[1],
    }


def check_pictures(pictures: np.ndarray, what: str) -> None:
    """Raises ValueError unless `pictures` is (N, H, W, 3) uint8 with N > 0."""
    if (
        pictures.dtype != np.uint8
        or pictures.ndim != 4
        or pictures.shape[-1] != 3
        or not len(pictures)
    ):
        raise ValueError(
            f"{what} must be uint8 pictures (N, H, W, 3); these are {pictures.dtype} {pictures.shape}."
        )
