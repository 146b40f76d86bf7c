// Two fields over the plane at every noise level: scrubbed, played, edited, probed and saved.
import { clamp, clock, floats, life, make, push, radios, recall, short, slider } from "./base.js"
import { blend, sigmaAt } from "./field.js"
import { save } from "./figure.js"
import { cellAt, Frame } from "./frame.js"
import { Modes, sent } from "./modes.js"
import { numbers, Probe, shifted } from "./probe.js"

const PATH = 450 // milliseconds of the animation from level to level
const REST = 400 // milliseconds after which moves by keys are sent together
const NEW = [0.4, 0.4, 0, 1]
const TOGGLES = [["arrows", "Score arrows"], ["flow", "Particles and square"]]

/** The next place of an animation that goes up and down between levels 0 and `top`. */
export function next(at, forward, seconds, top) {
  const moved = clamp(at + (forward ? 1 : -1) * seconds * 1000 / PATH, 0, top)
  return [moved, moved === top ? false : moved === 0 ? true : forward]
}

/** Whether values have one field for each power, not only one for each level. */
export function byPower(values, levels, cells) {
  return Boolean(values) && values.length > levels * cells
}

export class View {
  constructor(root) {
    this.root = root
    this.choices = make("div", "choices")
    this.rights = make("div", "choices")
    this.frames = [0, 1].map((which) =>
      new Frame(which, {
        move: (point) => this.tell(point),
        leave: () => this.hover.textContent = "",
        click: (point) => this.pick(point),
      })
    )
    this.modes = new Modes(this)
    this.probe = new Probe((at) => {
      this.moveProbe(at)
      this.later("probe")
    })
    this.level = slider("Noise level σ", 0, 1, 1, (at) => {
      this.clock.pause()
      this.state.at = at
      this.forward = true
      this.show()
    })
    this.clock = clock(root, (seconds) => this.advance(seconds), () => this.settle())
    this.level.line.append(this.clock.button)
    this.power = slider("p", 0, 1, 1, (i) => {
      this.state.p = this.data.powers[i]
      this.show()
    })
    this.hover = make("span", "hover")
    this.note = make("div", "note quiet")
    this.panel = make("div", "panel")
    this.add = push("Add a mode at the probe", () => {
      if (this.modes.rows.length >= this.data.most) return
      this.modes.add([...this.at, ...NEW])
      this.commit()
    })
    this.drop = push("Remove the chosen mode", () => {
      if (this.modes.rows.length < 2) return
      this.modes.remove(this.modes.chosen)
      this.commit()
    })
    this.toggles = Object.fromEntries(TOGGLES.map(([name, label]) => {
      const input = make("input")
      input.type = "checkbox"
      input.onchange = () => {
        this.state[name] = input.checked
        this.show()
      }
      return [name, { input, line: make("label", "", input, ` ${label}`) }]
    }))
    const saving = (kind) => push(`Save as ${kind.toUpperCase()}`, () => this.save(kind))
    const under = make(
      "div",
      "under",
      ...TOGGLES.map(([name]) => this.toggles[name].line),
      this.add,
      this.drop,
      saving("svg"),
      saving("png"),
      this.hover,
    )
    const planes = make("div", "planes", ...this.frames.map(({ box }) => box))
    root.replaceChildren(
      this.choices,
      this.rights,
      planes,
      this.level.line,
      this.power.line,
      under,
      this.note,
      this.panel,
    )
  }

  update(data, send, settled) {
    Object.assign(this, { data, send })
    this.start()
    this.quantities = data.quantities.map((one) => ({
      ...one,
      fields: [one.left, ...one.right].map((field) => ({
        ...field,
        values: floats(field.values),
        arrows: floats(field.arrows),
      })),
    }))
    this.flow = data.flow && Object.fromEntries(
      ["up", "down", "square_up", "square_down"].map((name) => [
        name,
        { n: data.flow[name].n, xy: floats(data.flow[name].xy) },
      ]),
    )
    if ((settled && !this.modes.dragging && !this.timer) || !this.at) {
      this.modes.set(data.modes)
      this.at = [...data.probe.at]
    }
    this.check()
    this.level.input.max = data.sigmas.length - 1
    this.power.input.max = data.powers.length - 1
    for (const button of [this.add, this.drop]) button.hidden = !data.editable
    this.toggles.flow.line.hidden = !data.flow
    for (const frame of this.frames) {
      frame.back.classList.toggle("editable", data.editable)
      frame.spread(data.extent)
    }
    const named = JSON.stringify(this.quantities.map((one) => [
      one.name,
      one.fields.map(({ name }) => name),
    ]))
    if (named !== this.named) this.choose()
    this.named = named
    this.moved()
    this.show()
  }

  // the visitor's positions, or those at which the page starts
  start() {
    const { data } = this
    const start = { at: data.start, p: null, arrows: true, flow: false, right: "" }
    if (!this.state) {
      this.state = recall(data.id, { ...start, quantity: data.quantities[0].name, mode: 0 })
      this.modes.chosen = this.state.mode
      for (const [name, { input }] of Object.entries(this.toggles)) input.checked = this.state[name]
    }
    const fresh = this.asked !== undefined || this.state.p === null
    if (data.power !== this.asked && fresh) this.state.p = data.power
    this.asked = data.power
  }

  // the choice must exist
  check() {
    const { data, state } = this
    state.mode = this.modes.chosen
    if (!this.quantities.some(({ name }) => name === state.quantity)) {
      state.quantity = this.quantities[0].name
    }
    state.at = clamp(state.at, 0, data.sigmas.length - 1)
    if (!data.powers.includes(state.p)) state.p = data.power
  }

