"""The sampling path of one generated picture, scrubbed in the browser: what the network sees in it at each noise level, the training
images an ideal memoriser would take it for, and how many of them are still in question.
"""

import numpy as np

from pages.widgets.base import as_sheet, check_pictures, widget

_CSS = """
.trajectory .film { display: grid; gap: 4px; margin-bottom: 8px; }
.trajectory .film button { all: unset; cursor: pointer; text-align: center; font-size: 0.7rem; min-width: 0; border-radius: 3px; }
.trajectory .film button[aria-current=true] { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
.trajectory .film canvas { margin: 0 auto; }
.trajectory .scrub { display: flex; gap: 12px; align-items: center; margin: 12px 0 14px; }
.trajectory .scrub .line { flex: 1; grid-template-columns: auto minmax(0, 1fr) 3.5rem; }
.trajectory .scrub .push { width: 4.5rem; }
.trajectory .below { display: grid; gap: 20px; align-items: start; }
.trajectory .pair { display: flex; gap: 14px; flex-wrap: wrap; }
.trajectory .top { display: grid; gap: 5px; }
.trajectory .top > div { display: grid; grid-template-columns: auto minmax(0, 1fr) 3.2rem; gap: 10px; align-items: center; }
.trajectory .top .out { opacity: 0.45; }
.trajectory .name { font-size: 0.8rem; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; margin-bottom: 3px; }
.trajectory .track { height: 6px; border-radius: 3px; background: var(--st-border-color); overflow: hidden; }
.trajectory .track i { display: block; height: 100%; background: var(--st-primary-color); }
.trajectory .top .number { text-align: right; }
.trajectory svg { display: block; width: 100%; max-width: 440px; overflow: visible; cursor: ew-resize; touch-action: pan-y; }
.trajectory .verdict { margin-top: 2px; }
.trajectory .caption { margin-top: 12px; }
"""

