// Many pictures in one file, and how large a picture is drawn.
import { make } from "./base.js"

/** The whole factor, or one over a whole number, by which `side` pixels fit the room. */
export function fit(side, room) {
  return room >= side ? Math.floor(room / side) : 1 / Math.ceil(side / Math.max(room, 1))
}

/** The place of picture `index` in its sheet: [left, top]. */
export function corner(index, { columns, width, height }) {
  return [(index % columns) * width, Math.floor(index / columns) * height]
}

export function resize(element, width, height, scale) {
  element.style.width = `${width * scale}px`
  element.style.height = `${height * scale}px`
  element.classList.toggle("shrunk", scale < 1)
}

/** Pictures of one size, sent as one image: `as_sheet` of base.py makes it. */
export class Sheet {
  constructor({ url, columns, width, height }) {
    Object.assign(this, { columns, width, height, image: new Image() })
    this.image.src = url
  }

  ready() {
    return this.image.decode()
  }

  /** A canvas of one picture's size; without a label it is decoration. */
  canvas(label) {
    const canvas = make("canvas")
    canvas.width = this.width
    canvas.height = this.height
    if (label) canvas.setAttribute("role", "img")
    if (label) canvas.setAttribute("aria-label", label)
    else canvas.setAttribute("aria-hidden", "true")
    return canvas
  }

  /** Picture `index` at x, y of a context; by default it fills its canvas. */
  paint(context, index, x = 0, y = 0, width = this.width, height = this.height) {
    const [left, top] = corner(index, this)
    context.drawImage(this.image, left, top, this.width, this.height, x, y, width, height)
  }
}
