// A square of the plane on the screen: a field, what is drawn on it, its axes and its colour bar.
import { clamp, draw, make, short } from "./base.js"
import { paintBar } from "./colours.js"
import { arrowPath, limits, paint, share, valueAt } from "./field.js"

export const SIDE = 480
const FINE = 240
const BRIGHT = "#7fe0ff"

/** A coordinate of [-extent, extent] on the screen, from the left; `height` counts from the top. */
export function across(value, extent) {
  return (value + extent) / (2 * extent) * SIDE
}

export function height(value, extent) {
  return across(-value, extent)
}

/** The point of the plane under the pointer, over a square on the screen. */
export function under({ clientX, clientY }, { left, top, width, height }, extent) {
  const x = (clientX - left) / width * 2 * extent - extent
  const y = extent - (clientY - top) / height * 2 * extent
  return [clamp(x, -extent, extent), clamp(y, -extent, extent)]
}

/** The cell of n x n, in rows of ascending y, that contains a point. */
export function cellAt([x, y], extent, n) {
  const cell = (value) => clamp(Math.floor((value + extent) / (2 * extent) * n), 0, n - 1)
  return cell(y) * n + cell(x)
}

/** The points of one frame of a path (frames, n, 2); `back` counts from the last frame. */
export function pathPoints({ n, xy }, frame, back, extent) {
  const last = xy.length / n / 2 - 1
  const start = 2 * n * clamp(back ? last - frame : frame, 0, last)
  return Array.from({ length: n }, (_, i) => {
    const [x, y] = [xy[start + 2 * i], xy[start + 2 * i + 1]]
    return `${across(x, extent).toFixed(1)} ${height(y, extent).toFixed(1)}`
  })
}

export class Frame {
  /** `which` is 0 on the left and 1 on the right; `told` has the pointer's events: `move(point)`,
   * `leave()` and `click(point)`. */
  constructor(which, told) {
    this.which = which
    this.canvas = make("canvas")
    Object.assign(this.canvas, { width: FINE, height: FINE })
    this.canvas.setAttribute("role", "img")
    this.svg = draw("svg", { viewBox: `0 0 ${SIDE} ${SIDE}` })
    const clip = `inside-${Math.random().toString(36).slice(2)}`
    const inner = draw("g", { "clip-path": `url(#${clip})` })
    const square = { width: SIDE, height: SIDE }
    this.svg.append(draw("defs", {}, draw("clipPath", { id: clip }, draw("rect", square))), inner)
    this.back = draw("rect", { ...square, fill: "transparent" })
    this.layers = { axes: draw("g", {}) }
    inner.append(this.back)
    for (const name of ["arrows", "flow", "probe", "modes"]) {
      this.layers[name] = draw("g", {})
      inner.append(this.layers[name])
    }
    this.svg.append(this.layers.axes)
    this.bar = make("canvas")
    Object.assign(this.bar, { width: 1, height: 256 })
    this.ends = [make("span"), make("span"), make("span")]
    this.caption = make("div", "caption small")
    const bar = make("div", "bar small", this.bar, make("div", "ends", ...this.ends))
    const frame = make("div", "frame", this.canvas, this.svg, make("div", "waits", "Computing"))
    this.box = make("div", "one", this.caption, make("div", "row", frame, bar))
    this.svg.onpointermove = (event) => told.move(this.place(event))
    this.svg.onpointerleave = () => told.leave()
    this.back.onclick = (event) => told.click(this.place(event))
  }

  place(event) {
    return under(event, this.svg.getBoundingClientRect(), this.extent)
  }

  /** Axes over [-extent, extent]. */
  spread(extent) {
    this.extent = extent
    const text = (x, y, anchor, value) =>
      draw("text", { x, y, "text-anchor": anchor, class: "axis" }, String(value))
    const parts = []
    for (let value = -4; value <= 4; value += 2) {
      parts.push(text(across(value, extent), SIDE + 17, "middle", value))
      parts.push(text(-6, height(value, extent) + 4, "end", value))
    }
    this.layers.axes.replaceChildren(...parts)
  }

  /** Show values on a scale, with the limits of `reference`; null while they are computed. */
  show(values, scale, reference, { size, tables }) {
    this.values = values
    this.box.classList.toggle("waiting", !values)
    if (!values) return
    const range = limits(scale, reference)
    const table = scale === "signed" ? tables.diverging : tables.sequential
    const shares = Float32Array.from(values, (value) => share(scale, range, value))
    paint(this.canvas.getContext("2d"), shares, size, table, FINE)
    paintBar(this.bar, table)
    this.ends.forEach((end, i) => end.textContent = short(valueAt(scale, range, 1 - i / 2)))
  }

  name(quantity, words) {
    this.caption.textContent = words
    this.canvas.setAttribute("aria-label", `${quantity}. ${words}`)
  }

  arrows(arrows) {
    const line = { fill: "none", stroke: "#fff", "stroke-opacity": 0.75, "stroke-width": 1.2 }
    const parts = arrows ? [draw("path", { d: arrowPath(arrows, SIDE), ...line })] : []
    this.layers.arrows.replaceChildren(...parts)
  }

  /** Particles and an outline at one frame of a flow; null for none. */
  flow(flow, frame, back) {
    if (!flow) {
      this.layers.flow.replaceChildren()
      return
    }
    const [particles, square] = back ? [flow.down, flow.square_down] : [flow.up, flow.square_up]
    const points = (path) => pathPoints(path, frame, back, this.extent)
    const dots = points(particles).map((point) => `M${point}h0`).join("")
    const dot = (stroke, width) =>
      draw("path", {
        d: dots,
        fill: "none",
        "stroke-linecap": "round",
        stroke,
        "stroke-width": width,
      })
    const outline = draw("path", {
      d: `M${points(square).join("L")}Z`,
      fill: BRIGHT,
      "fill-opacity": 0.35,
      stroke: BRIGHT,
      "stroke-width": 2,
      "data-part": "square",
    })
    this.layers.flow.replaceChildren(dot("#000", 6.5), dot(BRIGHT, 4.5), outline)
  }
}
