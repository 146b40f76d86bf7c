// A gallery and the image selected in it: picture, maps, numbers and curves change together.
import { life, make, quantised } from "./base.js"
import { Cards } from "./cards.js"
import { Chart } from "./chart.js"
import { colour, linear } from "./colours.js"
import { Maps } from "./maps.js"
import { resize, Sheet } from "./sheet.js"

const FRAME = 16 // the padding and the border of a card, both sides
const REST = 150 // milliseconds between two selections that the server hears of
const KEPT = 64 // images whose details stay here

/** What JSON an address has; asked for again while it is `wanted`. */
export async function fetched(address, wanted, rest = 1000) {
  while (wanted()) {
    const answer = await fetch(address).catch(() => null)
    if (answer?.ok) return answer.json()
    await new Promise((act) => setTimeout(act, rest))
  }
}

/** Calls `act` with the last value it was given: at once, and then once in `rest` milliseconds. */
export function paced(act, rest) {
  let waiting = false
  let next = null
  const fire = () => {
    if (!next) return waiting = false
    const [value] = next
    next = null
    act(value)
    setTimeout(fire, rest)
  }
  return (value) => {
    next = [value]
    if (waiting) return
    waiting = true
    setTimeout(fire, 0) // first the screen, then the server
  }
}

/** Details by image, of one page of settings; the least recently used are dropped. */
export class Details {
  constructor(most = KEPT) {
    Object.assign(this, { most, token: null, known: new Map() })
  }

  /** Keep details under a token; another token forgets all. Returns whether any is new. */
  add(token, details) {
    if (token !== this.token) this.known.clear()
    this.token = token
    let fresh = false
    for (const [id, detail] of Object.entries(details)) {
      fresh ||= !this.known.has(id)
      if (!this.known.has(id)) this.known.set(id, detail)
    }
    while (this.known.size > this.most) this.known.delete(this.known.keys().next().value)
    return fresh
  }

  get(id) {
    const found = this.known.get(id)
    if (found) this.known.delete(id)
    if (found) this.known.set(id, found)
    return found
  }
}

export class View {
  constructor(root) {
    this.root = root
    this.cards = new Cards((id) => this.choose(id))
    this.details = new Details()
    this.tell = paced((id) => this.send("select", { id }), REST)
    this.name = make("div", "name")
    this.facts = make("div", "facts quiet")
    const pictures = make("div")
    this.maps = new Maps(pictures)
    this.numbers = make("dl", "numbers")
    this.charts = make("div", "charts")
    this.side = make("div", "side", this.name, this.facts, pictures, this.numbers, this.charts)
    this.list = make("div", "list", this.cards.box)
    root.replaceChildren(this.list, this.side)
  }

  choose(id) {
    this.selected = id
    this.draw()
    this.tell(id)
  }

  update({ id, page, selected, token, details }, send, settled) {
    Object.assign(this, { id, send, told: { selected, settled } })
    const fresh = this.details.add(token, details)
    if (page !== this.address) {
      this.address = page
      this.open(page)
      return
    }
    const other = settled && selected !== this.selected
    if (settled) this.selected = selected
    if (this.page && (other || fresh)) this.draw()
  }

  async open(address) {
    const wanted = () => this.address === address
    const page = await fetched(address, wanted)
    const sheet = page && new Sheet(page.sheet)
    await sheet?.ready()
    if (wanted()) this.build(page, sheet) // pictures and lines change together
  }

