// Two pictures laid over each other, the boundary between them, and their difference.
import { clamp, life, make, recall } from "./base.js"
import { fit, resize } from "./sheet.js"

/** The boundary in percent of the width at `x` of a box. */
export function boundary(x, { left, width }) {
  return Math.round(clamp((x - left) / width, 0, 1) * 100)
}

function image() {
  const element = make("img")
  element.draggable = false
  return element
}

export class View {
  constructor(root) {
    this.root = root
    this.pictures = { left: image(), right: image(), difference: image() }
    const { left, right, difference } = this.pictures
    this.names = make("figcaption", "names")
    this.edge = make("div", "edge")
    this.stage = make("div", "stage", right, left, difference, this.edge)
    this.input = make("input")
    Object.assign(this.input, { type: "range", min: 0, max: 100, step: 1 })
    this.input.oninput = () => this.move(Number(this.input.value))
    this.toggle = make("input")
    this.toggle.type = "checkbox"
    this.toggle.onchange = () => {
      this.kept.difference = this.toggle.checked
      this.show()
    }
    this.told = make("div", "quiet number")
    this.under = make("div", "under", this.input, make("label", "", this.toggle, "Difference"))
    root.replaceChildren(make("figure", "", this.names, this.stage, this.under, this.told))
    const drag = (event) => this.move(boundary(event.clientX, this.stage.getBoundingClientRect()))
    this.stage.onpointerdown = (event) => {
      if (event.button !== 0 || this.kept.difference) return
      this.stage.setPointerCapture(event.pointerId)
      drag(event)
    }
    this.stage.onpointermove = (event) => {
      if (this.stage.hasPointerCapture(event.pointerId)) drag(event)
    }
  }

  update(data) {
    this.data = data
    this.kept = recall(data.id, { at: 50, difference: false })
    for (const [name, picture] of Object.entries(this.pictures)) {
      if (picture.src !== data[name]) picture.src = data[name]
    }
    const { left, right, difference } = this.pictures
    left.alt = `${data.alt}, ${data.names[0]}`
    right.alt = `${data.alt}, ${data.names[1]}`
    difference.alt = `${data.alt}, absolute difference`
    this.told.textContent = data.told
    const words = `Boundary between ${data.names[0]} and ${data.names[1]}`
    this.input.setAttribute("aria-label", words)
    this.toggle.checked = this.kept.difference
    this.layout(this.root.clientWidth || data.size)
    this.show()
  }

  layout(room) {
    const { width, height, size } = this.data
    const scale = fit(width, Math.min(size, room))
    for (const element of [this.stage, ...Object.values(this.pictures)]) {
      resize(element, width, height, scale)
    }
    for (const row of [this.names, this.under]) row.style.width = this.stage.style.width
  }

  move(at) {
    this.kept.at = at
    this.show()
  }

  show() {
    const { at, difference } = this.kept
    const { names } = this.data
    const { left, right } = this.pictures
    this.input.value = at
    this.input.disabled = difference
    this.input.setAttribute("aria-valuetext", `${at}% ${names[0]}`)
    left.style.clipPath = `inset(0 ${100 - at}% 0 0)`
    right.style.clipPath = `inset(0 0 0 ${at}%)`
    this.edge.style.left = `${at}%`
    for (const element of [left, right, this.edge]) element.hidden = difference
    this.pictures.difference.hidden = !difference
    this.told.style.visibility = difference ? "visible" : "hidden"
    this.stage.style.cursor = difference ? "default" : ""
    const shown = difference ? ["Absolute difference"] : names
    this.names.replaceChildren(...shown.map((name) => make("span", "", name)))
  }
}

export default life(View)
