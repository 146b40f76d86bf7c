// How values become colours: tables of 256 colours sent from Python, and the bar beside a picture.
import { clamp } from "./base.js"

/** The colour [r, g, b] at a share between 0 and 1; a value that is not a number is drawn as 0. */
export function colour(table, share) {
  return table[Math.round(clamp(Number.isFinite(share) ? share : 0, 0, 1) * 255)]
}

export function linear(value, low, high) {
  return (value - low) / Math.max(high - low, 1e-30)
}

/** Colour a bar, a canvas of 1 x 256 pixels, the largest value on top. */
export function paintBar(canvas, table) {
  const strip = canvas.getContext("2d")
  for (let i = 0; i < 256; i++) {
    strip.fillStyle = `rgb(${table[255 - i].join(",")})`
    strip.fillRect(0, i, 1, 1)
  }
}

/** Replace a picture's colours by their brightness. */
export function grey(context, width, height) {
  const pixels = context.getImageData(0, 0, width, height)
  const { data } = pixels
  for (let i = 0; i < data.length; i += 4) {
    data[i] = data[i + 1] = data[i + 2] = brightness(data[i], data[i + 1], data[i + 2])
  }
  context.putImageData(pixels, 0, 0)
}

export function brightness(red, green, blue) {
  return 0.299 * red + 0.587 * green + 0.114 * blue
}
