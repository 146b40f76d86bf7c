// The marked region of a case's picture: [top, left, bottom, right] in its pixels.
import { clamp, make } from "./base.js"

const WIDE = 256 // the picture on the screen
const LEAST = 4 // a drag of fewer screen pixels is a click, which clears the region

/** A point of a picture (height, width) drawn in a box: [row, column], with fractions. */
export function point({ clientX, clientY }, box, { height, width }) {
  return [
    clamp((clientY - box.top) / box.height * height, 0, height),
    clamp((clientX - box.left) / box.width * width, 0, width),
  ]
}

/** The whole pixels between two points; null for a click. */
export function span(a, b, { height, width }) {
  const low = [0, 1].map((axis) => Math.floor(Math.min(a[axis], b[axis])))
  const high = [0, 1].map((axis) => Math.ceil(Math.max(a[axis], b[axis])))
  const drawn = Math.max(
    Math.abs(a[0] - b[0]) * WIDE / height,
    Math.abs(a[1] - b[1]) * WIDE / width,
  )
  return drawn < LEAST || high[0] <= low[0] || high[1] <= low[1] ? null : [...low, ...high]
}

export function regionText(region) {
  if (!region) return ""
  const [top, left, bottom, right] = region
  return `marked: rows ${top} to ${bottom - 1}, columns ${left} to ${right - 1}`
}

/** A picture on which a region can be dragged: `marked(region)` when the pointer is released. */
export function marking(picture, one, region, { pressed, marked }) {
  const frame = make("div", "region")
  const sheet = make("div", "sheet", picture, frame)
  const show = (box) => {
    frame.hidden = !box
    if (!box) return
    const [top, left, bottom, right] = box
    frame.style.top = `${100 * top / one.height}%`
    frame.style.left = `${100 * left / one.width}%`
    frame.style.height = `${100 * (bottom - top) / one.height}%`
    frame.style.width = `${100 * (right - left) / one.width}%`
  }
  const at = (event) => point(event, sheet.getBoundingClientRect(), one)
  let start = null
  show(region)
  sheet.onpointerdown = (event) => {
    event.preventDefault()
    start = at(event)
    sheet.setPointerCapture(event.pointerId)
    pressed()
  }
  sheet.onpointermove = (event) => {
    if (start) show(span(start, at(event), one))
  }
  sheet.onpointerup = (event) => {
    if (!start) return
    const box = span(start, at(event), one)
    start = null
    marked(box)
  }
  return sheet
}