  build(page, sheet) {
    Object.assign(this, { page, sheet })
    const { selected, settled } = this.told
    if (settled || !page.entries.some(({ id }) => id === this.selected)) this.selected = selected
    this.places = new Map(page.entries.map(({ id }, i) => [id, i]))
    this.base = page.map && quantised(page.map.values, page.map.range)
    this.cards.box.setAttribute("aria-label", page.alt)
    this.cards.fill(
      page.cards.map((card, i) => {
        const lines = [card.title, card.note].map((line) => make("div", "caption", line))
        return { id: card.id, name: card.alt, inside: [this.thumbnail(i), ...lines] }
      }),
      sheet.width * page.scale + FRAME,
    )
    for (const button of this.cards.all) button.title = button.getAttribute("aria-label")
    this.panels = [page.curve, page.spread].filter(Boolean).map((spec) => new Chart(spec))
    this.charts.replaceChildren(...this.panels.map(({ box }) => box))
    this.draw()
    this.layout(this.root.clientWidth)
  }

  thumbnail(i) {
    const { page, sheet } = this
    const canvas = sheet.canvas()
    resize(canvas, sheet.width, sheet.height, page.scale)
    const context = canvas.getContext("2d")
    if (!page.maps) sheet.paint(context, i)
    else this.paintMap(canvas, context, i)
    return canvas
  }

  paintMap(canvas, context, i) {
    const { low, high, signed, size: [h, w] } = this.page.map
    Object.assign(canvas, { width: w, height: h })
    const pixels = context.createImageData(w, h)
    const table = signed ? this.page.diverging : this.page.sequential
    for (let k = 0; k < h * w; k++) {
      const share = linear(this.base[i * h * w + k], low, high)
      pixels.data.set([...colour(table, share), 255], 4 * k)
    }
    context.putImageData(pixels, 0, 0)
  }

  /** Draw everything about the selected image at once. */
  draw() {
    const { page, places } = this
    const place = places.get(this.selected) ?? 0
    const entry = page.entries[place]
    const detail = this.details.get(entry.id)
    this.cards.mark(entry.id)
    this.root.dataset.shown = entry.id
    this.name.textContent = entry.name
    this.facts.textContent = entry.facts
    this.numbers.replaceChildren(
      ...page.numbers.map(({ label, help }, i) => {
        const [value, more] = entry.numbers[i]
        const told = [help, more].filter(Boolean).join(" ")
        const term = make("dt", "small quiet", label)
        const one = make("div", "", term, make("dd", "", value))
        one.title = told
        return one
      }),
    )
    const [curve, spread] = this.panels
    curve.show(detail?.curve ?? { curves: entry.curves, x: entry.x })
    spread?.show({ value: entry.value })
    this.maps.show(this.shown(entry, place, detail), this.picture(place, entry, detail))
  }

  shown(entry, place, detail) {
    const { page } = this
    const { map } = page
    const kinds = []
    if (detail) {
      for (const kind of detail.kinds) {
        kind.decoded ??= quantised(kind.values, kind.range)
        kinds.push({ ...kind, values: kind.decoded })
      }
    } else if (map) {
      const pixels = map.size[0] * map.size[1]
      const values = this.base.subarray(place * pixels, (place + 1) * pixels)
      kinds.push({ ...map, values, shape: [1, 1], texts: entry.texts })
    }
    return {
      id: this.id,
      width: page.width,
      height: page.height,
      size: page.size,
      alt: entry.name,
      axes: page.axes.map((axis) => ({ ...axis, held: !detail })),
      kinds,
      missing: page.missing,
      sequential: page.sequential,
      diverging: page.diverging,
    }
  }

  // the thumbnail, or the picture itself once it has arrived
  picture(place, entry, detail) {
    const { sheet, page: { width, height } } = this
    if (detail?.picture && !detail.image) {
      const image = new Image()
      image.src = detail.picture
      image.decode().then(() => {
        detail.image = image
        if (this.selected === entry.id) this.draw()
      })
    }
    return (context) => {
      if (detail?.image) context.drawImage(detail.image, 0, 0, width, height)
      else sheet.paint(context, place, 0, 0, width, height)
    }
  }

  layout(width) {
    if (!this.page) return
    this.root.classList.toggle("narrow", width < 700)
    this.maps.layout(this.side.clientWidth)
    for (const chart of this.panels) chart.layout(chart.box.clientWidth)
  }
}

export default life(View)
