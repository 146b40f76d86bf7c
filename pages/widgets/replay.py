"""A stored run played as if it were live: samples appear on a wall in the order they were drawn, copies among them are framed and counted."""

import hashlib
from typing import Any

import numpy as np
import streamlit as st

from pages.widgets.base import as_sheet, check_pictures, widget

MOST = 4096

_CSS = """
.replay .head { display: flex; flex-wrap: wrap; gap: 4px 14px; align-items: baseline; margin-bottom: 8px; }
.replay .count { font-size: 1.15rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.replay .recorded { border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); padding: 0 8px; font-size: 0.78rem; opacity: 0.8; }
.replay .all { display: grid; grid-template-columns: minmax(0, 1fr) 250px; gap: 20px; align-items: start; }
.replay .all.narrow { grid-template-columns: minmax(0, 1fr); }
.replay .wall { max-height: 560px; overflow-y: auto; }
.replay .wall canvas { image-rendering: auto; border-radius: 0; }
.replay svg { display: block; width: 100%; max-width: 320px; overflow: visible; }
.replay .closer { display: flex; gap: 10px; align-items: center; margin-top: 12px; min-height: 96px; }
.replay .controls { display: flex; flex-wrap: wrap; gap: 8px 14px; align-items: center; margin-bottom: 10px; }
.replay .controls .push:first-child { width: 4.5rem; }
.replay .controls .line { flex: 3 1 260px; grid-template-columns: auto minmax(0, 1fr) 3rem; }
.replay .controls .line:last-child { flex: 1 1 230px; grid-template-columns: auto minmax(0, 1fr) 4rem; }
"""

