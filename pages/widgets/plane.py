"""Fields over the plane at every noise level: scrubbed and played in the browser, modes dragged and a point probed on them.

All levels travel once; sliders, choices and the animation ask nothing of the server. Two things come back as component
states, each when the pointer lets go: `modes`, rows of x, y, sx, sy, angle, weight, and `probe`, a point.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import streamlit as st

from pages.figures.pictures import DIVERGING_TABLE, SEQUENTIAL_TABLE

# How values become colours at each level. density: the top 12 nats. plain: between the 5% quantile and the largest value.
# signed: diverging around 0, logarithmic over two decades. size: the same for what is never negative.
Scale = Literal["density", "plain", "signed", "size"]


@dataclass(frozen=True)
class Field:
    """Values (L, M), or (P, L, M) along p, on the grid's points in rows of ascending y; None while they are computed.

    A field without a `scale` of its own is drawn in the colours and limits of its quantity's first one. `arrows` (L, A, 2) are
    drawn at an even grid of A points.
    """

    name: str
    values: np.ndarray | None
    scale: Scale | None = None
    arrows: np.ndarray | None = None


@dataclass(frozen=True)
class Quantity:
    """What can be shown: the field on the left, and those one of which stands on the right."""

    name: str
    scale: Scale
    unit: str
    left: Field
    right: Sequence[Field] = ()
    note: str = ""


@dataclass(frozen=True)
class Flow:
    """Positions at `per` frames a level: particles (frames, n, 2) and an outline (frames, m, 2), up to the latent and down again."""

    up: np.ndarray
    down: np.ndarray
    square_up: np.ndarray
    square_down: np.ndarray
    per: int


@dataclass(frozen=True)
class Probe:
    """A point, the Hessian's eigenvalues (L, 2) and eigenvectors (L, 2, 2) in columns, and rows of text [p][level][name, formula, exact, estimate]."""

    x: float
    y: float
    values: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    axes: np.ndarray = field(default_factory=lambda: np.zeros((0, 2, 2)))
    rows: Sequence[Sequence[Sequence[Sequence[str]]]] = ()


_CSS = """
.plane { font-family: var(--st-font); color: var(--st-text-color); font-size: 0.85rem; }
.plane .choices { display: flex; gap: 4px 16px; flex-wrap: wrap; margin-bottom: 8px; align-items: center; }
.plane .choices:empty { display: none; }
.plane label { cursor: pointer; }
.plane input { accent-color: var(--st-primary-color); }
.plane .planes { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 20px; }
.plane .one { min-width: 0; }
.plane .caption { font-size: 0.8rem; opacity: 0.75; margin: 0 0 4px 26px; min-height: 1.3em; }
.plane .row { display: grid; grid-template-columns: 26px minmax(0, 1fr) 62px; }
.plane .frame { position: relative; grid-column: 2; aspect-ratio: 1; margin-bottom: 20px; }
.plane .frame canvas { position: absolute; inset: 0; width: 100%; height: 100%; border-radius: 2px; }
.plane .frame svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; touch-action: none; }
.plane .waiting canvas, .plane .waiting .ends { visibility: hidden; }
.plane [hidden] { display: none; }
.plane .waits { position: absolute; inset: 45% 0 auto 0; text-align: center; opacity: 0.8; }
.plane .one:not(.waiting) .waits { display: none; }
.plane .editable { cursor: crosshair; }
.plane .handle { cursor: grab; outline: none; }
.plane .handle:focus-visible circle, .plane .handle:focus-visible path { stroke: var(--st-primary-color); stroke-width: 4; }
.plane .bar { display: flex; gap: 4px; padding-left: 8px; font-size: 0.7rem; font-variant-numeric: tabular-nums; margin-bottom: 20px; }
.plane .bar canvas { width: 10px; height: 0; min-height: 100%; }
.plane .bar .ends { display: flex; flex-direction: column; justify-content: space-between; }
.plane .line { display: grid; grid-template-columns: 9rem minmax(0, 1fr) 4.5rem auto; gap: 10px; align-items: center; margin-top: 6px; }
.plane .line output { font-variant-numeric: tabular-nums; }
.plane .line input { width: 100%; }
.plane button { font: inherit; color: inherit; cursor: pointer; background: var(--st-secondary-background-color); border: 1px solid var(--st-border-color);
  border-radius: var(--st-base-radius); padding: 2px 10px; }
.plane button:hover:enabled { border-color: var(--st-primary-color); }
.plane button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
.plane button:disabled { opacity: 0.4; cursor: default; }
.plane .under { display: flex; gap: 6px 10px; margin-top: 10px; align-items: center; flex-wrap: wrap; }
.plane .hover { opacity: 0.8; font-variant-numeric: tabular-nums; min-height: 1.3em; }
.plane .note { font-size: 0.8rem; opacity: 0.75; margin-top: 6px; min-height: 2.4em; }
.plane table { border-collapse: collapse; width: 100%; margin-top: 10px; font-variant-numeric: tabular-nums; }
.plane th { font-weight: 600; text-align: left; }
.plane td, .plane th { padding: 3px 12px 3px 0; border-bottom: 1px solid var(--st-border-color); vertical-align: top; }
.plane td.formula { opacity: 0.8; }
.plane td.number { white-space: nowrap; }
.plane .panel { overflow-x: auto; }
"""

