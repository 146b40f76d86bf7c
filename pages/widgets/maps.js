// A picture, its map and the map laid on it, with sliders over the maps' axes.
import { clamp, download, make, push, radios, recall, short, slider } from "./base.js"
import { colour, grey, linear, paintBar } from "./colours.js"

const LEGEND = 110 // pixels for the gaps and the colour bar

/** The whole factor at which three pictures fit side by side. */
export function factor(width, size, room) {
  return Math.max(1, Math.floor(Math.min(size, room ? (room - LEGEND) / 3 : size) / width))
}

/** The index of the map at slider positions `at` among maps of a shape [n, m]; an axis along which
 * the maps do not move has one place. */
export function place(at, [n, m]) {
  return Math.min(at[0] ?? 0, n - 1) * m + Math.min(at[1] ?? 0, m - 1)
}

/** The position of each axis: the visitor's choice, as long as the page asks for the same
 * start and positions. */
export function positions(axes, moved) {
  return axes.map((axis) => {
    const kept = moved[axis.label]
    return kept?.asked === asked(axis) ? axis.names.indexOf(kept.name) : axis.start
  })
}

export function asked({ start, names }) {
  return JSON.stringify([start, names])
}

/** The pixel under the pointer: [row, column] of a map of a size [h, w] drawn in a box. */
export function pointed({ clientX, clientY }, box, [h, w]) {
  const row = Math.floor((clientY - box.top) / box.height * h)
  const column = Math.floor((clientX - box.left) / box.width * w)
  return [clamp(row, 0, h - 1), clamp(column, 0, w - 1)]
}

/** The position of each axis now: one that is `held` is at its start. */
export function standing(axes, moved) {
  const free = positions(axes, moved)
  return axes.map((axis, i) => axis.held ? axis.start : free[i])
}

/**
 * Draws a picture and its maps at once, so that parts of two images are never shown together.
 * Its data are { id, width, height, size, alt, axes, kinds, sequential, diverging }, where each kind
 * has `values` besides what player.py sends, and `paint(context)`, which draws the picture. Where
 * there are no kinds yet, `missing` says why.
 */
export class Maps {
  constructor(root) {
    this.root = make("div", "maps")
    root.replaceChildren(this.root)
    this.plain = this.picture()
    this.heat = this.picture()
    this.both = this.picture()
    this.grey = make("canvas")
    this.bar = make("canvas")
    Object.assign(this.bar, { width: 1, height: 256 })
    this.ends = [make("span"), make("span")]
    this.unit = make("figcaption")
    const titled = (title, canvas) => make("figure", "", make("figcaption", "", title), canvas)
    const bar = make("div", "bar small", this.bar, make("div", "ends", ...this.ends))
    this.mapped = [
      titled("Map", this.heat),
      titled("Map on image", this.both),
      make("figure", "", this.unit, bar),
    ]
    this.missing = make("div", "missing quiet")
    const pictures = make(
      "div",
      "pictures",
      titled("Image", this.plain),
      ...this.mapped,
      this.missing,
    )
    this.choices = make("div", "kinds")
    this.hover = make("span")
    const under = make("div", "under small", push("Save as PNG", () => this.save()), this.hover)
    this.text = make("div", "text")
    this.note = make("div", "note quiet")
    this.lines = make("div", "lines")
    this.root.append(this.choices, pictures, under, this.text, this.note, this.lines)
    for (const canvas of [this.heat, this.both]) this.point(canvas)
  }

  picture() {
    const canvas = make("canvas")
    canvas.setAttribute("role", "img")
    return canvas
  }

  show(data, paint) {
    Object.assign(this, { data, kinds: data.kinds })
    // the visitor's positions stay, by name
    this.kept = recall(data.id, { moved: {}, opacity: 60 })
    this.kind = this.kinds.find((kind) => kind.name === this.kept.kind) ?? this.kinds[0]
    this.at = standing(data.axes, this.kept.moved)
    this.plain.setAttribute("aria-label", data.alt)
    this.both.setAttribute("aria-label", `${data.alt}, the map laid on it`)
    this.controls()
    this.layout(this.root.clientWidth)
    this.open(paint)
    this.draw()
  }

  layout(room) {
    if (!this.data) return
    const { width, height, size } = this.data
    const scale = factor(width, size, room)
    this.shown = [width * scale, height * scale]
    for (const canvas of [this.plain, this.heat, this.both]) {
      canvas.style.width = `${width * scale}px`
      canvas.style.height = `${height * scale}px`
    }
    this.bar.style.height = this.missing.style.height = `${height * scale}px`
  }

