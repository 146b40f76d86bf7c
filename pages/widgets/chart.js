// A small chart as SVG: lines along an axis, or a histogram, with the mark of what is selected.
import { draw, make, short } from "./base.js"

const TALL = 190
const ROOM = { left: 58, right: 12, top: 8, bottom: 44 }

/** Round places for a scale's labels, at most `most` of them, from `low` to `high`. */
export function ticks(low, high, most = 5) {
  const span = high - low
  if (!(span > 0)) return [low]
  const power = 10 ** Math.floor(Math.log10(span / most))
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => span / one <= most)
  const first = Math.ceil(low / step)
  const count = Math.floor(high / step + 1e-9) - first + 1
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(12)))
}

/** The same for a logarithmic scale: powers of ten, and half decades if those are few. */
export function logTicks(low, high) {
  const powers = []
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const digit of [1, 2, 5]) powers.push([digit, Number(`${digit}e${power}`)])
  }
  const inside = powers.filter(([, value]) => value >= low * 0.999 && value <= high * 1.001)
  const tens = inside.filter(([digit]) => digit === 1)
  return (tens.length > 2 ? tens : inside).map(([, value]) => value)
}

/** A scale's label: thousands apart, few digits. */
export function label(value) {
  return Math.abs(value) >= 1000 && Math.abs(value) < 1e7
    ? value.toLocaleString("en")
    : short(value)
}

/** A function from values to pixels. */
export function scale(low, high, from, to, log = false) {
  const place = log ? Math.log : (value) => value
  const span = place(high) - place(low) || 1
  return (value) => from + (place(value) - place(low)) / span * (to - from)
}

/** The smallest and the largest of some lists of numbers, with a margin. */
export function range(lists, margin = 0.04) {
  let [low, high] = [Infinity, -Infinity]
  for (const list of lists) {
    for (const value of list) {
      if (!Number.isFinite(value)) continue
      low = Math.min(low, value)
      high = Math.max(high, value)
    }
  }
  if (low > high) return [0, 1]
  const room = (high - low || Math.abs(high) || 1) * margin
  return [low - room, high + room]
}

const line = (xs, ys, x, y) =>
  xs.map((one, i) => `${i ? "L" : "M"}${x(one).toFixed(1)} ${y(ys[i]).toFixed(1)}`).join("")

/**
 * The spec has what stays the same for all images: { kind, alt, titles: [x, y] } and
 * of "lines": { x, log, series: [{ name, tint }], band?: { name, x, low, high },
 * rule?: { name, x, y }, at?: the x of a dotted line, reach: values that must fit };
 * of "bars": { edges, groups: [{ name, tint, heights }] }.
 */
export class Chart {
  constructor(spec) {
    this.spec = spec
    this.svg = draw("svg", { role: "img", height: TALL, "aria-label": spec.alt })
    this.box = make("figure", "chart", make("div", "legend small", ...this.legend()), this.svg)
    this.width = 320
  }

  legend() {
    const { series = [], groups = [], band, rule } = this.spec
    const entry = (name, tint, kind = "") => {
      const swatch = make("span", `swatch ${kind}`)
      swatch.style.color = tint
      return make("span", "", swatch, name)
    }
    return [
      ...[...series, ...groups].map(({ name, tint }) => entry(name, tint)),
      ...(band ? [entry(band.name, "#8a8696", "band")] : []),
      ...(rule ? [entry(rule.name, "#8a8696", "dotted")] : []),
    ]
  }

  layout(width) {
    this.width = Math.max(width, 200)
    if (this.shown) this.show(this.shown)
  }

  /** Draw what is selected: { curves, x? } of lines, its { value } among bars. */
  show(shown) {
    this.shown = shown
    this.svg.setAttribute("width", this.width)
    this.svg.replaceChildren(
      ...(this.spec.kind === "bars" ? this.bars(shown) : this.lines(shown)),
    )
  }