_JS = r"""
const FRAMES = 12, WIDE = 320, TALL = 190, EDGE = { left: 34, right: 8, top: 10, bottom: 34 }

class View {
  constructor(root) {
    this.root = root
    this.film = make("div", "film"); this.pair = make("div", "pair"); this.top = make("div", "top")
    this.level = slider("Noise level σ", 0, 1, 1, (v) => { this.clock.pause(); this.go(v) })
    this.clock = clock(root, (seconds) => {
      this.along = Math.min(this.last, this.along + seconds * Math.max(4, this.last / 6)); this.go(Math.floor(this.along))
      return this.along < this.last
    })
    this.clock.button.addEventListener("click", () => { if (this.kept.at === this.last) this.go(0); this.along = this.kept.at })
    this.svg = draw("svg", { viewBox: `0 0 ${WIDE} ${TALL}`, role: "img" })
    const drag = (event) => {
      const box = this.svg.getBoundingClientRect(), x = (event.clientX - box.left) / box.width * WIDE
      let near = 0
      this.data.sigmas.forEach((_, i) => { if (Math.abs(this.x(i) - x) < Math.abs(this.x(near) - x)) near = i })
      this.clock.pause(); this.go(near)
    }
    this.svg.onpointerdown = (event) => { this.svg.setPointerCapture(event.pointerId); drag(event) }
    this.svg.onpointermove = (event) => { if (this.svg.hasPointerCapture(event.pointerId)) drag(event) }
    this.question = make("figcaption", "number"); this.verdict = make("div", "verdict")
    this.below = make("div", "below", this.pair,
      make("figure", "", make("figcaption", "", "Most likely training images"), this.top),
      make("figure", "", this.question, this.svg, this.verdict))
    root.replaceChildren(this.film, make("div", "scrub", this.clock.button, this.level.line), this.below,
      make("div", "caption quiet", "The weights are those of an ideal memoriser of the training images that is given the noisy state, not the model's."))
  }

  update(data) {
    const drawn = JSON.stringify(data)
    if (drawn === this.drawn) return
    this.drawn = drawn; this.data = data; this.last = data.sigmas.length - 1
    this.clock.pause()
    // the level a visitor moved to stays for other paths over the same levels
    const levels = JSON.stringify(data.sigmas), kept = recall(data.id, {})
    if (kept.levels !== levels) Object.assign(kept, { levels, moved: false })
    if (!kept.moved) kept.at = data.commit ?? this.last
    this.kept = kept
    this.sheets = { noisy: new Sheet(data.noisy), denoised: new Sheet(data.denoised), thumbnails: new Sheet(data.thumbnails) }
    this.level.input.max = this.last
    this.build()
    Promise.all(Object.values(this.sheets).map((sheet) => sheet.ready())).then(() => { this.loaded = this.sheets; this.paintFilm(); this.show() })
  }

  build() {
    const { data, sheets } = this, frames = Math.min(FRAMES, this.last + 1)
    this.shown = Array.from({ length: frames }, (_, i) => frames > 1 ? Math.round(i * this.last / (frames - 1)) : 0)
    this.film.replaceChildren(...this.shown.map((level) => {
      const frame = make("button", "", sheets.denoised.canvas(), make("span", "number", short(+data.sigmas[level].toPrecision(2))))
      frame.type = "button"; frame.tabIndex = -1; frame.setAttribute("aria-label", `Go to σ = ${short(data.sigmas[level])}`)
      frame.onclick = () => { this.clock.pause(); this.go(level); this.level.input.focus({ preventScroll: true }) }
      return frame
    }))
    this.noisy = sheets.noisy.canvas(data.alt); this.denoised = sheets.denoised.canvas(data.alt)
    this.pair.replaceChildren(make("figure", "", make("figcaption", "", "Noisy state"), this.noisy), make("figure", "", make("figcaption", "", "What the network sees in it"), this.denoised))
    this.rows = data.index[0].map(() => {
      const picture = sheets.thumbnails.canvas(""), name = make("div", "name"), bar = make("i"), value = make("span", "number")
      resize(picture, sheets.thumbnails.width, sheets.thumbnails.height, fit(sheets.thumbnails.width, 40))
      return { picture, name, bar, value, row: make("div", "", picture, make("div", "", name, make("div", "track", bar)), value) }
    })
    this.top.replaceChildren(...this.rows.map(({ row }) => row))
    this.chart(); this.fit()
    this.clock.button.hidden = !this.last
  }

  layout(width) { this.width = width; if (this.data) this.fit() }
  fit() {
    const width = this.width || this.root.clientWidth || 900, { noisy } = this.sheets
    const each = (width + 4) / this.shown.length - 4
    this.film.style.gridTemplateColumns = `repeat(${this.shown.length}, minmax(0, 1fr))`
    this.film.querySelectorAll("canvas").forEach((canvas) => resize(canvas, noisy.width, noisy.height, fit(noisy.width, each)))
    const large = fit(noisy.width, Math.min(192, (width - 14) / 2)), two = 2 * noisy.width * large + 14
    for (const canvas of [this.noisy, this.denoised]) resize(canvas, noisy.width, noisy.height, large)
    const columns = width > two + 540 ? `${two}px minmax(0, 1fr) minmax(0, 1.1fr)` : width > 560 ? "minmax(0, 1fr) minmax(0, 1.1fr)" : "minmax(0, 1fr)"
    this.below.style.gridTemplateColumns = columns
    this.pair.style.gridColumn = width > two + 540 ? "" : "1 / -1"
  }

  x(i) {
    const s = this.data.sigmas, room = WIDE - EDGE.left - EDGE.right
    return EDGE.left + (this.last ? Math.log(s[0] / s[i]) / Math.log(s[0] / s[this.last]) : 0.5) * room
  }
  y(count) { return TALL - EDGE.bottom - Math.log(count) / Math.log(Math.max(2, ...this.data.candidates)) * (TALL - EDGE.top - EDGE.bottom) }

  chart() {
    const { sigmas, candidates, commit } = this.data, floor = TALL - EDGE.bottom, most = Math.max(2, ...candidates)
    const text = (x, y, anchor, words) => draw("text", { x, y, "text-anchor": anchor, class: "axis" }, words)
    const parts = [draw("path", { d: `M${EDGE.left} ${EDGE.top}V${floor}H${WIDE - EDGE.right}`, fill: "none", stroke: "currentColor", "stroke-opacity": 0.35 })]
    for (let tick = 1; tick <= most * 1.001; tick *= 10) parts.push(text(EDGE.left - 6, this.y(tick) + 4, "end", tick.toLocaleString("en")))
    const decades = []
    for (let power = Math.floor(Math.log10(sigmas[0])); 10 ** power >= sigmas[this.last] * 0.999; power--) if (10 ** power <= sigmas[0] * 1.001) decades.push(10 ** power)
    const ticks = decades.length > 1 ? decades : [...new Set([sigmas[0], sigmas[this.last]])]
    const spread = Math.log(sigmas[0] / sigmas[this.last]) || 1
    for (const tick of ticks) parts.push(text(EDGE.left + Math.log(sigmas[0] / tick) / spread * (WIDE - EDGE.left - EDGE.right), floor + 15, "middle", short(tick)))
    parts.push(text((WIDE + EDGE.left) / 2, floor + 30, "middle", "noise level σ"))
    if (commit !== null) parts.push(draw("path", { d: `M${this.x(commit)} ${EDGE.top}V${floor}`, stroke: "var(--st-primary-color)", "stroke-width": 1.5, "stroke-dasharray": "4 3", "data-part": "commit" }))
    parts.push(draw("path", { d: "M" + candidates.map((count, i) => `${this.x(i).toFixed(1)} ${this.y(count).toFixed(1)}`).join("L"), fill: "none", stroke: "currentColor", "stroke-width": 1.8 }))
    this.here = draw("path", { stroke: "currentColor", "stroke-opacity": 0.5, "data-part": "level" })
    this.dot = draw("circle", { r: 4.5, fill: "var(--st-primary-color)", stroke: "var(--st-background-color)", "stroke-width": 1.5 })
    this.svg.replaceChildren(...parts, this.here, this.dot)
    this.verdict.textContent = commit === null ? "Never commits to one image" : `Commits to one image at σ = ${short(sigmas[commit])}`
  }

  go(at) { this.kept.at = at; this.kept.moved = true; this.show() }

  paintFilm() { this.film.querySelectorAll("canvas").forEach((canvas, i) => this.sheets.denoised.paint(canvas.getContext("2d"), this.shown[i])) }

  show() {
    if (this.loaded !== this.sheets) return
    const { data, sheets } = this, at = this.kept.at, sigma = short(data.sigmas[at])
    this.level.set(at, sigma); this.level.input.setAttribute("aria-valuetext", `σ = ${sigma}`)
    const near = this.shown.reduce((best, level, i) => Math.abs(level - at) < Math.abs(this.shown[best] - at) ? i : best, 0)
    ;[...this.film.children].forEach((frame, i) => frame.setAttribute("aria-current", i === near ? "true" : "false"))
    sheets.noisy.paint(this.noisy.getContext("2d"), at); sheets.denoised.paint(this.denoised.getContext("2d"), at)
    this.noisy.setAttribute("aria-label", `${data.alt}, noisy state at σ = ${sigma}`)
    this.denoised.setAttribute("aria-label", `${data.alt}, denoised at σ = ${sigma}`)
    this.rows.forEach(({ picture, name, bar, value, row }, k) => {
      const weight = data.weight[at][k], image = data.index[at][k]
      sheets.thumbnails.paint(picture.getContext("2d"), image)
      name.textContent = name.title = data.names[image]
      bar.style.width = 100 * weight + "%"; row.classList.toggle("out", weight < 0.001); value.textContent = weight > 0 && weight < 0.001 ? "< 0.001" : weight.toFixed(3)
    })
    const count = data.candidates[at], x = this.x(at)
    this.here.setAttribute("d", `M${x} ${EDGE.top}V${TALL - EDGE.bottom}`); this.dot.setAttribute("cx", x); this.dot.setAttribute("cy", this.y(count))
    this.question.textContent = `Training images still in question: ${count < 10 ? count.toFixed(1) : Math.round(count).toLocaleString("en")}`
    this.svg.setAttribute("aria-label", `${this.question.textContent} at σ = ${sigma}. ${this.verdict.textContent}`)
  }
}
"""

