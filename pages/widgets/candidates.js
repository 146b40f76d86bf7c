// The chart of how many training images are still in question at each noise level.
import { draw, short, whole } from "./base.js"

export const WIDE = 320
export const TALL = 190
const EDGE = { left: 42, right: 8, top: 10, bottom: 38 }
const FLOOR = TALL - EDGE.bottom

/** The x of level i of descending `sigmas`, evenly in their logarithms. */
export function across(i, sigmas) {
  const last = sigmas.length - 1
  const share = last ? Math.log(sigmas[0] / sigmas[i]) / Math.log(sigmas[0] / sigmas[last]) : 0.5
  return EDGE.left + share * (WIDE - EDGE.left - EDGE.right)
}

/** The height of a count, evenly in the logarithm, of at most `most`. */
export function up(count, most) {
  return FLOOR - Math.log(count) / Math.log(most) * (FLOOR - EDGE.top)
}

/** The powers of ten among descending levels, or both ends if there are fewer than two. */
export function ticks(sigmas) {
  const [most, least] = [sigmas[0], sigmas.at(-1)]
  const found = []
  for (let power = Math.floor(Math.log10(most * 1.001)); 10 ** power >= least * 0.999; power--) {
    found.push(10 ** power)
  }
  return found.length > 1 ? found : [...new Set([most, least])]
}

/** The level nearest to x. */
export function nearest(x, sigmas) {
  const distance = (i) => Math.abs(across(i, sigmas) - x)
  return sigmas.reduce((best, _, i) => distance(i) < distance(best) ? i : best, 0)
}

export class Candidates {
  /** `move(level)` is called while the pointer is dragged over the chart. */
  constructor(move) {
    this.svg = draw("svg", { viewBox: `0 0 ${WIDE} ${TALL}`, role: "img" })
    const drag = (event) => {
      const box = this.svg.getBoundingClientRect()
      move(nearest((event.clientX - box.left) / box.width * WIDE, this.sigmas))
    }
    this.svg.onpointerdown = (event) => {
      this.svg.setPointerCapture(event.pointerId)
      drag(event)
    }
    this.svg.onpointermove = (event) => {
      if (this.svg.hasPointerCapture(event.pointerId)) drag(event)
    }
  }

  fill({ sigmas, candidates, commit }) {
    Object.assign(this, { sigmas, candidates, most: Math.max(2, ...candidates) })
    const text = (x, y, anchor, words) =>
      draw("text", { x, y, "text-anchor": anchor, class: "axis" }, words)
    const frame = `M${EDGE.left} ${EDGE.top}V${FLOOR}H${WIDE - EDGE.right}`
    const parts = [
      draw("path", { d: frame, fill: "none", stroke: "currentColor", "stroke-opacity": 0.35 }),
    ]
    for (let tick = 1; tick <= this.most * 1.001; tick *= 10) {
      parts.push(text(EDGE.left - 6, up(tick, this.most) + 4, "end", whole(tick)))
    }
    const spread = Math.log(sigmas[0] / sigmas.at(-1)) || 1
    for (const tick of ticks(sigmas)) {
      const share = Math.log(sigmas[0] / tick) / spread
      const x = EDGE.left + share * (WIDE - EDGE.left - EDGE.right)
      parts.push(text(x, FLOOR + 16, "middle", short(tick)))
    }
    parts.push(text((WIDE + EDGE.left) / 2, FLOOR + 33, "middle", "noise level σ"))
    if (commit !== null) {
      parts.push(draw("path", {
        d: `M${across(commit, sigmas)} ${EDGE.top}V${FLOOR}`,
        stroke: "var(--st-primary-color)",
        "stroke-width": 1.5,
        "stroke-dasharray": "4 3",
        "data-part": "commit",
      }))
    }
    const points = candidates.map((count, i) =>
      `${across(i, sigmas).toFixed(1)} ${up(count, this.most).toFixed(1)}`
    )
    const line = { fill: "none", stroke: "currentColor", "stroke-width": 1.8 }
    this.here = draw("path", {
      stroke: "currentColor",
      "stroke-opacity": 0.5,
      "data-part": "level",
    })
    this.dot = draw("circle", {
      r: 4.5,
      fill: "var(--st-primary-color)",
      stroke: "var(--st-background-color)",
      "stroke-width": 1.5,
    })
    parts.push(draw("path", { d: `M${points.join("L")}`, ...line }), this.here, this.dot)
    this.svg.replaceChildren(...parts)
  }

  show(level, told) {
    const x = across(level, this.sigmas)
    this.here.setAttribute("d", `M${x} ${EDGE.top}V${FLOOR}`)
    this.dot.setAttribute("cx", x)
    this.dot.setAttribute("cy", up(this.candidates[level], this.most))
    this.svg.setAttribute("aria-label", told)
  }
}
