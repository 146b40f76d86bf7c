// Cards of pictures that belong together: a generated one and its nearest training images.
import { life, make } from "./base.js"
import { Cards } from "./cards.js"
import { resize, Sheet } from "./sheet.js"

export class View {
  constructor(root) {
    this.swatch = make("span", "", make("i", "swatch"), "called a copy")
    this.words = make("span", "")
    this.legend = make("div", "legend quiet", this.words, this.swatch)
    this.cards = new Cards((id) => this.send("selected", { id: Number(id) }))
    root.replaceChildren(this.legend, this.cards.box)
  }

  update(data, send, settled) {
    this.send = send
    const drawn = JSON.stringify([data.cards, data.sheet, data.scale, data.legend, data.verdicts])
    if (drawn !== this.drawn) this.build(data)
    this.drawn = drawn
    this.cards.box.setAttribute("aria-label", data.alt)
    if (settled) this.cards.mark(data.selected)
  }

  build({ cards, sheet: given, scale, each, legend, verdicts }) {
    this.words.textContent = legend
    this.swatch.hidden = !verdicts
    this.cards.box.classList.toggle("told", !verdicts)
    const sheet = new Sheet(given)
    const canvases = []
    this.legend.hidden = !cards.length
    const filled = cards.map(({ id, captions, copy }) => {
      const pictures = Array.from({ length: each }, () => {
        const canvas = sheet.canvas()
        resize(canvas, sheet.width, sheet.height, scale)
        return canvas
      })
      canvases.push(...pictures)
      const match = make("div", "match", ...pictures.slice(0, 2))
      const lines = captions.map((line) => {
        const caption = make("div", "caption", line)
        caption.title = line
        return caption
      })
      const name = captions.join(", ") + (copy ? ", called a copy" : "")
      const row = make("div", "row", match, ...pictures.slice(2))
      return { id, name, inside: [row, ...lines] }
    })
    this.cards.fill(filled, each * (sheet.width * scale + 3) + 38)
    this.cards.all.forEach((button, i) => button.classList.toggle("copy", cards[i].copy))
    sheet.ready().then(() => {
      canvases.forEach((canvas, i) => sheet.paint(canvas.getContext("2d"), i))
    })
  }
}

export default life(View)
