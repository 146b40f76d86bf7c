// A gallery of small pictures, each with two lines below it.
import { life, make } from "./base.js"
import { Cards } from "./cards.js"
import { resize, Sheet } from "./sheet.js"

const FRAME = 16 // the padding and the border of a card, both sides

export class View {
  constructor(root) {
    this.cards = new Cards((id) => {
      this.selected = id
      this.send("selected", { id })
    })
    root.replaceChildren(this.cards.box)
  }

  update(data, send, settled) {
    this.send = send
    if (settled) this.selected = data.selected
    this.cards.box.setAttribute("aria-label", data.alt)
    const drawn = JSON.stringify([data.cards, data.sheet, data.scale])
    if (drawn === this.drawn) {
      if (settled) this.cards.mark(data.selected)
      return
    }
    this.drawn = drawn
    const sheet = new Sheet(data.sheet)
    sheet.ready().then(() => {
      if (this.drawn === drawn) this.build(data, sheet) // pictures and lines change together
    })
  }

  build({ cards, scale }, sheet) {
    this.cards.fill(
      cards.map((card, i) => {
        const canvas = sheet.canvas()
        resize(canvas, sheet.width, sheet.height, scale)
        sheet.paint(canvas.getContext("2d"), i)
        const lines = [card.title, card.note].map((line) => make("div", "caption", line))
        return { id: card.id, name: card.alt, inside: [canvas, ...lines] }
      }),
      sheet.width * scale + FRAME,
    )
    for (const button of this.cards.all) button.title = button.getAttribute("aria-label")
    this.cards.mark(this.selected)
  }
}

export default life(View)