_JS = r"""
const BORDER = 2, PITCH = 2 * BORDER + 1, TALLEST = 560, WIDE = 250, TALL = 150, EDGE = { left: 30, right: 6, top: 8, bottom: 32 }

class View {
  constructor(root) {
    this.root = root; this.drawn = 0
    this.count = make("span", "count"); this.canvas = make("canvas"); this.canvas.setAttribute("role", "img")
    this.wall = make("div", "wall", this.canvas)
    this.clock = clock(root, (seconds) => {
      this.kept.along = Math.min(this.total, this.kept.along + seconds * this.kept.rate); this.show(true)
      return this.kept.along < this.total
    })
    this.clock.button.addEventListener("click", () => { if (this.kept.along >= this.total) this.kept.along = 0 })
    this.restart = push("Restart", () => { this.kept.along = 0; this.show(); this.clock.play() })
    this.scrub = slider("Drawn", 0, 1, 1, (v) => { this.clock.pause(); this.kept.along = v; this.show(true) })
    this.rate = slider("Speed", 10, 500, 10, (v) => { this.kept.rate = v; this.rate.set(v, `${v} / s`) })
    this.svg = draw("svg", { viewBox: `0 0 ${WIDE} ${TALL}`, role: "img" })
    this.large = make("canvas"); this.told = make("span", "quiet"); this.closer = make("div", "closer", this.large, this.told)
    this.side = make("figure", "", make("figcaption", "", "Different training images copied"), this.svg, this.closer)
    this.all = make("div", "all", this.wall, this.side)
    root.replaceChildren(make("div", "head", this.count, make("span", "recorded", "Recorded run")),
      make("div", "controls", this.clock.button, this.restart, this.scrub.line, this.rate.line), this.all)
    this.canvas.onmousemove = (event) => {
      const column = Math.floor(event.offsetX / this.pitchX), i = Math.floor(event.offsetY / this.pitchY) * this.columns + column
      this.look(column < this.columns && i < this.drawn ? i : null)
    }
    this.canvas.onmouseleave = () => this.look(null)
  }

  update(data) {
    const colour = getComputedStyle(this.root).getPropertyValue("--st-primary-color")
    if (this.data?.digest === data.digest) { if (colour !== this.colour) { this.colour = colour; this.redraw() } return }
    this.colour = colour; this.data = data; this.total = data.found.length; this.sheet = new Sheet(data.sheet); this.loaded = null
    this.clock.pause()
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches
    const kept = recall(data.id, { rate: 100 }), fresh = kept.digest !== data.digest
    if (fresh) Object.assign(kept, { digest: data.digest, along: still ? this.total : 0 })
    this.kept = kept
    this.scrub.input.max = this.total; this.rate.input.value = kept.rate; this.rate.set(kept.rate, `${kept.rate} / s`)
    const sheet = this.sheet, scale = fit(sheet.width, 96)
    this.large.width = sheet.width; this.large.height = sheet.height; resize(this.large, sheet.width, sheet.height, scale)
    this.drawn = 0; this.look(null); this.chart()
    sheet.ready().then(() => {
      if (sheet !== this.sheet) return
      this.loaded = sheet; this.redraw()
      if (fresh && !still) this.clock.play()
    })
  }

  layout(width) { this.width = width; if (this.loaded) this.redraw() }

  // as large as fits without scrolling, by a whole factor, down to half size
  redraw() {
    if (!this.loaded) return
    const narrow = (this.width || this.root.clientWidth || 900) < 640, { width: w, height: h } = this.sheet
    this.all.classList.toggle("narrow", narrow)
    const room = Math.max(60, this.wall.clientWidth - 14)
    for (const scale of [4, 3, 2, 1, Math.min(0.5, fit(w, 16))]) {
      this.pictureX = Math.round(w * scale); this.pictureY = Math.round(h * scale)
      this.pitchX = this.pictureX + PITCH; this.pitchY = this.pictureY + PITCH
      this.columns = Math.max(1, Math.min(this.total, Math.floor(room / this.pitchX)))
      if (Math.ceil(this.total / this.columns) * this.pitchY <= TALLEST) break
    }
    const rows = Math.ceil(this.total / this.columns), dots = Math.min(2, Math.max(1, Math.round(devicePixelRatio)))
    this.canvas.width = this.columns * this.pitchX * dots; this.canvas.height = rows * this.pitchY * dots
    this.canvas.style.width = this.columns * this.pitchX + "px"; this.canvas.style.height = rows * this.pitchY + "px"
    this.context = this.canvas.getContext("2d"); this.context.scale(dots, dots)
    this.context.imageSmoothingEnabled = this.pictureX * dots < w; this.context.imageSmoothingQuality = "high"
    this.drawn = 0; this.show()
  }

  chart() {
    const { unique } = this.data, most = Math.max(1, unique[this.total - 1]), floor = TALL - EDGE.bottom
    this.x = (n) => EDGE.left + n / this.total * (WIDE - EDGE.left - EDGE.right)
    this.y = (n) => floor - n / most * (floor - EDGE.top)
    const text = (x, y, anchor, words) => draw("text", { x, y, "text-anchor": anchor, class: "axis" }, words)
    let line = `M${EDGE.left} ${floor}`
    unique.forEach((n, i) => { if (n !== (unique[i - 1] ?? 0) || i === this.total - 1) line += `H${this.x(i + 1).toFixed(1)}V${this.y(n).toFixed(1)}` })
    this.reach = draw("rect", { x: 0, y: -10, height: TALL + 20, width: 0 })
    const clip = `reached-${Math.random().toString(36).slice(2)}`
    this.dot = draw("circle", { r: 4, fill: "var(--st-primary-color)" })
    this.svg.replaceChildren(draw("defs", {}, draw("clipPath", { id: clip }, this.reach)),
      draw("path", { d: `M${EDGE.left} ${EDGE.top}V${floor}H${WIDE - EDGE.right}`, fill: "none", stroke: "currentColor", "stroke-opacity": 0.35 }),
      text(EDGE.left - 6, floor + 4, "end", "0"), text(EDGE.left - 6, this.y(most) + 4, "end", most.toLocaleString("en")),
      text(EDGE.left, floor + 14, "start", "0"), text(WIDE - EDGE.right, floor + 14, "end", this.total.toLocaleString("en")),
      text((WIDE + EDGE.left) / 2, floor + 28, "middle", "pictures drawn"),
      draw("path", { d: line, fill: "none", stroke: "var(--st-primary-color)", "stroke-width": 2, "clip-path": `url(#${clip})`, "data-part": "unique" }), this.dot)
  }

  // the picture pointed at, or the newest
  look(pointed) {
    this.pointed = pointed
    const i = pointed ?? this.drawn - 1
    this.closer.style.visibility = i < 0 ? "hidden" : "visible"
    if (i < 0) return
    this.sheet.paint(this.large.getContext("2d"), i)
    const copied = this.data.found[i]
    this.told.textContent = `Number ${(i + 1).toLocaleString("en")}` + (copied < 0 ? "" : `, copy of training image ${copied.toLocaleString("en")}`)
  }

  show(follow) {
    if (!this.loaded) return
    const to = Math.floor(this.kept.along), { copies, unique, found } = this.data
    for (let i = to; i < this.drawn; i++) this.context.clearRect(i % this.columns * this.pitchX, Math.floor(i / this.columns) * this.pitchY, this.pitchX, this.pitchY)
    this.context.fillStyle = this.colour
    for (let i = this.drawn; i < to; i++) {
      const x = i % this.columns * this.pitchX, y = Math.floor(i / this.columns) * this.pitchY
      if (found[i] >= 0) this.context.fillRect(x, y, this.pictureX + 2 * BORDER, this.pictureY + 2 * BORDER)
      this.sheet.paint(this.context, i, x + BORDER, y + BORDER, this.pictureX, this.pictureY)
    }
    this.drawn = to
    this.look(this.pointed < to ? this.pointed : null)
    if (follow) this.wall.scrollTop = Math.max(0, Math.ceil(to / this.columns) * this.pitchY - TALLEST)
    const many = (n, one, more) => `${n.toLocaleString("en")} ${n === 1 ? one : more}`, c = to ? copies[to - 1] : 0, u = to ? unique[to - 1] : 0
    this.count.textContent = `${to.toLocaleString("en")} drawn, ${many(c, "copy", "copies")} of ${many(u, "training image", "training images")}`
    this.scrub.set(to, to.toLocaleString("en"))
    this.canvas.setAttribute("aria-label", `${this.data.alt}: ${this.count.textContent}`)
    this.svg.setAttribute("aria-label", `Different training images copied: ${u} after ${to} pictures drawn`)
    this.reach.setAttribute("width", this.x(to)); this.dot.setAttribute("cx", this.x(to)); this.dot.setAttribute("cy", this.y(u))
  }
}
"""

