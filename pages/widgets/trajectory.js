// A sampling path: its film, one noise level of it, and the training images most likely there.
import { clock, life, make, recall, short, slider, whole } from "./base.js"
import { Candidates } from "./candidates.js"
import { fit, resize, Sheet } from "./sheet.js"

const FRAMES = 12
const GAP = 4
const LARGE = 192 // the most pixels a picture is wide
const SMALL = 40
const SIDE = 540 // what the two columns beside the pictures need

/** At most `most` of levels 0 to `last`, evenly spaced, including both ends. */
export function frames(last, most = FRAMES) {
  const count = Math.min(most, last + 1)
  return Array.from({ length: count }, (_, i) => count > 1 ? Math.round(i * last / (count - 1)) : 0)
}

/** The place of the frame nearest to a level, the first of two equally near ones. */
export function frameOf(level, shown) {
  const distance = (i) => Math.abs(shown[i] - level)
  return shown.reduce((best, _, i) => distance(i) < distance(best) ? i : best, 0)
}

export function weightText(weight) {
  return weight > 0 && weight < 0.001 ? "< 0.001" : weight.toFixed(3)
}

export function countText(count) {
  return count < 10 ? count.toFixed(1) : whole(Math.round(count))
}

export class View {
  constructor(root) {
    this.root = root
    this.film = make("div", "film")
    this.pair = make("div", "pair")
    this.top = make("div", "top")
    const jump = (level) => {
      this.clock.pause()
      this.go(level)
    }
    this.level = slider("Noise level σ", 0, 1, 1, jump)
    this.clock = clock(root, (seconds) => this.advance(seconds))
    this.clock.button.addEventListener("click", () => {
      if (this.kept.at === this.last) this.go(0)
      this.along = this.kept.at
    })
    this.chart = new Candidates(jump)
    this.question = make("figcaption", "number")
    this.verdict = make("div", "verdict")
    const likely = make("figcaption", "", "Most likely training images")
    this.below = make(
      "div",
      "below",
      this.pair,
      make("figure", "", likely, this.top),
      make("figure", "", this.question, this.chart.svg, this.verdict),
    )
    const note =
      "The weights are those of an ideal memoriser of the training images that is given " +
      "the noisy state, not the model's."
    root.replaceChildren(
      this.film,
      make("div", "scrub", this.clock.button, this.level.line),
      this.below,
      make("div", "caption quiet", note),
    )
  }

  update(data) {
    const drawn = JSON.stringify(data)
    if (drawn === this.drawn) return
    Object.assign(this, { drawn, data, last: data.sigmas.length - 1 })
    this.clock.pause()
    // the level a visitor chose stays for other paths over the same levels
    const levels = JSON.stringify(data.sigmas)
    const kept = recall(data.id, {})
    if (kept.levels !== levels) Object.assign(kept, { levels, moved: false })
    if (!kept.moved) kept.at = data.commit ?? this.last
    this.kept = kept
    const sheets = {
      noisy: new Sheet(data.noisy),
      denoised: new Sheet(data.denoised),
      thumbnails: new Sheet(data.thumbnails),
    }
    this.sheets = sheets
    this.level.input.max = this.last
    this.build()
    Promise.all(Object.values(sheets).map((sheet) => sheet.ready())).then(() => {
      if (sheets !== this.sheets) return
      this.loaded = sheets
      this.paintFilm()
      this.show()
    })
  }

  build() {
    const { data, sheets } = this
    this.shown = frames(this.last)
    this.strips = this.shown.map(() => sheets.denoised.canvas())
    this.film.replaceChildren(...this.shown.map((level, i) => this.frame(level, this.strips[i])))
    this.noisy = sheets.noisy.canvas(data.alt)
    this.denoised = sheets.denoised.canvas(data.alt)
    const titled = (title, canvas) => make("figure", "", make("figcaption", "", title), canvas)
    this.pair.replaceChildren(
      titled("Noisy state", this.noisy),
      titled("Denoised image", this.denoised),
    )
    this.rows = data.index[0].map(() => this.row(sheets.thumbnails))
    this.top.replaceChildren(...this.rows.map(({ row }) => row))
    this.chart.fill(data)
    this.verdict.textContent = data.commit === null
      ? "Never commits to one image"
      : `Commits to one image at σ = ${short(data.sigmas[data.commit])}`
    this.clock.button.hidden = !this.last
    this.arrange()
  }

