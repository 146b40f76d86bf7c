// The place of a part of the page that is drawn once it comes into sight.
import { life, push } from "./base.js"

const AHEAD = 120 // pixels below the screen that count as in sight

export class View {
  constructor(root) {
    this.root = root
    this.button = push("", () => this.ask())
    root.replaceChildren(this.button)
    this.watching = new IntersectionObserver((seen) => {
      if (seen.some((one) => one.isIntersecting)) this.ask()
    }, { rootMargin: `0px 0px ${AHEAD}px 0px` })
    this.watching.observe(root)
  }

  ask() {
    if (this.asked) return
    this.asked = true
    this.watching.disconnect()
    this.root.classList.toggle("asked", true)
    this.send("seen")
  }

  update({ title, height }, send) {
    this.button.textContent = title
    this.root.style.height = `${height}px`
    this.send = send
  }
}

export default life(View)