_component = widget("replay", _CSS, _JS)


def counts(found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Copies among the first n samples, and different training images among those copies, for n = 1 to N."""
    copied, first = np.unique(found, return_index=True)
    new = np.zeros(len(found), int)
    new[first[copied >= 0]] = 1
    return np.cumsum(found >= 0), np.cumsum(new)


@st.cache_data(scope="session", max_entries=4, show_spinner=False)
def _sheet(digest: str, _pictures: np.ndarray) -> dict[str, Any]:
    """Compressing thousands of pictures takes a second: once a run that is shown, not once a run of the page."""
    return as_sheet(_pictures, 64)


def replay(pictures: np.ndarray, found: np.ndarray, *, key: str, alt: str) -> None:
    """Draw a stored run of N `pictures` (N, H, W, 3) uint8, in order; `found` (N,) says which training image each is a copy of, or -1.

    It starts to play when it is first shown, at its end where the visitor asked for reduced motion. Raises ValueError for other shapes.
    """
    check_pictures(pictures, "A stored run")
    if len(pictures) > MOST:
        raise ValueError(
            f"A replay shows at most {MOST:,} pictures; these are {len(pictures):,}. Give it a part of them."
        )
    if found.shape != pictures.shape[:1]:
        raise ValueError(
            f"{len(pictures)} pictures need as many verdicts; these are {found.shape}."
        )
    digest = (
        hashlib.sha256(np.ascontiguousarray(pictures).data).hexdigest()
        + hashlib.sha256(found.astype("<i8").tobytes()).hexdigest()
    )
    copies, unique = counts(found)
    _component(
        key=key,
        data={
            "id": key,
            "digest": digest,
            "sheet": _sheet(digest[:64], pictures),
            "found": found.tolist(),
            "copies": copies.tolist(),
            "unique": unique.tolist(),
            "alt": alt,
        },
    )
