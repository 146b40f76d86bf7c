// The probe: a point of the plane, the disc around it, the axes of the Hessian, and its numbers.
import { clamp, draw, make, short } from "./base.js"
import { across, height, SIDE } from "./frame.js"
import { arrowStep } from "./modes.js"

/** The length on the screen of a Hessian's axis: the standard deviation from its curvature. */
export function axisLength(eigenvalue, extent) {
  return clamp(SIDE / 2 / extent / Math.sqrt(Math.abs(eigenvalue) + 1e-9), 12, 110)
}

/** A point moved by a step, kept inside the plane and rounded for sending. */
export function shifted(at, step, extent) {
  return at.map((value, axis) => Number(clamp(value + step[axis], -extent, extent).toFixed(2)))
}

function lines(at, { radius, eigen, level, extent }) {
  const [x, y] = [across(at[0], extent), height(at[1], extent)]
  const parts = []
  const both = (tag, attributes) => {
    const shape = { ...attributes, fill: "none", "pointer-events": "none" }
    const dark = { stroke: "#000", "stroke-width": 3.5, "stroke-opacity": 0.7 }
    parts.push(draw(tag, { ...shape, ...dark }))
    parts.push(draw(tag, { ...shape, stroke: "#fff", "stroke-width": 1.5 }))
  }
  const r = radius / extent * SIDE / 2
  both("circle", { cx: x, cy: y, r, "stroke-dasharray": "5 4" })
  for (const i of eigen.values.length ? [0, 1] : []) {
    const value = eigen.values[level][i]
    const length = axisLength(value, extent)
    const [dx, dy] = [0, 1].map((axis) => eigen.axes[level][axis][i] * length)
    const upwards = value > 0 ? { "stroke-dasharray": "2 4" } : {}
    both("line", { x1: x - dx, y1: y + dy, x2: x + dx, y2: y - dy, ...upwards })
  }
  return parts
}

export class Probe {
  /** `moved(at)` is called when keys move the probe. */
  constructor(moved) {
    this.moved = moved
    this.handles = new Map()
  }

  draw(frame, at, shown) {
    const { extent } = shown
    const handle = this.handle(frame)
    const place = `translate(${across(at[0], extent)} ${height(at[1], extent)})`
    this.extent = extent
    this.at = at
    handle.setAttribute("transform", place)
    handle.setAttribute("aria-label", `Probe at ${short(at[0])}, ${short(at[1])}`)
    const layer = frame.layers.probe
    for (const old of [...layer.children]) if (old !== handle) old.remove()
    layer.prepend(...lines(at, shown))
    if (!handle.isConnected) layer.append(handle) // it stays while it has the focus
  }

  handle(frame) {
    if (!this.handles.has(frame)) {
      const shape = { d: "M-7 0L0 -7L7 0L0 7Z", fill: "#fff", stroke: "#000", "stroke-width": 1.5 }
      const tabindex = frame.which ? -1 : 0
      const handle = draw(
        "g",
        { class: "handle", tabindex, role: "button", "data-part": "probe" },
        draw("path", shape),
      )
      handle.onkeydown = (event) => {
        const step = arrowStep(event)
        if (!step) return
        event.preventDefault()
        this.moved(shifted(this.at, step, this.extent))
      }
      this.handles.set(frame, handle)
    }
    return this.handles.get(frame)
  }
}

/** The table of rows [name, formula, exact, estimate] at a point. */
export function numbers(at, rows) {
  const titles = [`At ${at[0]}, ${at[1]}`, "With numbers", "Exact", "Estimated"]
  const head = make("tr", "", ...titles.map((title) => make("th", "", title)))
  const body = rows.map(([name, formula, exact, estimate]) =>
    make(
      "tr",
      "",
      make("td", "", name),
      make("td", "formula", formula),
      make("td", "number", exact),
      make("td", "number", estimate),
    )
  )
  const table = make("table", "", make("thead", "", head), make("tbody", "", ...body))
  table.setAttribute("aria-label", "Probe")
  return table
}