  axes(x, y, across, up) {
    const { titles } = this.spec
    const [bottom, right] = [TALL - ROOM.bottom, this.width - ROOM.right]
    const text = (words, place) => draw("text", { class: "axis", ...place }, words)
    const least = 46 // pixels between two labels
    let last = -Infinity
    const spaced = across.filter((value) => {
      const fits = x(value) - last >= least && x(value) <= right
      if (fits) last = x(value)
      return fits
    })
    return [
      ...up.map((value) =>
        draw("line", { class: "grid", x1: ROOM.left, x2: right, y1: y(value), y2: y(value) })
      ),
      ...up.map((value) =>
        text(label(value), { x: ROOM.left - 6, y: y(value) + 4, "text-anchor": "end" })
      ),
      ...spaced.map((value) =>
        text(label(value), { x: x(value), y: bottom + 17, "text-anchor": "middle" })
      ),
      text(titles[0], { x: (ROOM.left + right) / 2, y: TALL - 8, "text-anchor": "middle" }),
      text(titles[1], {
        x: 0,
        y: 0,
        "text-anchor": "middle",
        transform: `translate(12 ${(ROOM.top + bottom) / 2}) rotate(-90)`,
      }),
    ]
  }

  room(across, up, log = false) {
    return [
      scale(...across, ROOM.left, this.width - ROOM.right, log),
      scale(...up, TALL - ROOM.bottom, ROOM.top),
    ]
  }

  lines({ curves, x: own }) {
    const { series, band, rule, at, reach, log } = this.spec
    const xs = own ?? this.spec.x
    const every = [...xs, ...(band?.x ?? []), ...(rule?.x ?? []), ...(at ? [at] : [])]
    const across = [Math.min(...every), Math.max(...every)]
    const up = range([reach, ...curves, ...(band ? [band.low, band.high] : []), rule?.y ?? []])
    const [x, y] = this.room(across, up, log)
    const parts = this.axes(x, y, log ? logTicks(...across) : ticks(...across), ticks(...up))
    if (band) {
      const back = [...band.x].reverse()
      const area = `${line(band.x, band.high, x, y)}${
        line(back, [...band.low].reverse(), x, y).replace("M", "L")
      }Z`
      parts.push(draw("path", { class: "area", d: area }))
    }
    if (rule) parts.push(draw("path", { class: "rule", d: line(rule.x, rule.y, x, y) }))
    if (at) {
      const ends = { y1: ROOM.top, y2: TALL - ROOM.bottom }
      parts.push(draw("line", { class: "rule", x1: x(at), x2: x(at), ...ends }))
    }
    curves.forEach((ys, i) => {
      const { tint, name } = series[i]
      parts.push(draw("path", { class: "curve", stroke: tint, d: line(xs, ys, x, y) }))
      xs.forEach((one, j) => {
        const told = draw("title", {}, `${name}: ${label(ys[j])} at ${short(one)}`)
        const dot = { class: "dot", cx: x(one), cy: y(ys[j]), r: 3, fill: tint }
        parts.push(draw("circle", dot, told))
      })
    })
    return parts
  }

  bars({ value }) {
    const { edges, groups } = this.spec
    const across = [edges[0], edges[edges.length - 1]]
    const most = Math.max(...groups.flatMap(({ heights }) => heights), 1)
    const [x, y] = this.room(across, [0, most * 1.04])
    const parts = this.axes(x, y, ticks(...across), ticks(0, most))
    for (const { name, tint, heights } of groups) {
      heights.forEach((height, i) => {
        if (!height) return
        const box = { x: x(edges[i]), width: x(edges[i + 1]) - x(edges[i]), y: y(height) }
        const told = draw("title", {}, `${name}: ${short(height)}% from ${label(edges[i])}`)
        parts.push(
          draw("rect", { class: "bin", fill: tint, height: y(0) - y(height), ...box }, told),
        )
      })
    }
    const left = x(value) > this.width / 2
    const words = { x: x(value) + (left ? -5 : 5), y: ROOM.top + 10 }
    parts.push(
      draw("line", { class: "mark", x1: x(value), x2: x(value), y1: ROOM.top, y2: y(0) }),
      draw("text", { class: "axis", "text-anchor": left ? "end" : "start", ...words }, "selected"),
    )
    return parts
  }
}
