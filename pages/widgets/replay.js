// A stored run played again: pictures appear on a wall, copies among them are counted.
import { clock, draw, life, make, push, recall, slider, whole } from "./base.js"
import { fit, resize, Sheet } from "./sheet.js"
import { Wall } from "./wall.js"

const WIDE = 250
const TALL = 156
const EDGE = { left: 36, right: 6, top: 8, bottom: 38 }
const FLOOR = TALL - EDGE.bottom

/** The line of `counts` after each picture, as steps in the chart's units. */
export function steps(counts, x, y) {
  let line = `M${x(0)} ${y(0)}`
  counts.forEach((count, i) => {
    if (count === (counts[i - 1] ?? 0) && i < counts.length - 1) return
    line += `H${x(i + 1).toFixed(1)}V${y(count).toFixed(1)}`
  })
  return line
}

/** The counts after `to` pictures, in words. */
export function summary(to, copies, images) {
  const many = (count, one, more) => `${whole(count)} ${count === 1 ? one : more}`
  return `${whole(to)} drawn, ${many(copies, "copy", "copies")} of ` +
    many(images, "training image", "training images")
}

export class View {
  constructor(root) {
    this.root = root
    this.count = make("span", "count")
    this.wall = new Wall((i) => this.look(i))
    this.clock = clock(root, (seconds) => {
      this.kept.along = Math.min(this.total, this.kept.along + seconds * this.kept.rate)
      this.show(true)
      return this.kept.along < this.total
    })
    this.clock.button.addEventListener("click", () => {
      if (this.kept.along >= this.total) this.kept.along = 0
    })
    const restart = push("Restart", () => {
      this.kept.along = 0
      this.show()
      this.clock.play()
    })
    this.scrub = slider("Drawn", 0, 1, 1, (at) => {
      this.clock.pause()
      this.kept.along = at
      this.show(true)
    })
    this.rate = slider("Speed", 10, 500, 10, (rate) => {
      this.kept.rate = rate
      this.rate.set(rate, `${rate} / s`)
    })
    this.svg = draw("svg", { viewBox: `0 0 ${WIDE} ${TALL}`, role: "img" })
    this.large = make("canvas")
    this.told = make("span", "quiet")
    this.closer = make("div", "closer", this.large, this.told)
    const title = make("figcaption", "", "Different training images copied")
    this.all = make("div", "all", this.wall.box, make("figure", "", title, this.svg, this.closer))
    root.replaceChildren(
      make("div", "head", this.count, make("span", "recorded small", "Recorded run")),
      make("div", "controls", this.clock.button, restart, this.scrub.line, this.rate.line),
      this.all,
    )
  }

  update(data) {
    const colour = getComputedStyle(this.root).getPropertyValue("--st-primary-color")
    const repaint = colour !== this.colour
    this.colour = colour
    if (this.data?.digest === data.digest) {
      if (repaint) this.redraw()
      return
    }
    const sheet = new Sheet(data.sheet)
    Object.assign(this, { data, sheet, total: data.found.length, loaded: null })
    this.clock.pause()
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches
    const kept = recall(data.id, { rate: 100 })
    const fresh = kept.digest !== data.digest
    if (fresh) Object.assign(kept, { digest: data.digest, along: still ? this.total : 0 })
    this.kept = kept
    this.scrub.input.max = this.total
    this.rate.set(kept.rate, `${kept.rate} / s`)
    Object.assign(this.large, { width: sheet.width, height: sheet.height })
    resize(this.large, sheet.width, sheet.height, fit(sheet.width, 96))
    this.wall.drawn = 0
    this.look(null)
    this.chart()
    sheet.ready().then(() => {
      if (sheet !== this.sheet) return
      this.loaded = sheet
      this.redraw()
      if (fresh && !still) this.clock.play()
    })
  }

  layout(width) {
    this.width = width
    this.redraw()
  }

  redraw() {
    if (!this.loaded) return
    const narrow = (this.width || this.root.clientWidth || 900) < 640
    this.all.classList.toggle("narrow", narrow)
    this.wall.lay(this.sheet, this.total, Math.max(60, this.wall.box.clientWidth - 14))
    this.show()
  }

  chart() {
    const { unique } = this.data
    const most = Math.max(1, unique.at(-1))
    this.x = (n) => EDGE.left + n / this.total * (WIDE - EDGE.left - EDGE.right)
    this.y = (n) => FLOOR - n / most * (FLOOR - EDGE.top)
    const text = (x, y, anchor, words) =>
      draw("text", { x, y, "text-anchor": anchor, class: "axis" }, words)
    this.reach = draw("rect", { x: 0, y: -10, height: TALL + 20, width: 0 })
    this.dot = draw("circle", { r: 4, fill: "var(--st-primary-color)" })
    const clip = `reached-${Math.random().toString(36).slice(2)}`
    const frame = `M${EDGE.left} ${EDGE.top}V${FLOOR}H${WIDE - EDGE.right}`
    this.svg.replaceChildren(
      draw("defs", {}, draw("clipPath", { id: clip }, this.reach)),
      draw("path", { d: frame, fill: "none", stroke: "currentColor", "stroke-opacity": 0.35 }),
      text(EDGE.left - 6, FLOOR + 4, "end", "0"),
      text(EDGE.left - 6, this.y(most) + 4, "end", whole(most)),
      text(EDGE.left, FLOOR + 16, "start", "0"),
      text(WIDE - EDGE.right, FLOOR + 16, "end", whole(this.total)),
      text((WIDE + EDGE.left) / 2, FLOOR + 33, "middle", "pictures drawn"),
      draw("path", {
        d: steps(unique, this.x, this.y),
        fill: "none",
        stroke: "var(--st-primary-color)",
        "stroke-width": 2,
        "clip-path": `url(#${clip})`,
        "data-part": "unique",
      }),
      this.dot,
    )
  }

  // the picture under the pointer, or the newest
  look(pointed) {
    this.pointed = pointed
    const i = pointed ?? this.wall.drawn - 1
    this.closer.style.visibility = i < 0 ? "hidden" : "visible"
    if (i < 0) return
    this.sheet.paint(this.large.getContext("2d"), i)
    const copied = this.data.found[i]
    this.told.textContent = `Number ${whole(i + 1)}` +
      (copied < 0 ? "" : `, copy of training image ${whole(copied)}`)
  }

  show(follow) {
    if (!this.loaded) return
    const to = Math.floor(this.kept.along)
    const { copies, unique, found } = this.data
    this.wall.draw(to, (i) => found[i] >= 0, this.colour)
    this.look(this.pointed !== null && this.pointed < to ? this.pointed : null)
    if (follow) this.wall.follow()
    const images = to ? unique[to - 1] : 0
    const words = summary(to, to ? copies[to - 1] : 0, images)
    this.count.textContent = words
    this.scrub.set(to, whole(to))
    this.wall.canvas.setAttribute("aria-label", `${this.data.alt}: ${words}`)
    const told = `Different training images copied: ${images} after ${to} pictures drawn`
    this.svg.setAttribute("aria-label", told)
    this.reach.setAttribute("width", this.x(to))
    this.dot.setAttribute("cx", this.x(to))
    this.dot.setAttribute("cy", this.y(images))
  }
}

export default life(View)
