// The wall of a replay: every picture drawn so far, copies framed, on one canvas.
import { make } from "./base.js"
import { fit } from "./sheet.js"

export const BORDER = 2
const PITCH = 2 * BORDER + 1
export const TALLEST = 560

/** The layout of `total` pictures (width, height): as large as fits without scrolling,
 * by a whole factor, down to half size. Returns { columns, picture, pitch } with [x, y] in pixels. */
export function plan(total, { width, height }, room) {
  let found = null
  for (const scale of [4, 3, 2, 1, Math.min(0.5, fit(width, 16))]) {
    const picture = [Math.round(width * scale), Math.round(height * scale)]
    const pitch = picture.map((side) => side + PITCH)
    const columns = Math.max(1, Math.min(total, Math.floor(room / pitch[0])))
    found = { columns, picture, pitch }
    if (Math.ceil(total / columns) * pitch[1] <= TALLEST) break
  }
  return found
}

/** The place of picture i: [x, y]. */
export function spot(i, { columns, pitch }) {
  return [(i % columns) * pitch[0], Math.floor(i / columns) * pitch[1]]
}

/** The picture at x, y; null if there is none among the first `drawn`. */
export function at(x, y, { columns, pitch }, drawn) {
  const column = Math.floor(x / pitch[0])
  const i = Math.floor(y / pitch[1]) * columns + column
  return column < columns && i < drawn ? i : null
}

export class Wall {
  /** `look(i)` is called with the picture under the pointer, or null. */
  constructor(look) {
    this.drawn = 0
    this.canvas = make("canvas")
    this.canvas.setAttribute("role", "img")
    this.box = make("div", "wall", this.canvas)
    this.canvas.onmousemove = (event) =>
      look(at(event.offsetX, event.offsetY, this.plan, this.drawn))
    this.canvas.onmouseleave = () => look(null)
  }

  /** Start over with pictures of a sheet, in a given number of pixels. */
  lay(sheet, total, room) {
    this.sheet = sheet
    this.plan = plan(total, sheet, room)
    const { columns, picture, pitch } = this.plan
    const [width, height] = [columns * pitch[0], Math.ceil(total / columns) * pitch[1]]
    const dots = Math.min(2, Math.max(1, Math.round(devicePixelRatio)))
    Object.assign(this.canvas, { width: width * dots, height: height * dots })
    Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` })
    this.context = this.canvas.getContext("2d")
    this.context.scale(dots, dots)
    this.context.imageSmoothingEnabled = picture[0] * dots < sheet.width
    this.context.imageSmoothingQuality = "high"
    this.drawn = 0
  }

  /** Draw up to picture `to`, or erase down to it; `copied(i)` says which are framed. */
  draw(to, copied, colour) {
    const { picture, pitch } = this.plan
    for (let i = to; i < this.drawn; i++) this.context.clearRect(...spot(i, this.plan), ...pitch)
    this.context.fillStyle = colour
    for (let i = this.drawn; i < to; i++) {
      const [x, y] = spot(i, this.plan)
      if (copied(i)) this.context.fillRect(x, y, ...picture.map((side) => side + 2 * BORDER))
      this.sheet.paint(this.context, i, x + BORDER, y + BORDER, ...picture)
    }
    this.drawn = to
  }

  /** Scroll to the newest picture. */
  follow() {
    const rows = Math.ceil(this.drawn / this.plan.columns)
    this.box.scrollTop = Math.max(0, rows * this.plan.pitch[1] - TALLEST)
  }
}