_component = widget("trajectory", _CSS, _JS)


def trajectory(
    noisy: np.ndarray,
    denoised: np.ndarray,
    sigmas: np.ndarray,
    index: np.ndarray,
    weight: np.ndarray,
    candidates: np.ndarray,
    thumbnails: dict[int, np.ndarray],
    names: dict[int, str],
    commit: int | None,
    *,
    key: str,
    alt: str,
) -> None:
    """Draw a path over T positive, descending noise levels `sigmas`: `noisy` and `denoised` (T, H, W, 3) uint8.

    `index` and `weight` (T, k) are the training images with the largest posterior weight given the noisy state, largest first, with a
    thumbnail (H, W, 3) uint8 and a name for each; `candidates` (T,) is exp(entropy) of all weights. From level `commit` on the path is
    committed to one image. Raises ValueError where shapes or levels do not agree.
    """
    levels = len(sigmas)
    check_pictures(noisy, "The noisy states")
    check_pictures(denoised, "The denoised images")
    if not (
        noisy.shape == denoised.shape
        and len(noisy) == len(index) == len(weight) == len(candidates) == levels
        and index.shape == weight.shape
    ):
        raise ValueError(
            f"A path over {levels} noise levels needs as many states, weights and candidates; "
            f"given are {noisy.shape}, {denoised.shape}, {index.shape}, {weight.shape} and {candidates.shape}."
        )
    if not (np.asarray(sigmas) > 0).all() or (np.diff(sigmas) >= 0).any():
        raise ValueError(
            f"Noise levels must be positive and descending; these are {np.asarray(sigmas).tolist()}."
        )
    if commit is not None and not 0 <= commit < levels:
        raise ValueError(
            f"The path has levels 0 to {levels - 1}; it cannot commit at level {commit}."
        )
    images = np.unique(index)
    missing = [int(image) for image in images if image not in thumbnails or image not in names]
    if missing:
        raise ValueError(f"Training images {missing} have a weight but no thumbnail or no name.")
    pictures = np.stack([thumbnails[int(image)] for image in images])
    check_pictures(pictures, "Thumbnails")
    _component(
        key=key,
        data={
            "id": key,
            "noisy": as_sheet(noisy, 128),
            "denoised": as_sheet(denoised, 128),
            "thumbnails": as_sheet(pictures, 64),
            "names": [names[int(image)] for image in images],
            "sigmas": np.asarray(sigmas, float).tolist(),
            "index": np.searchsorted(images, index).tolist(),
            "weight": np.asarray(weight, float).tolist(),
            "candidates": np.maximum(candidates, 1).astype(float).tolist(),
            "commit": commit,
            "alt": alt,
        },
    )
