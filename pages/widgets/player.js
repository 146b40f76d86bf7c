// A picture, its map and the map laid on it, with sliders over the maps' axes.
import { clamp, download, floats, life, make, push, radios, recall, short, slider } from "./base.js"
import { colour, grey, linear, paintBar } from "./colours.js"

const LEGEND = 110 // pixels for the gaps and the colour bar

/** The whole factor at which three pictures stand side by side in a room. */
export function factor(width, size, room) {
  return Math.max(1, Math.floor(Math.min(size, room ? (room - LEGEND) / 3 : size) / width))
}

/** Where the map at slider positions `at` stands among maps of a shape [n, m]; an axis along which
 * the maps do not move has one place. */
export function place(at, [n, m]) {
  return Math.min(at[0] ?? 0, n - 1) * m + Math.min(at[1] ?? 0, m - 1)
}

/** The position of each axis: what the visitor moved it to, as long as the page asks for the same
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

export class View {
  constructor(root) {
    this.root = root
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
    const pictures = make(
      "div",
      "pictures",
      titled("Image", this.plain),
      titled("Map", this.heat),
      titled("Map on image", this.both),
      make("figure", "", this.unit, bar),
    )
    this.choices = make("div", "kinds")
    this.hover = make("span")
    const under = make("div", "under small", push("Save as PNG", () => this.save()), this.hover)
    this.text = make("div", "text")
    this.note = make("div", "note quiet")
    this.lines = make("div", "lines")
    root.replaceChildren(this.choices, pictures, under, this.text, this.note, this.lines)
    for (const canvas of [this.heat, this.both]) this.point(canvas)
  }

  picture() {
    const canvas = make("canvas")
    canvas.setAttribute("role", "img")
    return canvas
  }

  update(data) {
    const drawn = JSON.stringify(data)
    if (drawn === this.drawn) return
    Object.assign(this, { drawn, data })
    // what the visitor moved stays, by name
    this.kept = recall(data.id, { moved: {}, opacity: 60 })
    this.kinds = data.kinds.map((kind) => ({ ...kind, values: floats(kind.maps) }))
    this.kind = this.kinds.find((kind) => kind.name === this.kept.kind) ?? this.kinds[0]
    this.at = positions(data.axes, this.kept.moved)
    this.plain.setAttribute("aria-label", data.alt)
    this.both.setAttribute("aria-label", `${data.alt}, the map laid on it`)
    this.sliders()
    this.radios()
    this.layout(this.root.clientWidth)
    const picture = new Image()
    picture.src = data.image
    picture.decode().then(() => {
      if (this.drawn !== drawn) return
      this.image = picture
      this.open()
      this.show()
    })
  }

  layout(room) {
    const { width, height, size } = this.data
    const scale = factor(width, size, room)
    this.shown = [width * scale, height * scale]
    for (const canvas of [this.plain, this.heat, this.both]) {
      canvas.style.width = `${width * scale}px`
      canvas.style.height = `${height * scale}px`
    }
    this.bar.style.height = `${height * scale}px`
  }

  sliders() {
    const line = (label, most, start, name, move) => {
      const made = slider(label, 0, most, 1, (value) => {
        move(value)
        made.set(value, name(value))
        this.show()
      })
      made.set(start, name(start))
      return made.line
    }
    const lines = []
    this.data.axes.forEach((axis, i) => {
      if (axis.names.length < 2) return
      const move = (value) => {
        this.at[i] = value
        this.kept.moved[axis.label] = { name: axis.names[value], asked: asked(axis) }
      }
      const name = (value) => axis.names[value]
      lines.push(line(axis.label, axis.names.length - 1, this.at[i], name, move))
    })
    const fade = (value) => this.kept.opacity = value
    lines.push(line("Opacity of the map", 100, this.kept.opacity, (value) => `${value}%`, fade))
    this.lines.replaceChildren(...lines)
  }

  radios() {
    const names = this.kinds.map(({ name }) => name)
    const choose = (name) => {
      this.kind = this.kinds.find((kind) => kind.name === name)
      this.kept.kind = name
      this.show()
    }
    const made = names.length > 1
      ? radios(names, this.kind.name, `kind-${this.data.id}`, choose)
      : []
    this.choices.replaceChildren(...made)
  }

  // the picture as it is, and in grey for the map to be laid on
  open() {
    const { width, height } = this.data
    for (const canvas of [this.plain, this.both, this.grey]) {
      Object.assign(canvas, { width, height })
    }
    this.plain.getContext("2d").drawImage(this.image, 0, 0)
    const context = this.grey.getContext("2d")
    context.drawImage(this.image, 0, 0)
    grey(context, width, height)
  }

  get table() {
    return this.kind.signed ? this.data.diverging : this.data.sequential
  }

  get start() {
    const [h, w] = this.kind.size
    return place(this.at, this.kind.shape) * h * w
  }

  show() {
    const { kind } = this
    this.paint()
    this.overlay()
    paintBar(this.bar, this.table)
    this.ends[0].textContent = short(kind.high, 2)
    this.ends[1].textContent = short(kind.low, 2)
    this.unit.textContent = kind.unit || "\u00a0"
    // texts stand in the order of the sliders, also where the maps do not move
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

export default life(View)
