// Both planes as one figure, saved as SVG or as PNG.
import { download, draw, make } from "./base.js"
import { SIDE } from "./frame.js"

const WIDE = SIDE + 130
const EDGE = 40

/** A standalone SVG: fields and colour bars as pictures, the rest as shapes. */
export function figure(frames, colour) {
  const [width, height] = [WIDE * frames.length, SIDE + 2 * EDGE]
  const sheet = draw("svg", {
    xmlns: "http://www.w3.org/2000/svg",
    viewBox: `${-EDGE} ${-EDGE} ${width} ${height}`,
    width,
    height,
    "font-family": "sans-serif",
    style: `color: ${colour}`,
  })
  const text = (x, y, size, words) =>
    draw("text", { x, y, "font-size": size, fill: "currentColor" }, words)
  frames.forEach((frame, i) => {
    const part = draw("g", { transform: `translate(${i * WIDE} 0)` })
    const drawn = frame.svg.cloneNode(true)
    for (const grip of drawn.querySelectorAll("[data-key$=sx], [data-key$=sy]")) grip.remove()
    for (const label of drawn.querySelectorAll(".axis")) {
      label.setAttribute("fill", "currentColor")
      label.setAttribute("font-size", 13)
    }
    for (const [name, value] of [["width", SIDE], ["height", SIDE], ["overflow", "visible"]]) {
      drawn.setAttribute(name, value)
    }
    const strip = { x: SIDE + 10, width: 12, height: SIDE, preserveAspectRatio: "none" }
    const places = [12, SIDE / 2, SIDE - 2]
    part.append(
      draw("image", { href: frame.canvas.toDataURL(), width: SIDE, height: SIDE }),
      drawn,
      text(0, -12, 15, frame.canvas.getAttribute("aria-label")),
      draw("image", { href: frame.bar.toDataURL(), ...strip }),
      ...frame.ends.map((end, j) => text(SIDE + 27, places[j], 12, end.textContent)),
    )
    sheet.append(part)
  })
  return sheet
}

/** The first colour behind an element that is not transparent. */
function background(element) {
  for (let box = element; box; box = box.parentElement ?? box.getRootNode().host) {
    const { backgroundColor } = getComputedStyle(box)
    if (!/^(transparent|rgba\(.*, 0\))$/.test(backgroundColor)) return backgroundColor
  }
  return "#fff"
}

/** Save the figure of some frames as "svg" or "png", in the colours of an element. */
export function save(kind, frames, root) {
  const sheet = figure(frames, getComputedStyle(root).color)
  const text = new XMLSerializer().serializeToString(sheet)
  const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }))
  if (kind === "svg") {
    download(url, "landscape.svg")
    setTimeout(() => URL.revokeObjectURL(url), 1000)
    return
  }
  const picture = new Image()
  picture.onload = () => {
    const canvas = make("canvas")
    canvas.width = 2 * Number(sheet.getAttribute("width"))
    canvas.height = 2 * Number(sheet.getAttribute("height"))
    const context = canvas.getContext("2d")
    context.fillStyle = background(root)
    context.fillRect(0, 0, canvas.width, canvas.height)
    context.drawImage(picture, 0, 0, canvas.width, canvas.height)
    URL.revokeObjectURL(url)
    download(canvas.toDataURL("image/png"), "landscape.png")
  }
  picture.src = url
}