_JS = r"""
const SIDE = 480, FINE = 240, NS = "http://www.w3.org/2000/svg"
const memory = new Map()
const floats = (text) => {
  if (text === null) return null
  const raw = atob(text), bytes = new Uint8Array(raw.length)
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i)
  return new Float32Array(bytes.buffer)
}
const make = (tag, name, ...inside) => { const e = document.createElement(tag); if (name) e.className = name; e.append(...inside); return e }
const draw = (tag, attributes, ...inside) => {
  const e = document.createElementNS(NS, tag)
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value)
  e.append(...inside); return e
}
const short = (v) => !Number.isFinite(v) ? "unknown" : v === 0 ? "0" : Math.abs(v) >= 1e4 || Math.abs(v) < 1e-2 ? v.toExponential(1) : String(+v.toPrecision(3))
const clamp = (v, low, high) => Math.min(high, Math.max(low, v))
const button = (text, act) => { const b = make("button", "", text); b.type = "button"; b.onclick = act; return b }
const DECADES = 100

class Plane {
  constructor(root, data) {
    this.root = root
    const before = memory.get(data.id) ?? {}
    this.state = { quantity: before.quantity ?? data.quantities[0].name, right: before.right ?? "", at: before.at ?? data.start, p: before.p ?? null,
      arrows: before.arrows ?? true, flow: before.flow ?? false, mode: before.mode ?? 0 }
    memory.set(data.id, this.state)
    this.choices = make("div", "choices"); this.rights = make("div", "choices")
    this.planes = [this.makePlane(0), this.makePlane(1)]
    this.level = this.makeSlider("Noise level σ", () => { this.stop(); this.state.at = +this.level.input.value; this.forward = true; this.show() })
    this.play = button("Play", () => this.playing ? this.stop() : this.start()); this.level.line.append(this.play)
    this.power = this.makeSlider("p", () => { this.state.p = this.data.powers[+this.power.input.value]; this.show() })
    this.hover = make("span", "hover"); this.note = make("div", "note"); this.panel = make("div", "panel")
    this.under = make("div", "under")
    this.add = button("Add a mode at the probe", () => {
      if (this.modes.length >= this.data.most) return
      this.modes.push([this.probe[0], this.probe[1], 0.4, 0.4, 0, 1]); this.state.mode = this.modes.length - 1; this.commit()
    })
    this.drop = button("Remove the chosen mode", () => {
      if (this.modes.length < 2) return
      this.modes.splice(this.state.mode, 1); this.state.mode = Math.max(0, this.state.mode - 1); this.commit()
    })
    this.toggles = {}
    for (const [name, label] of [["arrows", "Score arrows"], ["flow", "Particles and square"]]) {
      const input = make("input"); input.type = "checkbox"; input.checked = this.state[name]
      input.onchange = () => { this.state[name] = input.checked; this.show() }
      this.toggles[name] = make("label", "", input, " " + label)
    }
    this.under.append(this.toggles.arrows, this.toggles.flow, this.add, this.drop, button("Save as SVG", () => this.save("svg")), button("Save as PNG", () => this.save("png")), this.hover)
    root.replaceChildren(this.choices, this.rights, make("div", "planes", ...this.planes.map((plane) => plane.box)), this.level.line, this.power.line, this.under, this.note, this.panel)
  }

  makeSlider(label, move) {
    const input = make("input"), out = make("output"); input.type = "range"; input.min = 0; input.step = 1; input.setAttribute("aria-label", label)
    input.oninput = move
    return { input, out, line: make("label", "line", make("span", "", label), input, out) }
  }

  makePlane(which) {
    const canvas = make("canvas"); canvas.width = canvas.height = FINE; canvas.setAttribute("role", "img")
    const svg = draw("svg", { viewBox: `0 0 ${SIDE} ${SIDE}` })
    const clip = `inside-${Math.random().toString(36).slice(2)}`
    const layers = {}
    const inner = draw("g", { "clip-path": `url(#${clip})` })
    svg.append(draw("defs", {}, draw("clipPath", { id: clip }, draw("rect", { width: SIDE, height: SIDE }))), inner)
    const back = draw("rect", { width: SIDE, height: SIDE, fill: "transparent" }); inner.append(back)
    for (const name of ["arrows", "flow", "probe", "modes"]) inner.append(layers[name] = draw("g", {}))
    layers.axes = draw("g", {}); svg.append(layers.axes)
    const bar = make("canvas"); bar.width = 1; bar.height = 256
    const ends = [make("span"), make("span"), make("span")], caption = make("div", "caption")
    const waits = make("div", "waits", "Computing"); const frame = make("div", "frame", canvas, svg, waits)
    const box = make("div", "one", caption, make("div", "row", frame, make("div", "bar", bar, make("div", "ends", ...ends))))
    const place = (event) => {
      const r = svg.getBoundingClientRect(), e = this.data.extent
      return [clamp((event.clientX - r.left) / r.width * 2 * e - e, -e, e), clamp(e - (event.clientY - r.top) / r.height * 2 * e, -e, e)]
    }
    svg.onpointermove = (event) => { const [x, y] = place(event); this.tell(which, x, y) }
    svg.onpointerleave = () => { this.hover.textContent = "" }
    back.onclick = (event) => {
      if (!this.data.editable) return
      this.moveProbe(place(event).map((v) => +v.toFixed(2))); this.send("probe", this.probe)
    }
    return { which, canvas, svg, back, layers, bar, ends, caption, box, place }
  }

  update(data, send) {
    const first = !this.data
    this.data = data; this.send = send
    this.fields = data.quantities.map((q) => ({ ...q, fields: [q.left, ...q.right].map((f) => ({ ...f, values: floats(f.values), arrows: floats(f.arrows) })) }))
    this.limits = new Map()
    this.flow = data.flow && Object.fromEntries(["up", "down", "square_up", "square_down"].map((name) => [name, { n: data.flow[name].n, xy: floats(data.flow[name].xy) }]))
    if (!this.dragging) { this.modes = data.modes.map((row) => [...row]); this.probe = [...data.probe.at] }
    this.rows = data.probe.rows
    this.state.mode = clamp(this.state.mode, 0, Math.max(0, this.modes.length - 1))
    if (!this.fields.some((q) => q.name === this.state.quantity)) this.state.quantity = this.fields[0].name
    this.state.at = clamp(this.state.at, 0, data.sigmas.length - 1)
    if (data.power !== this.askedPower) { this.askedPower = data.power; if (!first || this.state.p === null) this.state.p = data.power }
    if (!data.powers.includes(this.state.p)) this.state.p = data.power
    this.level.input.max = data.sigmas.length - 1; this.power.input.max = data.powers.length - 1
    for (const e of [this.add, this.drop]) e.hidden = !data.editable
    this.toggles.flow.hidden = !data.flow
    for (const plane of this.planes) plane.back.classList.toggle("editable", data.editable)
    const named = JSON.stringify(this.fields.map((q) => [q.name, q.fields.map((f) => f.name)]))
    if (named !== this.named) { this.named = named; this.makeChoices() }
    this.axes(); this.drawModes(); this.show()
  }

  makeChoices() {
    const radios = (box, names, chosen, group, act) => box.replaceChildren(...(names.length > 1 ? names.map((name) => {
      const radio = make("input"); radio.type = "radio"; radio.name = group + this.data.id; radio.checked = name === chosen
      radio.onchange = () => act(name)
      return make("label", "", radio, " " + name)
    }) : []))
    radios(this.choices, this.fields.map((q) => q.name), this.state.quantity, "quantity", (name) => { this.state.quantity = name; this.makeChoices(); this.show() })
    const others = this.quantity.fields.slice(1).map((f) => f.name)
    if (!others.includes(this.state.right)) this.state.right = others[0] ?? ""
    radios(this.rights, others, this.state.right, "right", (name) => { this.state.right = name; this.show() })
    if (others.length > 1) this.rights.prepend(make("span", "", "On the right:"))
  }

  get quantity() { return this.fields.find((q) => q.name === this.state.quantity) }
  get pIndex() { return Math.max(0, this.data.powers.indexOf(this.state.p)) }
  x(v) { return (v + this.data.extent) / (2 * this.data.extent) * SIDE }
  y(v) { return (this.data.extent - v) / (2 * this.data.extent) * SIDE }
  sigma() {
    const s = this.data.sigmas, k = Math.floor(this.state.at), part = this.state.at - k
    return part ? s[k] ** (1 - part) * s[k + 1] ** part : s[k]
  }

  // values of a field at one level, blended between two while playing
  values(f) {
    if (!f.values) return null
    const n = this.data.size ** 2, levels = this.data.sigmas.length
    const lead = f.values.length > levels * n ? this.pIndex * levels * n : 0
    const k = Math.floor(this.state.at), part = this.state.at - k, low = f.values.subarray(lead + k * n, lead + (k + 1) * n)
    if (!part) return low
    const high = f.values.subarray(lead + (k + 1) * n, lead + (k + 2) * n)
    return low.map((v, i) => v + part * (high[i] - v))
  }

  // [low, high, linear part of the logarithmic scales]
  limitsOf(scale, values) {
    const sorted = Float32Array.from(values.filter(Number.isFinite), (v) => scale === "signed" || scale === "size" ? Math.abs(v) : v).sort()
    const at = (share) => sorted[Math.round(share * (sorted.length - 1))] ?? 0
    if (scale === "density") return [at(1) - 12, at(1), 0]
    if (scale === "plain") return [at(0.05), at(1), 0]
    const most = at(0.99) || at(1) || 1e-12
    return [scale === "signed" ? -most : 0, most, most / DECADES]
  }
  share(scale, [low, high, part], v) {
    if (part) {
      const s = Math.sign(v) * Math.log1p(Math.abs(v) / part) / Math.log1p(high / part)
      return scale === "signed" ? (s + 1) / 2 : s
    }
    return (v - low) / Math.max(high - low, 1e-30)
  }
  value(scale, [low, high, part], share) {
    if (!part) return low + share * (high - low)
    const s = scale === "signed" ? 2 * share - 1 : share
    return Math.sign(s) * part * Math.expm1(Math.abs(s) * Math.log1p(high / part))
  }

  show() {
    const q = this.quantity, shown = [q.fields[0], q.fields.find((f, i) => i && f.name === this.state.right)]
    const first = this.values(shown[0])
    this.shown = shown
    const byPower = q.fields.some((f) => f.values && f.values.length > this.data.sigmas.length * this.data.size ** 2)
    this.planes.forEach((plane, i) => {
      const f = shown[i]
      plane.box.style.visibility = f ? "visible" : "hidden"
      if (!f) return
      const values = i ? this.values(f) : first, scale = f.scale ?? q.scale
      plane.box.classList.toggle("waiting", !values)
      plane.values = values; plane.unit = q.unit
      const told = `${f.name}. σ = ${short(this.sigma())}${byPower ? `, p = ${this.state.p}` : ""}`
      plane.caption.textContent = told
      plane.canvas.setAttribute("aria-label", `${q.name}. ${told}`)
      if (values) {
        const limits = this.limitsOf(scale, i && !f.scale && first ? first : values)
        this.paint(plane, values, scale, limits)
      }
      this.drawArrows(plane, f); this.drawFlow(plane); this.drawProbe(plane)
    })
    this.level.input.value = Math.round(this.state.at); this.level.out.textContent = short(this.sigma()); this.level.input.setAttribute("aria-valuetext", short(this.sigma()))
    this.power.line.style.visibility = byPower ? "visible" : "hidden"
    this.power.input.value = this.pIndex; this.power.out.textContent = this.state.p; this.power.input.setAttribute("aria-valuetext", this.state.p)
    this.note.textContent = q.note
    this.toggles.arrows.hidden = !shown.some((f) => f?.arrows)
    this.tellAll()
  }

  paint(plane, values, scale, limits) {
    const n = this.data.size, table = scale === "signed" ? this.data.diverging : this.data.sequential
    const context = plane.canvas.getContext("2d"), pixels = context.createImageData(FINE, FINE)
    const lookup = (share) => table[Math.round(clamp(Number.isFinite(share) ? share : 0, 0, 1) * 255)]
    const cells = Float32Array.from(values, (v) => this.share(scale, limits, v))
    for (let row = 0; row < FINE; row++) {
      const v = clamp((FINE - row - 0.5) / FINE * n - 0.5, 0, n - 1), b = Math.min(n - 2, Math.floor(v)), fv = v - b
      for (let column = 0; column < FINE; column++) {
        const u = clamp((column + 0.5) / FINE * n - 0.5, 0, n - 1), a = Math.min(n - 2, Math.floor(u)), fu = u - a, i = b * n + a
        const share = (cells[i] * (1 - fu) + cells[i + 1] * fu) * (1 - fv) + (cells[i + n] * (1 - fu) + cells[i + n + 1] * fu) * fv
        const [r, g, bl] = lookup(share), at = 4 * (row * FINE + column)
        pixels.data[at] = r; pixels.data[at + 1] = g; pixels.data[at + 2] = bl; pixels.data[at + 3] = 255
      }
    }
    context.putImageData(pixels, 0, 0)
    const strip = plane.bar.getContext("2d")
    for (let i = 0; i < 256; i++) { const [r, g, b] = lookup((255 - i) / 255); strip.fillStyle = `rgb(${r},${g},${b})`; strip.fillRect(0, i, 1, 1) }
    ;[1, 0.5, 0].forEach((share, i) => { plane.ends[i].textContent = short(this.value(scale, limits, share)) })
  }

  axes() {
    for (const { layers } of this.planes) {
      const parts = []
      for (let v = -4; v <= 4; v += 2) {
        parts.push(draw("text", { x: this.x(v), y: SIDE + 16, "text-anchor": "middle", "font-size": 12, fill: "currentColor", opacity: 0.75 }, String(v)),
          draw("text", { x: -6, y: this.y(v) + 4, "text-anchor": "end", "font-size": 12, fill: "currentColor", opacity: 0.75 }, String(v)))
      }
      layers.axes.replaceChildren(...parts)
    }
  }

  drawArrows(plane, f) {
    if (!f.arrows || !this.state.arrows) { plane.layers.arrows.replaceChildren(); return }
    const k = Math.round(this.state.at), levels = this.data.sigmas.length, count = f.arrows.length / levels / 2, side = Math.round(Math.sqrt(count))
    const cell = SIDE / side, most = cell * 0.42
    let path = ""
    const sizes = []
    for (let i = 0; i < count; i++) sizes.push(Math.hypot(f.arrows[2 * (k * count + i)], f.arrows[2 * (k * count + i) + 1]))
    const usual = [...sizes].sort((a, b) => a - b)[Math.floor(count / 2)] || 1
    for (let i = 0; i < count; i++) {
      if (!(sizes[i] > 0)) continue
      const at = 2 * (k * count + i), long = most * Math.tanh(sizes[i] / usual) / sizes[i]
      const x = (i % side + 0.5) * cell, y = SIDE - (Math.floor(i / side) + 0.5) * cell, dx = f.arrows[at] * long, dy = -f.arrows[at + 1] * long
      const tx = x + dx, ty = y + dy
      path += `M${(x - dx).toFixed(1)} ${(y - dy).toFixed(1)}L${tx.toFixed(1)} ${ty.toFixed(1)}M${(tx - 0.45 * dx - 0.3 * dy).toFixed(1)} ${(ty - 0.45 * dy + 0.3 * dx).toFixed(1)}L${tx.toFixed(1)} ${ty.toFixed(1)}L${(tx - 0.45 * dx + 0.3 * dy).toFixed(1)} ${(ty - 0.45 * dy - 0.3 * dx).toFixed(1)}`
    }
    plane.layers.arrows.replaceChildren(draw("path", { d: path, fill: "none", stroke: "#fff", "stroke-opacity": 0.75, "stroke-width": 1.2 }))
  }

  drawFlow(plane) {
    if (!this.flow || !this.state.flow) { plane.layers.flow.replaceChildren(); return }
    const down = !this.forward, frame = Math.round(this.state.at * this.data.flow.per)
    const points = ({ n, xy }) => {
      const last = xy.length / n / 2 - 1, start = 2 * n * clamp(down ? last - frame : frame, 0, last)
      return Array.from({ length: n }, (_, i) => `${this.x(xy[start + 2 * i]).toFixed(1)} ${this.y(xy[start + 2 * i + 1]).toFixed(1)}`)
    }
    const dots = points(down ? this.flow.down : this.flow.up).map((p) => `M${p}h0`).join("")
    const outline = "M" + points(down ? this.flow.square_down : this.flow.square_up).join("L") + "Z"
    const stroke = { fill: "none", "stroke-linecap": "round" }
    plane.layers.flow.replaceChildren(
      draw("path", { d: dots, ...stroke, stroke: "#000", "stroke-width": 6.5 }), draw("path", { d: dots, ...stroke, stroke: "#7fe0ff", "stroke-width": 4.5 }),
      draw("path", { d: outline, fill: "#7fe0ff", "fill-opacity": 0.35, stroke: "#7fe0ff", "stroke-width": 2, "data-part": "square" }))
  }

  drawProbe(plane) {
    if (!this.data.editable) { plane.layers.probe.replaceChildren(); return }
    const k = Math.round(this.state.at), px = this.x(this.probe[0]), py = this.y(this.probe[1]), parts = []
    const both = (tag, attributes) => parts.push(draw(tag, { ...attributes, fill: "none", stroke: "#000", "stroke-width": 3.5, "stroke-opacity": 0.7, "pointer-events": "none" }),
      draw(tag, { ...attributes, fill: "none", stroke: "#fff", "stroke-width": 1.5, "pointer-events": "none" }))
    both("circle", { cx: px, cy: py, r: this.data.radii[k] / this.data.extent * SIDE / 2, "stroke-dasharray": "5 4" })
    const eigen = this.data.probe, here = eigen.at[0] === this.probe[0] && eigen.at[1] === this.probe[1]
    if (here && eigen.values.length) for (const i of [0, 1]) {
      const size = clamp(SIDE / 2 / this.data.extent / Math.sqrt(Math.abs(eigen.values[k][i]) + 1e-9), 12, 110), dx = eigen.axes[k][0][i] * size, dy = -eigen.axes[k][1][i] * size
      both("line", { x1: px - dx, y1: py - dy, x2: px + dx, y2: py + dy, ...(eigen.values[k][i] > 0 ? { "stroke-dasharray": "2 4" } : {}) })
    }
    if (!plane.probeHandle) {
      plane.probeHandle = draw("g", { class: "handle", tabindex: plane.which ? -1 : 0, role: "button", "data-part": "probe" },
        draw("path", { d: "M-7 0L0 -7L7 0L0 7Z", fill: "#fff", stroke: "#000", "stroke-width": 1.5 }))
      plane.probeHandle.onkeydown = (event) => this.keys(event, (dx, dy) => {
        this.moveProbe([this.probe[0] + dx, this.probe[1] + dy].map((v) => +clamp(v, -this.data.extent, this.data.extent).toFixed(2)))
        this.later("probe", () => [...this.probe])
      })
    }
    plane.probeHandle.setAttribute("transform", `translate(${px} ${py})`)
    plane.probeHandle.setAttribute("aria-label", `Probe at ${short(this.probe[0])}, ${short(this.probe[1])}`)
    const old = [...plane.layers.probe.children].filter((e) => e !== plane.probeHandle)
    old.forEach((e) => e.remove()); plane.layers.probe.prepend(...parts)
    if (!plane.probeHandle.isConnected) plane.layers.probe.append(plane.probeHandle)
  }

  moveProbe(at) { this.probe = at; this.planes.forEach((plane) => this.drawProbe(plane)); this.tellAll() }

  keys(event, move) {
    const step = event.shiftKey ? 0.5 : 0.1
    const by = { ArrowRight: [step, 0], ArrowLeft: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key]
    if (by) { event.preventDefault(); move(...by) }
  }
  later(name, value) { clearTimeout(this.timer); this.timer = setTimeout(() => this.send(name, value()), 400) }
  commit() { this.drawModes(); this.send("modes", this.modes.map((row) => row.map((v) => +v.toFixed(4)))) }

  drawModes() {
    for (const plane of this.planes) {
      const layer = plane.layers.modes, held = layer.getRootNode().activeElement?.dataset?.key
      if (!this.data.editable) { layer.replaceChildren(...this.modes.map((row) => this.outline(row, false))); continue }
      const parts = []
      this.modes.forEach((row, i) => {
        parts.push(this.outline(row, i === this.state.mode))
      })
      this.modes.forEach((row, i) => {
        const grips = [["centre", row[0], row[1], 6]]
        if (i === this.state.mode) for (const [name, axis] of [["sx", 0], ["sy", 1]]) {
          const turn = (row[4] + 90 * axis) * Math.PI / 180, far = row[2 + axis] + 0.3
          grips.push([name, row[0] + Math.cos(turn) * far, row[1] + Math.sin(turn) * far, 4.5])
        }
        for (const [name, x, y, r] of grips) parts.push(this.grip(plane, i, name, x, y, r))
      })
      if (!this.dragging || plane !== this.dragging.plane) layer.replaceChildren(...parts)
      else this.refresh(layer, parts)
      if (held) [...layer.children].find((e) => e.dataset.key === held)?.focus()
    }
  }
  // while a grip is held its element has to stay: only what is drawn changes
  refresh(layer, parts) {
    const now = [...layer.children]
    parts.forEach((part, i) => { if (now[i]) for (const { name, value } of part.attributes) now[i].setAttribute(name, value) })
  }
  outline(row, chosen) {
    return draw("ellipse", { cx: this.x(row[0]), cy: this.y(row[1]), rx: Math.max(2, row[2] / this.data.extent * SIDE / 2), ry: Math.max(2, row[3] / this.data.extent * SIDE / 2),
      transform: `rotate(${-row[4]} ${this.x(row[0])} ${this.y(row[1])})`, fill: "none", stroke: chosen ? "#7fe0ff" : "#fff", "stroke-width": chosen ? 2 : 1.2, "stroke-opacity": 0.9,
      "pointer-events": "none", "data-part": "outline" })
  }
  grip(plane, i, name, x, y, r) {
    const row = this.modes[i], words = { centre: `Mode ${i + 1} at ${short(row[0])}, ${short(row[1])}`, sx: `First width of mode ${i + 1}`, sy: `Second width of mode ${i + 1}` }[name]
    const colour = i === this.state.mode ? "#7fe0ff" : "#fff"
    const e = draw("g", { class: "handle", tabindex: plane.which ? -1 : 0, role: "button", "aria-label": words, "data-key": `${i} ${name}`, transform: `translate(${this.x(x)} ${this.y(y)})` },
      draw("circle", { r: 14, fill: "transparent" }), draw("circle", { r, fill: colour, stroke: "#000", "stroke-width": 1.5 }))
    e.onpointerdown = (event) => {
      event.preventDefault(); e.focus()
      const chosen = this.state.mode === i
      this.state.mode = i
      const from = plane.place(event), start = [...this.modes[i]]
      this.dragging = { plane, moved: false }
      e.setPointerCapture(event.pointerId)
      e.onpointermove = (at) => { this.dragging.moved = true; this.drag(i, name, start, from, plane.place(at)); this.drawModes(); this.tell(plane.which, ...plane.place(at)) }
      e.onpointerup = e.onpointercancel = () => {
        const { moved } = this.dragging
        this.dragging = null; e.onpointermove = null
        if (moved) this.commit(); else if (!chosen) this.drawModes()
      }
    }
    e.onkeydown = (event) => {
      if ((event.key === "Delete" || event.key === "Backspace") && this.modes.length > 1) { event.preventDefault(); this.state.mode = i; this.drop.click(); return }
      this.keys(event, (dx, dy) => {
        this.state.mode = i
        if (name === "centre") this.drag(i, name, [...this.modes[i]], [0, 0], [dx, dy])
        else this.modes[i][name === "sx" ? 2 : 3] = clamp(this.modes[i][name === "sx" ? 2 : 3] + dx + dy, 0, this.data.widest)
        this.drawModes(); this.later("modes", () => this.modes.map((row) => row.map((v) => +v.toFixed(4))))
      })
    }
    return e
  }
  drag(i, name, start, from, to) {
    const row = this.modes[i], e = this.data.extent
    if (name === "centre") { row[0] = +clamp(start[0] + to[0] - from[0], -e, e).toFixed(2); row[1] = +clamp(start[1] + to[1] - from[1], -e, e).toFixed(2); return }
    const dx = to[0] - row[0], dy = to[1] - row[1], axis = name === "sx" ? 0 : 1
    row[2 + axis] = +clamp(Math.hypot(dx, dy) - 0.3, 0, this.data.widest).toFixed(2)
    row[4] = +((Math.atan2(dy, dx) * 180 / Math.PI - 90 * axis + 540) % 360 - 180).toFixed(1)
  }

  tell(which, x, y) {
    const n = this.data.size, e = this.data.extent, cell = (v) => clamp(Math.floor((v + e) / (2 * e) * n), 0, n - 1)
    const at = cell(y) * n + cell(x)
    const parts = this.planes.map((plane, i) => this.shown[i] && plane.values ? `${this.shown[i].name.toLowerCase()} ${short(plane.values[at])}` : "").filter(Boolean)
    this.hover.textContent = `x ${x.toFixed(2)}, y ${y.toFixed(2)}: ${parts.join(", ")} ${this.quantity.unit}`
  }

  tellAll() {
    const rows = this.rows?.[this.pIndex]?.[Math.round(this.state.at)]
    if (!rows) { this.panel.replaceChildren(); return }
    const here = this.data.probe.at[0] === this.probe[0] && this.data.probe.at[1] === this.probe[1]
    const head = make("tr", "", ...[`At ${this.probe[0]}, ${this.probe[1]}`, "Filled in", "Exact", "Estimated"].map((text) => make("th", "", text)))
    const body = here ? rows.map(([name, formula, exact, estimate]) => make("tr", "", make("td", "", name), make("td", "formula", formula), make("td", "number", exact), make("td", "number", estimate))) : []
    const table = make("table", "", make("thead", "", head), make("tbody", "", ...body)); table.setAttribute("aria-label", "Probe")
    this.panel.replaceChildren(table)
  }

  start() {
    this.playing = true; this.play.textContent = "Pause"
    const top = this.data.sigmas.length - 1
    this.forward = this.state.at >= top ? false : this.forward ?? true
    let last = performance.now()
    const step = (now) => {
      if (!this.playing) return
      this.state.at = clamp(this.state.at + (this.forward ? 1 : -1) * (now - last) / 450, 0, top); last = now
      if (this.state.at === top) this.forward = false
      if (this.state.at === 0) this.forward = true
      this.show(); requestAnimationFrame(step)
    }
    requestAnimationFrame(step)
  }
  stop() { if (!this.playing) return; this.playing = false; this.play.textContent = "Play"; this.state.at = Math.round(this.state.at); this.show() }

  figure() {
    const planes = this.planes.filter((_, i) => this.shown[i]), wide = SIDE + 130, style = getComputedStyle(this.root)
    const sheet = draw("svg", { xmlns: NS, viewBox: `-40 -40 ${wide * planes.length} ${SIDE + 80}`, width: wide * planes.length, height: SIDE + 80,
      "font-family": "sans-serif", style: `color: ${style.color}` })
    planes.forEach((plane, i) => {
      const part = draw("g", { transform: `translate(${i * wide} 0)` })
      part.append(draw("image", { href: plane.canvas.toDataURL(), width: SIDE, height: SIDE }))
      const drawn = plane.svg.cloneNode(true)
      drawn.querySelectorAll("[data-key$=sx], [data-key$=sy]").forEach((grip) => grip.remove())
      drawn.setAttribute("width", SIDE); drawn.setAttribute("height", SIDE); drawn.setAttribute("overflow", "visible")
      part.append(drawn, draw("text", { x: 0, y: -12, "font-size": 15, fill: "currentColor" }, plane.canvas.getAttribute("aria-label")))
      part.append(draw("image", { href: plane.bar.toDataURL(), x: SIDE + 10, width: 12, height: SIDE, preserveAspectRatio: "none" }))
      plane.ends.forEach((end, j) => part.append(draw("text", { x: SIDE + 27, y: [12, SIDE / 2, SIDE - 2][j], "font-size": 12, fill: "currentColor" }, end.textContent)))
      sheet.append(part)
    })
    return sheet
  }
  save(kind) {
    const sheet = this.figure(), text = new XMLSerializer().serializeToString(sheet)
    const give = (url) => { const link = make("a"); link.href = url; link.download = `landscape.${kind}`; link.click() }
    const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }))
    if (kind === "svg") { give(url); setTimeout(() => URL.revokeObjectURL(url), 1000); return }
    const picture = new Image()
    picture.onload = () => {
      const canvas = make("canvas"); canvas.width = 2 * +sheet.getAttribute("width"); canvas.height = 2 * +sheet.getAttribute("height")
      const context = canvas.getContext("2d")
      let box = this.root, fill = "#fff"
      while (box) { const colour = getComputedStyle(box).backgroundColor; if (!/^(transparent|rgba\(.*, 0\))$/.test(colour)) { fill = colour; break } box = box.parentElement ?? box.getRootNode().host }
      context.fillStyle = fill; context.fillRect(0, 0, canvas.width, canvas.height)
      context.drawImage(picture, 0, 0, canvas.width, canvas.height); URL.revokeObjectURL(url); give(canvas.toDataURL("image/png"))
    }
    picture.src = url
  }
}

const views = new WeakMap()
export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".plane")
  if (!views.has(root)) views.set(root, new Plane(root, data))
  const view = views.get(root)
  view.update(data, setStateValue)
}
"""

