// A field over the plane: its values between two levels, their colours, their arrows.
import { clamp } from "./base.js"
import { colour, linear } from "./colours.js"

const NATS = 12 // what a density shows below its largest value
const DECADES = 100 // logarithmic scales are linear below this part of their largest value

/** The n values of level `at`, which may be between two levels; `lead` values come before them. */
export function blend(values, lead, n, at) {
  const k = Math.floor(at)
  const part = at - k
  const level = (i) => values.subarray(lead + i * n, lead + (i + 1) * n)
  if (!part) return level(k)
  const [low, high] = [level(k), level(k + 1)]
  return low.map((value, i) => value + part * (high[i] - value))
}

/** The noise level at `at`, between two levels the geometric one. */
export function sigmaAt(sigmas, at) {
  const k = Math.floor(at)
  const part = at - k
  return part ? sigmas[k] ** (1 - part) * sigmas[k + 1] ** part : sigmas[k]
}

/** The limits of values on a scale: [low, high, linear part], the last 0 on linear scales. */
export function limits(scale, values) {
  const signless = scale === "signed" || scale === "size"
  const finite = values.filter(Number.isFinite)
  const sorted = Float32Array.from(finite, (value) => signless ? Math.abs(value) : value).sort()
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))] ?? 0
  if (scale === "density") return [at(1) - NATS, at(1), 0]
  if (scale === "plain") return [at(0.05), at(1), 0]
  const most = at(0.99) || at(1) || 1e-12
  return [scale === "signed" ? -most : 0, most, most / DECADES]
}

/** The place of a value between the limits, from 0 to 1. */
export function share(scale, [low, high, part], value) {
  if (!part) return linear(value, low, high)
  const size = Math.log1p(Math.abs(value) / part) / Math.log1p(high / part)
  return scale === "signed" ? (Math.sign(value) * size + 1) / 2 : Math.sign(value) * size
}

/** The value drawn at a share: the inverse of `share`. */
export function valueAt(scale, [low, high, part], at) {
  if (!part) return low + at * (high - low)
  const size = scale === "signed" ? 2 * at - 1 : at
  return Math.sign(size) * part * Math.expm1(Math.abs(size) * Math.log1p(high / part))
}

// the two cells around a place and the share of the second one, on n cells of a row of `fine` pixels
function between(place, fine, n) {
  const at = clamp((place + 0.5) / fine * n - 0.5, 0, n - 1)
  const cell = Math.min(n - 2, Math.floor(at))
  return [cell, at - cell]
}

/** Paint shares (n * n, rows of ascending y) on a square of `fine` pixels, linearly between them. */
export function paint(context, shares, n, table, fine) {
  const pixels = context.createImageData(fine, fine)
  const columns = Array.from({ length: fine }, (_, column) => between(column, fine, n))
  for (let row = 0; row < fine; row++) {
    const [b, v] = between(fine - 1 - row, fine, n)
    for (let column = 0; column < fine; column++) {
      const [a, u] = columns[column]
      const i = b * n + a
      const low = shares[i] * (1 - u) + shares[i + 1] * u
      const high = shares[i + n] * (1 - u) + shares[i + n + 1] * u
      const [red, green, blue] = colour(table, low * (1 - v) + high * v)
      const at = 4 * (row * fine + column)
      pixels.data[at] = red
      pixels.data[at + 1] = green
      pixels.data[at + 2] = blue
      pixels.data[at + 3] = 255
    }
  }
  context.putImageData(pixels, 0, 0)
}

/** The SVG path of arrows (dx, dy) at an even grid over a square of `side` units, in rows of
 * ascending y; the median arrow is three quarters of the spacing. */
export function arrowPath(arrows, side) {
  const count = arrows.length / 2
  const across = Math.round(Math.sqrt(count))
  const cell = side / across
  const sizes = Array.from(
    { length: count },
    (_, i) => Math.hypot(arrows[2 * i], arrows[2 * i + 1]),
  )
  const usual = [...sizes].sort((a, b) => a - b)[Math.floor(count / 2)] || 1
  const point = (x, y) => `${x.toFixed(1)} ${y.toFixed(1)}`
  let path = ""
  for (let i = 0; i < count; i++) {
    if (!(sizes[i] > 0)) continue
    const long = cell * 0.42 * Math.tanh(sizes[i] / usual) / sizes[i]
    const [dx, dy] = [arrows[2 * i] * long, -arrows[2 * i + 1] * long]
    const [x, y] = [(i % across + 0.5) * cell, side - (Math.floor(i / across) + 0.5) * cell]
    const tip = point(x + dx, y + dy)
    const left = point(x + 0.55 * dx - 0.3 * dy, y + 0.55 * dy + 0.3 * dx)
    const right = point(x + 0.55 * dx + 0.3 * dy, y + 0.55 * dy - 0.3 * dx)
    path += `M${point(x - dx, y - dy)}L${tip}M${left}L${tip}L${right}`
  }
  return path
}
