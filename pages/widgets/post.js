// How the desk sends the open case and the decisions to the server.

const PATIENCE = 5000 // milliseconds to wait for an answer of the server
const SOON = 150 // milliseconds within which steps are sent together
const AGAIN = 3000 // milliseconds after which unhandled actions are sent again

/** One message at a time: a second one would interrupt the server before it has answered. */
export class Post {
  constructor(queue, outbox) {
    Object.assign(this, { queue, outbox, asked: 0, sent: null, timer: null })
  }

  get due() {
    return JSON.stringify([this.queue.at, this.outbox.acts.map((act) => act.action)])
  }

  flush(soon = true) {
    clearTimeout(this.timer)
    const free = soon || this.outbox.acts.length ? 0 : SOON
    const wait = this.asked ? Math.max(0, this.asked + PATIENCE - Date.now()) : free
    this.timer = setTimeout(() => {
      this.asked = Date.now()
      this.sent = this.due
      const { at, known } = this.queue
      this.send("state", { at, known, outbox: this.outbox.acts })
    }, wait)
  }

  /** The server has answered: send new actions, and later those that were not handled again. */
  answered(moved) {
    this.asked = 0
    const told = this.sent === this.due
    if (this.outbox.acts.length && told) {
      clearTimeout(this.timer)
      this.timer = setTimeout(() => this.flush(), AGAIN)
    } else if (this.outbox.acts.length || (!told && moved)) this.flush()
  }
}
