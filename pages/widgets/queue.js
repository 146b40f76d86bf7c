// The auditor's place in a queue, and the cases that the browser has.

const SHELF = 200 // cases kept
const NEAR = 16 // cases before the end of the known ones at which more are requested

export class Queue {
  constructor() {
    this.shelf = new Map() // the unchanging part of each case, by its key
    this.places = new Map() // the auditor's place, by queue
    this.owed = 0 // a step that waits for the next cases
  }

  get at() {
    return this.places.get(this.now.queue)
  }

  set at(id) {
    this.places.set(this.now.queue, id)
  }

  /** Take what the page sends. The browser's place counts, unless the page sends
   * another one (`sent`, obeyed once) or the place is not in the queue. */
  update(data) {
    const fresh = this.now?.queue !== data.queue
    const sent = data.sent && data.sent !== this.now?.sent
    this.now = data
    for (const one of data.cases) this.shelf.set(this.key(one.id), one)
    while (this.shelf.size > SHELF) this.shelf.delete(this.shelf.keys().next().value)
    const gone = !data.order.includes(this.at) && data.asked === this.at
    if (fresh || sent || this.at === undefined || gone) this.at = data.at
  }

  key(id) {
    return `${this.now.version}/${id}`
  }

  get(id) {
    return this.shelf.get(this.key(id))
  }

  /** The ids of stored cases that are still valid. */
  get known() {
    const start = this.key("")
    return [...this.shelf.keys()].filter((key) => key.startsWith(start))
      .map((key) => key.slice(start.length))
  }

  spot(id) {
    return this.now.order.indexOf(id)
  }

  /** The number of the case in the whole queue, from 1. */
  get number() {
    return this.now.first + this.spot(this.at) + 1
  }

  /** Whether more cases are needed soon. */
  get short() {
    const { order } = this.now
    const at = this.spot(this.at)
    const next = order.slice(Math.max(0, at), at + NEAR)
    return at < NEAR || at >= order.length - NEAR || !next.every((id) => this.get(id))
  }

  /** The name and the small picture of a case, as soon as the page has sent them. */
  glance(id) {
    return this.get(id) ?? this.now.film[id]
  }

  /** Where a step leads: { id }, { end: true } at an end of the queue, or {} if it is not known yet;
   * an unknown step is owed. */
  step(by) {
    const at = this.spot(this.at)
    const id = this.now.order[at + by]
    this.owed = 0
    if (id) return { id }
    const place = this.now.first + at + by
    if (place < 0 || place >= this.now.total) return { end: true }
    this.owed = by
    return {}
  }

  /** The ids shown in the film around the case, at most `count`. */
  around(count) {
    const { order } = this.now
    const from = Math.max(0, Math.min(this.spot(this.at) - 6, order.length - count))
    return order.slice(from, from + count)
  }
}