_component = st.components.v2.component(
    "afterimage_plane", html='<div class="plane"></div>', css=_CSS, js=_JS
)


def _packed(values: np.ndarray | None) -> str | None:
    return (
        None
        if values is None
        else base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()
    )


def _field(shown: Field) -> dict[str, Any]:
    return {
        "name": shown.name,
        "values": _packed(shown.values),
        "scale": shown.scale,
        "arrows": _packed(shown.arrows),
    }


def plane(
    quantities: Sequence[Quantity],
    *,
    key: str,
    sigmas: Sequence[float],
    start: int,
    powers: Sequence[float],
    power: float,
    extent: float,
    size: int,
    modes: Sequence[Sequence[float]],
    probe: Probe,
    radii: Sequence[float],
    widest: float = 0.0,
    most: int = 0,
    flow: Flow | None = None,
    on_change: Mapping[str, Callable[[], None]] | None = None,
) -> None:
    """Draw the quantities on a grid of size x size cells over [-extent, extent]^2 at all `sigmas`.

    `start` is the first level shown and `power` the first p, one of `powers`. With `on_change`, the callbacks for "modes" and "probe",
    modes can be dragged (widths up to `widest`, `most` of them) and the probe set; they find the new state in st.session_state[key].
    """
    paths = (
        {name: getattr(flow, name) for name in ("up", "down", "square_up", "square_down")}
        if flow
        else {}
    )
    callbacks: dict[str, Any] = {
        f"on_{name}_change": act for name, act in (on_change or {}).items()
    }
    _component(
        key=key,
        data={
            "id": key,
            "quantities": [
                {
                    "name": one.name,
                    "scale": one.scale,
                    "unit": one.unit,
                    "note": one.note,
                    "left": _field(one.left),
                    "right": [_field(other) for other in one.right],
                }
                for one in quantities
            ],
            "sigmas": list(sigmas),
            "start": start,
            "powers": list(powers),
            "power": power,
            "extent": extent,
            "size": size,
            "modes": [list(row) for row in modes],
            "editable": on_change is not None,
            "widest": widest,
            "most": most,
            "radii": list(radii),
            "probe": {
                "at": [probe.x, probe.y],
                "values": probe.values.tolist(),
                "axes": probe.axes.tolist(),
                "rows": probe.rows,
            },
            "flow": {
                "per": flow.per,
                **{name: {"n": path.shape[1], "xy": _packed(path)} for name, path in paths.items()},
            }
            if flow
            else None,
            "sequential": SEQUENTIAL_TABLE.tolist(),
            "diverging": DIVERGING_TABLE.tolist(),
        },
        **callbacks,
    )
