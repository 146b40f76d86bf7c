// The place of a part of the page that is drawn once it comes into sight.
import { life, push } from "./base.js"

const AHEAD = 200 // pixels below the screen that count as in sight
const CALM = 60 // milliseconds between two looks at whether the page is at rest

const PRESSED = 600 // milliseconds after a press in which a run may be about to start

let pressed = -PRESSED
for (const kind of ["pointerdown", "click", "keydown"]) {
  document.addEventListener(kind, () => pressed = performance.now(), true)
}

const atRest = () =>
  document.querySelector("[data-test-script-state=notRunning]") !== null &&
  performance.now() > pressed + PRESSED

export class View {
  constructor(root) {
    this.root = root
    this.button = push("", () => this.ask())
    root.replaceChildren(this.button)
    this.watching = new IntersectionObserver((seen) => {
      this.inSight = seen.at(-1).isIntersecting
      if (this.inSight) this.later()
    }, { rootMargin: `0px 0px ${AHEAD}px 0px` })
    this.watching.observe(root)
  }

  /** Ask when the page has been at rest at two looks: an event during a run would end it, and with
   * it what the visitor has started. */
  later(calm = 0) {
    if (this.asked || !this.inSight || !this.root.isConnected) return
    if (calm === 2) this.ask()
    else setTimeout(() => this.later(atRest() ? calm + 1 : 0), CALM)
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