  frame(level, canvas) {
    const sigma = this.data.sigmas[level]
    const label = make("span", "number", short(Number(sigma.toPrecision(2))))
    const frame = make("button", "", canvas, label)
    frame.type = "button"
    frame.tabIndex = -1
    frame.setAttribute("aria-label", `Go to σ = ${short(sigma)}`)
    frame.onclick = () => {
      this.clock.pause()
      this.go(level)
      this.level.input.focus({ preventScroll: true })
    }
    return frame
  }

  row(sheet) {
    const picture = sheet.canvas("")
    const name = make("div", "name")
    const bar = make("i")
    const value = make("span", "number")
    resize(picture, sheet.width, sheet.height, fit(sheet.width, SMALL))
    const middle = make("div", "", name, make("div", "track", bar))
    return { picture, name, bar, value, row: make("div", "", picture, middle, value) }
  }

  layout(width) {
    this.width = width
    if (this.data) this.arrange()
  }

  arrange() {
    const width = this.width || this.root.clientWidth || 900
    const { width: w, height: h } = this.sheets.noisy
    const each = (width + GAP) / this.shown.length - GAP
    this.film.style.gridTemplateColumns = `repeat(${this.shown.length}, minmax(0, 1fr))`
    for (const canvas of this.strips) resize(canvas, w, h, fit(w, each))
    const large = fit(w, Math.min(LARGE, (width - 14) / 2))
    for (const canvas of [this.noisy, this.denoised]) resize(canvas, w, h, large)
    const two = 2 * w * large + 14
    const beside = width > two + SIDE
    const columns = "minmax(0, 1fr) minmax(0, 1.1fr)"
    this.below.style.gridTemplateColumns = beside
      ? `${two}px ${columns}`
      : width > 560
      ? columns
      : "minmax(0, 1fr)"
    this.pair.style.gridColumn = beside ? "" : "1 / -1"
  }

  advance(seconds) {
    this.along = Math.min(this.last, this.along + seconds * Math.max(4, this.last / 6))
    this.go(Math.floor(this.along))
    return this.along < this.last
  }

  go(at) {
    Object.assign(this.kept, { at, moved: true })
    this.show()
  }

  paintFilm() {
    const { denoised } = this.sheets
    this.strips.forEach((canvas, i) => denoised.paint(canvas.getContext("2d"), this.shown[i]))
  }

  show() {
    if (this.loaded !== this.sheets) return
    const { data, sheets } = this
    const { at } = this.kept
    const sigma = `σ = ${short(data.sigmas[at])}`
    this.level.set(at, short(data.sigmas[at]))
    this.level.input.setAttribute("aria-valuetext", sigma)
    const near = frameOf(at, this.shown)
    for (const [i, frame] of [...this.film.children].entries()) {
      frame.setAttribute("aria-current", String(i === near))
    }
    sheets.noisy.paint(this.noisy.getContext("2d"), at)
    sheets.denoised.paint(this.denoised.getContext("2d"), at)
    this.noisy.setAttribute("aria-label", `${data.alt}, noisy state at ${sigma}`)
    this.denoised.setAttribute("aria-label", `${data.alt}, denoised at ${sigma}`)
    this.rows.forEach(({ picture, name, bar, value, row }, k) => {
      const weight = data.weight[at][k]
      const image = data.index[at][k]
      sheets.thumbnails.paint(picture.getContext("2d"), image)
      name.textContent = name.title = data.names[image]
      bar.style.width = `${100 * weight}%`
      row.classList.toggle("out", weight < 0.001)
      value.textContent = weightText(weight)
    })
    const still = `Training images still in question: ${countText(data.candidates[at])}`
    this.question.textContent = still
    this.chart.show(at, `${still} at ${sigma}. ${this.verdict.textContent}`)
  }
}

export default life(View)