  choose() {
    const { state, data } = this
    const fill = (box, names, chosen, group, act) => {
      const made = names.length > 1 ? radios(names, chosen, `${group}${data.id}`, act) : []
      box.replaceChildren(...made)
    }
    const names = this.quantities.map(({ name }) => name)
    fill(this.choices, names, state.quantity, "quantity", (name) => {
      state.quantity = name
      this.choose()
      this.show()
    })
    const others = this.quantity.fields.slice(1).map(({ name }) => name)
    if (!others.includes(state.right)) state.right = others[0] ?? ""
    fill(this.rights, others, state.right, "right", (name) => {
      state.right = name
      this.show()
    })
    if (others.length > 1) this.rights.prepend(make("span", "", "On the right:"))
  }

  get quantity() {
    return this.quantities.find(({ name }) => name === this.state.quantity)
  }

  get place() {
    return Math.max(0, this.data.powers.indexOf(this.state.p))
  }

  get nearest() {
    return Math.round(this.state.at)
  }

  /** Both fields shown: the quantity's first one and the chosen other one, if there is one. */
  get shown() {
    const { fields } = this.quantity
    return [fields[0], fields.find((field, i) => i && field.name === this.state.right)]
  }

  get limits() {
    return { extent: this.data.extent, widest: this.data.widest }
  }

  values({ values }) {
    if (!values) return null
    const { size, sigmas } = this.data
    const lead = byPower(values, sigmas.length, size ** 2)
      ? this.place * sigmas.length * size ** 2
      : 0
    return blend(values, lead, size ** 2, this.state.at)
  }

  show() {
    const { data, state, quantity, shown } = this
    const { sequential, diverging, size } = data
    const first = this.values(shown[0])
    const sigma = short(sigmaAt(data.sigmas, state.at))
    const powers = quantity.fields.some(({ values }) =>
      byPower(values, data.sigmas.length, size ** 2)
    )
    this.frames.forEach((frame, i) => {
      const field = shown[i]
      frame.box.style.visibility = field ? "visible" : "hidden"
      if (!field) return
      const values = i ? this.values(field) : first
      // a field without its own scale is drawn in the limits of the first
      const reference = i && !field.scale && first ? first : values
      frame.name(quantity.name, `${field.name}. σ = ${sigma}${powers ? `, p = ${state.p}` : ""}`)
      const tables = { sequential, diverging }
      frame.show(values, field.scale ?? quantity.scale, reference, { size, tables })
      frame.arrows(state.arrows ? this.arrows(field) : null)
      const at = Math.round(state.at * (data.flow?.per ?? 1))
      frame.flow(state.flow ? this.flow : null, at, !this.forward)
      this.drawProbe(frame)
    })
    this.level.set(this.nearest, sigma)
    this.power.line.style.visibility = powers ? "visible" : "hidden"
    this.power.set(this.place, state.p)
    this.note.textContent = quantity.note
    this.toggles.arrows.line.hidden = !shown.some((field) => field?.arrows)
    this.count()
  }

  arrows({ arrows }) {
    if (!arrows) return null
    const each = arrows.length / this.data.sigmas.length
    return arrows.subarray(this.nearest * each, (this.nearest + 1) * each)
  }

  drawProbe(frame) {
    const { data } = this
    if (!data.editable) {
      frame.layers.probe.replaceChildren()
      return
    }
    const eigen = this.here ? data.probe : { values: [] }
    const radius = data.radii[this.nearest]
    this.probe.draw(frame, this.at, { radius, eigen, level: this.nearest, extent: data.extent })
  }

  /** Whether the page's numbers belong to the probe's point. */
  get here() {
    return this.data.probe.at.every((value, axis) => value === this.at[axis])
  }

  moveProbe(at) {
    this.at = at
    for (const frame of this.frames) this.drawProbe(frame)
    this.count()
  }

  pick(point) {
    if (!this.data.editable) return
    this.moveProbe(shifted(point, [0, 0], this.data.extent))
    this.send("probe", { at: this.at })
  }

  moved() {
    this.modes.draw(this.frames, this.data.editable)
  }

  over(point) {
    this.tell(point)
  }

  commit() {
    this.moved()
    this.send("modes", { modes: sent(this.modes.rows) })
  }

  // moves by keys are sent together
  later(kind = "modes") {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      this.timer = null
      if (kind === "modes") this.send("modes", { modes: sent(this.modes.rows) })
      else this.send("probe", { at: this.at })
    }, REST)
  }

  tell(point) {
    const at = cellAt(point, this.data.extent, this.data.size)
    const { shown } = this
    const parts = this.frames
      .map((frame, i) =>
        shown[i] && frame.values ? `${shown[i].name.toLowerCase()} ${short(frame.values[at])}` : ""
      )
      .filter(Boolean)
    const [x, y] = point.map((value) => value.toFixed(2))
    this.hover.textContent = `x ${x}, y ${y}: ${parts.join(", ")} ${this.quantity.unit}`
  }

  count() {
    const rows = this.data.probe.rows?.[this.place]?.[this.nearest]
    this.panel.replaceChildren(...rows ? [numbers(this.at, this.here ? rows : [])] : [])
  }

  advance(seconds) {
    const top = this.data.sigmas.length - 1
    this.forward ??= this.state.at < top
    if (this.state.at >= top) this.forward = false
    const moved = next(this.state.at, this.forward, seconds, top)
    ;[this.state.at, this.forward] = moved
    this.show()
  }

  settle() {
    this.state.at = this.nearest
    this.show()
  }

  save(kind) {
    const { shown } = this
    save(kind, this.frames.filter((_, i) => shown[i]), this.root)
  }
}

export default life(View)