  // sliders and kinds are built again only if they change, so that they keep focus and pointer
  controls() {
    const { axes, id } = this.data
    const lines = JSON.stringify([id, axes.map(({ label, names }) => [label, names])])
    if (lines !== this.drawnLines) this.sliders()
    this.drawnLines = lines
    this.moving.forEach((one, i) => {
      if (one) one.set(this.at[i], axes[i].names[this.at[i]])
      if (one) one.input.disabled = Boolean(axes[i].held)
    })
    const kinds = JSON.stringify([id, this.kinds.map(({ name }) => name), this.kind?.name])
    if (kinds !== this.drawnKinds) this.radios()
    this.drawnKinds = kinds
  }

  // one slider for each axis that has more than one position, null for others
  sliders() {
    this.moving = this.data.axes.map(({ label, names }, i) => {
      if (names.length < 2) return null
      const made = slider(label, 0, names.length - 1, 1, (value) => {
        this.at[i] = value
        this.kept.moved[label] = { name: names[value], asked: asked(this.data.axes[i]) }
        made.set(value, names[value])
        this.draw()
      })
      return made
    })
    const fade = slider("Opacity of the map", 0, 100, 1, (value) => {
      this.kept.opacity = value
      fade.set(value, `${value}%`)
      this.draw()
    })
    fade.set(this.kept.opacity, `${this.kept.opacity}%`)
    this.lines.replaceChildren(...[...this.moving, fade].filter(Boolean).map(({ line }) => line))
  }

  radios() {
    const names = this.kinds.map(({ name }) => name)
    const choose = (name) => {
      this.kind = this.kinds.find((kind) => kind.name === name)
      this.kept.kind = name
      this.draw()
    }
    const made = names.length > 1
      ? radios(names, this.kind.name, `kind-${this.data.id}`, choose)
      : []
    this.choices.replaceChildren(...made)
  }

  // the picture in colour, and in grey below the map
  open(paint) {
    const { width, height } = this.data
    for (const canvas of [this.plain, this.both, this.grey]) {
      Object.assign(canvas, { width, height })
    }
    paint(this.plain.getContext("2d"))
    const context = this.grey.getContext("2d")
    context.drawImage(this.plain, 0, 0)
    grey(context, width, height)
  }

  get table() {
    return this.kind.signed ? this.data.diverging : this.data.sequential
  }

  get start() {
    const [h, w] = this.kind.size
    return place(this.at, this.kind.shape) * h * w
  }

  draw() {
    const { kind } = this
    this.hover.textContent = ""
    this.missing.textContent = kind ? "" : this.data.missing
    this.missing.hidden = Boolean(kind)
    for (const part of this.mapped) part.hidden = !kind
    if (!kind) {
      this.text.textContent = this.note.textContent = ""
      return
    }
    this.paint()
    this.overlay()
    paintBar(this.bar, this.table)
    this.ends[0].textContent = short(kind.high, 2)
    this.ends[1].textContent = short(kind.low, 2)
    this.unit.textContent = kind.unit || "\u00a0"
    // texts are in the order of the sliders, also where the maps do not change
    const columns = this.data.axes[1]?.names.length ?? 1
    this.text.textContent = kind.texts[(this.at[0] ?? 0) * columns + (this.at[1] ?? 0)] ?? ""
    this.note.textContent = kind.note
    this.heat.setAttribute("aria-label", `${kind.name}. ${this.text.textContent}`)
  }

  paint() {
    const { kind, table, start } = this
    const [h, w] = kind.size
    Object.assign(this.heat, { width: w, height: h })
    const context = this.heat.getContext("2d")
    const pixels = context.createImageData(w, h)
    for (let i = 0; i < h * w; i++) {
      const share = linear(kind.values[start + i], kind.low, kind.high)
      pixels.data.set([...colour(table, share), 255], 4 * i)
    }
    context.putImageData(pixels, 0, 0)
  }

  overlay() {
    const { width, height } = this.data
    const context = this.both.getContext("2d")
    context.imageSmoothingEnabled = false
    context.globalAlpha = 1
    context.clearRect(0, 0, width, height)
    context.drawImage(this.grey, 0, 0)
    context.globalAlpha = this.kept.opacity / 100
    context.drawImage(this.heat, 0, 0, width, height)
  }

  point(canvas) {
    canvas.onmousemove = (event) => {
      const { kind } = this
      const [row, column] = pointed(event, canvas.getBoundingClientRect(), kind.size)
      const value = kind.values[this.start + row * kind.size[1] + column]
      this.hover.textContent = `row ${row}, column ${column}: ${short(value, 2)} ${kind.unit}`
    }
    canvas.onmouseleave = () => this.hover.textContent = ""
  }

  save() {
    const [width, height] = this.shown
    const sheet = make("canvas")
    Object.assign(sheet, { width: 3 * width + 20, height })
    const context = sheet.getContext("2d")
    context.imageSmoothingEnabled = false
    for (const [i, canvas] of [this.plain, this.heat, this.both].entries()) {
      context.drawImage(canvas, i * (width + 10), 0, width, height)
    }
    download(sheet.toDataURL("image/png"), "map.png")
  }
}
