// A list of cards, one of which is selected, by click or by the arrow keys.
import { clamp, make } from "./base.js"

/** The place an arrow key leads to from `at`, of `count` places in rows of `across`; null for
 * another key. */
export function moved(key, at, count, across) {
  const step = {
    ArrowRight: 1,
    ArrowLeft: -1,
    ArrowDown: across,
    ArrowUp: -across,
    Home: -at,
    End: count - 1 - at,
  }[key]
  return step === undefined ? null : clamp(at + step, 0, count - 1)
}

export class Cards {
  /** `choose(id)` is called with the id of a card that the visitor selects. */
  constructor(choose) {
    this.choose = choose
    this.box = make("div", "cards")
    this.box.setAttribute("role", "listbox")
    this.box.onkeydown = (event) => this.keys(event)
  }

  get all() {
    return [...this.box.children]
  }

  get active() {
    return this.box.getRootNode().activeElement
  }

  /** New cards: { id, name, inside }; each `least` pixels wide or more. The focus stays in them. */
  fill(cards, least) {
    this.held = this.box.contains(this.active)
    this.box.style.gridTemplateColumns = `repeat(auto-fill, minmax(${least}px, 1fr))`
    this.box.replaceChildren(...cards.map(({ id, name, inside }) => {
      const button = make("button", "", ...inside)
      button.type = "button"
      button.dataset.id = id
      button.setAttribute("role", "option")
      button.setAttribute("aria-label", name)
      button.onclick = () => this.take(button)
      return button
    }))
  }

  mark(id) {
    const all = this.all
    for (const button of all) {
      const on = button.dataset.id === String(id)
      button.setAttribute("aria-selected", String(on))
      button.tabIndex = on ? 0 : -1
      if (on && this.held) button.focus({ preventScroll: true })
    }
    this.held = false
    if (all.length && !all.some((button) => button.tabIndex === 0)) all[0].tabIndex = 0
  }

  take(button) {
    this.mark(button.dataset.id)
    button.focus({ preventScroll: true })
    this.choose(button.dataset.id)
  }

  keys(event) {
    const all = this.all
    const at = all.indexOf(this.active)
    if (at < 0) return
    const across = getComputedStyle(this.box).gridTemplateColumns.split(" ").length
    const to = moved(event.key, at, all.length, across)
    if (to === null) return
    event.preventDefault()
    if (to === at) return
    this.take(all[to])
    all[to].scrollIntoView({ block: "nearest" })
  }
}
