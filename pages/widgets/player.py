"""An image, its maps and one laid on the other, with sliders over noise level, p and opacity that move in the browser.

All maps travel once; nothing is asked of the server while they move. Slider positions stay when another image is shown.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from pages.figures.pictures import DIVERGING_TABLE, SEQUENTIAL_TABLE, coarse, data_url


@dataclass(frozen=True)
class Axis:
    """A slider: its label and the name of each position; it starts at `start`, the last one by default."""

    label: str
    names: Sequence[str]
    start: int = -1


@dataclass(frozen=True)
class Kind:
    """Maps of one kind, shape (H, W), (n, H, W) or (n, m, H, W) along the axes, their colour limits, and a line of text for each."""

    name: str
    maps: np.ndarray
    limits: tuple[float, float]
    unit: str
    signed: bool = False
    texts: Sequence[str] = ()
    note: str = ""


_CSS = """
.player { font-family: var(--st-font); color: var(--st-text-color); }
.pictures { display: flex; gap: 14px; flex-wrap: wrap; align-items: flex-start; }
.pictures figure { margin: 0; }
.pictures figcaption { font-size: 0.8rem; opacity: 0.7; margin-bottom: 4px; }
.pictures canvas { image-rendering: pixelated; display: block; border-radius: 2px; }
.bar { display: flex; gap: 5px; font-size: 0.72rem; font-variant-numeric: tabular-nums; }
.bar .ends { display: flex; flex-direction: column; justify-content: space-between; }
.line { display: grid; grid-template-columns: 12rem 1fr 4.5rem; gap: 10px; align-items: center; font-size: 0.85rem; margin-top: 8px; }
.line output { font-variant-numeric: tabular-nums; }
.line input { accent-color: var(--st-primary-color); width: 100%; }
.kinds { display: flex; gap: 14px; font-size: 0.85rem; margin-bottom: 8px; flex-wrap: wrap; }
.kinds input { accent-color: var(--st-primary-color); }
.kinds label { cursor: pointer; }
.text { font-size: 0.95rem; margin-top: 10px; min-height: 1.3em; font-variant-numeric: tabular-nums; }
.note { font-size: 0.8rem; opacity: 0.7; margin-top: 4px; min-height: 1.2em; }
.under { display: flex; gap: 14px; font-size: 0.8rem; min-height: 1.3em; margin-top: 6px; align-items: baseline; }
.under button { all: unset; cursor: pointer; text-decoration: underline; opacity: 0.8; }
.under button:focus-visible { outline: 2px solid var(--st-primary-color); }
"""

_JS = """
const memory = new Map()
const floats = (text) => {
  const raw = atob(text), bytes = new Uint8Array(raw.length)
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i)
  return new Float32Array(bytes.buffer)
}
const make = (tag, name, ...inside) => { const e = document.createElement(tag); if (name) e.className = name; e.append(...inside); return e }

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".player")
  // what the visitor moved stays, by name, until the page asks for another start or other positions
  const kept = memory.get(data.id) ?? { moved: {}, opacity: 60 }
  memory.set(data.id, kept)
  const asked = (axis) => JSON.stringify([axis.start, axis.names])
  const state = {
    kind: Math.max(0, data.kinds.findIndex((kind) => kind.name === kept.kind)),
    at: data.axes.map((axis) => {
      const moved = kept.moved[axis.label]
      return moved && moved.asked === asked(axis) ? axis.names.indexOf(moved.name) : axis.start
    }),
    opacity: kept.opacity,
  }
  const kinds = data.kinds.map((kind) => ({ ...kind, values: floats(kind.maps) }))
  const room = root.clientWidth ? (root.clientWidth - 110) / 3 : data.size
  const scale = Math.max(1, Math.floor(Math.min(data.size, room) / data.width))
  const shown = (w, h) => {
    const canvas = make("canvas"); canvas.width = w; canvas.height = h
    canvas.style.width = data.width * scale + "px"; canvas.style.height = data.height * scale + "px"
    return canvas
  }
  const plain = shown(data.width, data.height), heat = shown(1, 1), both = shown(data.width, data.height)
  plain.setAttribute("role", "img"); plain.setAttribute("aria-label", data.alt)
  heat.setAttribute("role", "img"); both.setAttribute("role", "img"); both.setAttribute("aria-label", data.alt + ", the map laid on it")
  const titled = (name, canvas) => make("figure", "", make("figcaption", "", name), canvas)
  const bar = make("canvas"); bar.width = 1; bar.height = 256; bar.style.width = "12px"; bar.style.height = data.height * scale + "px"
  const top = make("span"), bottom = make("span"), unit = make("figcaption")
  const legend = make("figure", "", unit, make("div", "bar", bar, make("div", "ends", top, bottom)))
  const text = make("div", "text"), note = make("div", "note"), hover = make("span")
  const lines = []
  const slider = (label, most, value, name, move) => {
    const input = make("input"); input.type = "range"; input.min = 0; input.max = most; input.value = value; input.setAttribute("aria-label", label)
    const out = make("output", "", name(value))
    input.oninput = () => { move(+input.value); out.textContent = name(+input.value); input.setAttribute("aria-valuetext", name(+input.value)); draw() }
    lines.push(make("label", "line", make("span", "", label), input, out))
  }
  data.axes.forEach((axis, i) => {
    if (axis.names.length > 1) slider(axis.label, axis.names.length - 1, state.at[i], (v) => axis.names[v], (v) => {
      state.at[i] = v
      kept.moved[axis.label] = { name: axis.names[v], asked: asked(axis) }
    })
  })
  slider("Opacity of the map", 100, state.opacity, (v) => v + "%", (v) => { state.opacity = kept.opacity = v })
  const choices = make("div", "kinds")
  if (kinds.length > 1) kinds.forEach((kind, i) => {
    const radio = make("input"); radio.type = "radio"; radio.name = "kind-" + data.id; radio.checked = i === state.kind
    radio.onchange = () => { state.kind = i; kept.kind = kind.name; draw() }
    choices.append(make("label", "", radio, " " + kind.name))
  })
  const save = make("button", "", "Save these as PNG"); save.type = "button"
  root.replaceChildren(choices, make("div", "pictures", titled("Image", plain), titled("Map", heat), titled("Map on image", both), legend),
    make("div", "under", save, hover), text, note, ...lines)

  const grey = document.createElement("canvas"); grey.width = data.width; grey.height = data.height
  const picture = new Image()
  picture.onload = () => {
    plain.getContext("2d").drawImage(picture, 0, 0)
    const g = grey.getContext("2d"); g.drawImage(picture, 0, 0)
    const pixels = g.getImageData(0, 0, data.width, data.height)
    for (let i = 0; i < pixels.data.length; i += 4) {
      const light = 0.299 * pixels.data[i] + 0.587 * pixels.data[i + 1] + 0.114 * pixels.data[i + 2]
      pixels.data[i] = pixels.data[i + 1] = pixels.data[i + 2] = light
    }
    g.putImageData(pixels, 0, 0); draw()
  }
  picture.src = data.image

  const short = (value) => Math.abs(value) >= 1e4 || (Math.abs(value) < 1e-2 && value !== 0) ? value.toExponential(2) : String(+value.toPrecision(3))
  const colourOf = (kind, value) => {
    const share = (value - kind.low) / Math.max(kind.high - kind.low, 1e-30)
    return (kind.signed ? data.diverging : data.sequential)[Math.round(Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0)) * 255)]
  }
  const place = (kind) => {
    const [n, m] = kind.shape
    return Math.min(state.at[0] ?? 0, n - 1) * m + Math.min(state.at[1] ?? 0, m - 1)
  }
  function draw() {
    const kind = kinds[state.kind], [h, w] = kind.size, start = place(kind) * h * w
    heat.width = w; heat.height = h
    const context = heat.getContext("2d"), pixels = context.createImageData(w, h)
    for (let i = 0; i < h * w; i++) {
      const [r, g, b] = colourOf(kind, kind.values[start + i])
      pixels.data.set([r, g, b, 255], 4 * i)
    }
    context.putImageData(pixels, 0, 0)
    const on = both.getContext("2d")
    on.imageSmoothingEnabled = false; on.globalAlpha = 1; on.clearRect(0, 0, data.width, data.height); on.drawImage(grey, 0, 0)
    on.globalAlpha = state.opacity / 100; on.drawImage(heat, 0, 0, data.width, data.height)
    const strip = bar.getContext("2d")
    for (let i = 0; i < 256; i++) {
      const [r, g, b] = colourOf(kind, kind.low + (kind.high - kind.low) * (255 - i) / 255)
      strip.fillStyle = `rgb(${r},${g},${b})`; strip.fillRect(0, i, 1, 1)
    }
    top.textContent = short(kind.high); bottom.textContent = short(kind.low); unit.textContent = kind.unit || "\\u00a0"
    const columns = data.axes[1]?.names.length ?? 1  // texts stand in the order of the sliders, also where the maps do not move
    text.textContent = kind.texts[(state.at[0] ?? 0) * columns + (state.at[1] ?? 0)] ?? ""
    note.textContent = kind.note
    heat.setAttribute("aria-label", kind.name + ". " + text.textContent)
  }
  const point = (canvas) => {
    canvas.onmousemove = (event) => {
      const kind = kinds[state.kind], [h, w] = kind.size, box = canvas.getBoundingClientRect()
      const column = Math.min(w - 1, Math.floor((event.clientX - box.left) / box.width * w)), row = Math.min(h - 1, Math.floor((event.clientY - box.top) / box.height * h))
      hover.textContent = `row ${row}, column ${column}: ${short(kind.values[place(kind) * h * w + row * w + column])} ${kind.unit}`
    }
    canvas.onmouseleave = () => { hover.textContent = "" }
  }
  point(heat); point(both)
  save.onclick = () => {
    const side = data.width * scale, sheet = make("canvas"); sheet.width = 3 * side + 20; sheet.height = data.height * scale
    const context = sheet.getContext("2d"); context.imageSmoothingEnabled = false
    ;[plain, heat, both].forEach((canvas, i) => context.drawImage(canvas, i * (side + 10), 0, side, sheet.height))
    const link = make("a"); link.href = sheet.toDataURL("image/png"); link.download = "map.png"; link.click()
  }
  draw()
}
"""

_component = st.components.v2.component(
    "afterimage_player", html='<div class="player"></div>', css=_CSS, js=_JS
)


def player(
    pixels: np.ndarray,
    kinds: Sequence[Kind],
    axes: Sequence[Axis] = (),
    *,
    key: str,
    alt: str,
    size: int = 256,
) -> None:
    """Draw a picture (H, W, 3) uint8 and its maps side by side, each `size` pixels wide at most and by a whole factor."""
    sent = []
    for kind in kinds:
        maps = coarse(
            kind.maps.reshape((1,) * (4 - kind.maps.ndim) + kind.maps.shape)
            if kind.maps.ndim != 3
            else kind.maps[:, None]
        )
        sent.append(
            {
                "name": kind.name,
                "maps": base64.b64encode(
                    np.ascontiguousarray(maps, dtype="<f4").tobytes()
                ).decode(),
                "shape": maps.shape[:2],
                "size": maps.shape[2:],
                "low": kind.limits[0],
                "high": kind.limits[1],
                "signed": kind.signed,
                "unit": kind.unit,
                "texts": list(kind.texts),
                "note": kind.note,
            }
        )
    _component(
        key=key,
        data={
            "id": key,
            "image": data_url(pixels),
            "width": pixels.shape[1],
            "height": pixels.shape[0],
            "size": size,
            "alt": alt,
            "kinds": sent,
            "axes": [
                {
                    "label": axis.label,
                    "names": list(axis.names),
                    "start": axis.start % max(1, len(axis.names)),
                }
                for axis in axes
            ],
            "sequential": SEQUENTIAL_TABLE.tolist(),
            "diverging": DIVERGING_TABLE.tolist(),
        },
    )
