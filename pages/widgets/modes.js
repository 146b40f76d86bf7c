// The modes of a mixture on the plane: rows of x, y, two widths, angle, weight, and their grips.
import { clamp, draw, short } from "./base.js"
import { across, height, SIDE } from "./frame.js"

const BRIGHT = "#7fe0ff"
const BEYOND = 0.3 // a grip of a width stands this far outside of the outline
const WIDTHS = { sx: 0, sy: 1 }

const rounded = (value, digits) => Number(value.toFixed(digits))

/** Rows in the form that is sent. */
export function sent(modes) {
  return modes.map((row) => row.map((value) => rounded(value, 4)))
}

/** The grips of a mode: [name, x, y, radius]; the widths have grips if the mode is chosen. */
export function grips([x, y, sx, sy, angle], chosen) {
  const widths = [["sx", 0, sx], ["sy", 1, sy]].map(([name, axis, width]) => {
    const turn = (angle + 90 * axis) * Math.PI / 180
    return [
      name,
      x + Math.cos(turn) * (width + BEYOND),
      y + Math.sin(turn) * (width + BEYOND),
      4.5,
    ]
  })
  return [["centre", x, y, 6], ...chosen ? widths : []]
}

/** A mode whose grip was dragged between two points; `start` is the mode as it was. A width's grip
 * turns the mode as well. */
export function dragged(name, start, from, to, { extent, widest }) {
  const row = [...start]
  if (name === "centre") {
    for (const axis of [0, 1]) {
      row[axis] = rounded(clamp(start[axis] + to[axis] - from[axis], -extent, extent), 2)
    }
    return row
  }
  const axis = WIDTHS[name]
  const [dx, dy] = [to[0] - row[0], to[1] - row[1]]
  const turn = Math.atan2(dy, dx) * 180 / Math.PI - 90 * axis
  row[2 + axis] = rounded(clamp(Math.hypot(dx, dy) - BEYOND, 0, widest), 2)
  row[4] = rounded((turn + 540) % 360 - 180, 1)
  return row
}

/** A mode whose grip was moved by keys. */
export function nudged(name, row, [dx, dy], limits) {
  if (name === "centre") return dragged(name, row, [0, 0], [dx, dy], limits)
  const next = [...row]
  const at = 2 + WIDTHS[name]
  next[at] = clamp(row[at] + dx + dy, 0, limits.widest)
  return next
}

/** The step [dx, dy] of an arrow key, larger with shift; null for another key. */
export function arrowStep({ key, shiftKey }) {
  const step = shiftKey ? 0.5 : 0.1
  const steps = {
    ArrowRight: [step, 0],
    ArrowLeft: [-step, 0],
    ArrowUp: [0, step],
    ArrowDown: [0, -step],
  }
  return steps[key] ?? null
}

export function outline(row, chosen, extent) {
  const [x, y] = [across(row[0], extent), height(row[1], extent)]
  const radius = (width) => Math.max(2, width / extent * SIDE / 2)
  return draw("ellipse", {
    cx: x,
    cy: y,
    rx: radius(row[2]),
    ry: radius(row[3]),
    transform: `rotate(${-row[4]} ${x} ${y})`,
    fill: "none",
    stroke: chosen ? BRIGHT : "#fff",
    "stroke-width": chosen ? 2 : 1.2,
    "stroke-opacity": 0.9,
    "pointer-events": "none",
    "data-part": "outline",
  })
}

export class Modes {
  /** `owner` has `moved()`, called while a mode changes, `commit()` and `later()` afterwards, and
   * `over(point)` with the pointer's place; and `limits` { extent, widest }. */
  constructor(owner) {
    this.owner = owner
    this.rows = []
    this.chosen = 0
    this.dragging = null
  }

  set(rows) {
    this.rows = rows.map((row) => [...row])
    this.chosen = clamp(this.chosen, 0, Math.max(0, rows.length - 1))
  }

  add(row) {
    this.rows.push(row)
    this.chosen = this.rows.length - 1
  }

  remove(i) {
    this.rows.splice(i, 1)
    this.chosen = Math.max(0, i - 1)
  }

  draw(frames, editable) {
    const { extent } = this.owner.limits
    for (const frame of frames) {
      const layer = frame.layers.modes
      const held = layer.getRootNode().activeElement?.dataset?.key
      const parts = this.rows.map((row, i) => outline(row, editable && i === this.chosen, extent))
      if (editable) {
        this.rows.forEach((row, i) => {
          for (const grip of grips(row, i === this.chosen)) parts.push(this.grip(frame, i, grip))
        })
      }
      if (frame === this.dragging?.frame) refresh(layer, parts)
      else layer.replaceChildren(...parts)
      if (held) [...layer.children].find((part) => part.dataset.key === held)?.focus()
    }
  }

  grip(frame, i, [name, x, y, radius]) {
    const { extent } = this.owner.limits
    const words = {
      centre: `Mode ${i + 1} at ${short(this.rows[i][0])}, ${short(this.rows[i][1])}`,
      sx: `First width of mode ${i + 1}`,
      sy: `Second width of mode ${i + 1}`,
    }[name]
    const fill = i === this.chosen ? BRIGHT : "#fff"
    const grip = draw(
      "g",
      {
        class: "handle",
        tabindex: frame.which ? -1 : 0,
        role: "button",
        "aria-label": words,
        "data-key": `${i} ${name}`,
        transform: `translate(${across(x, extent)} ${height(y, extent)})`,
      },
      draw("circle", { r: 14, fill: "transparent" }),
      draw("circle", { r: radius, fill, stroke: "#000", "stroke-width": 1.5 }),
    )
    grip.onpointerdown = (event) => this.hold(frame, grip, i, name, event)
    grip.onkeydown = (event) => this.key(event, i, name)
    return grip
  }

  hold(frame, grip, i, name, event) {
    event.preventDefault()
    grip.focus()
    const before = this.chosen
    const start = [...this.rows[i]]
    const from = frame.place(event)
    let moved = false
    this.chosen = i
    this.dragging = { frame }
    grip.setPointerCapture(event.pointerId)
    grip.onpointermove = (at) => {
      moved = true
      const to = frame.place(at)
      this.rows[i] = dragged(name, start, from, to, this.owner.limits)
      this.owner.moved()
      this.owner.over(to)
    }
    grip.onpointerup = grip.onpointercancel = () => {
      this.dragging = null
      grip.onpointermove = null
      if (moved) this.owner.commit()
      else if (before !== i) this.owner.moved()
    }
  }

  key(event, i, name) {
    const step = arrowStep(event)
    const removes = event.key === "Delete" || event.key === "Backspace"
    if (removes && this.rows.length > 1) {
      event.preventDefault()
      this.remove(i)
      this.owner.commit()
    } else if (step) {
      event.preventDefault()
      this.chosen = i
      this.rows[i] = nudged(name, this.rows[i], step, this.owner.limits)
      this.owner.moved()
      this.owner.later()
    }
  }
}

// while a grip is held its element must stay: only its drawing changes
function refresh(layer, parts) {
  const now = [...layer.children]
  parts.forEach((part, i) => {
    for (const { name, value } of now[i] ? part.attributes : []) now[i].setAttribute(name, value)
  })
}
