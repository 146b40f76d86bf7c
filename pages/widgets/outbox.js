// The auditor's actions, kept in the browser until the server has confirmed each by name.

const PLACE = "afterimage-desk"

function named() {
  if (crypto.randomUUID) return crypto.randomUUID()
  const parts = crypto.getRandomValues(new Uint32Array(4))
  return Array.from(parts, (part) => part.toString(16)).join("")
}

/** The current state of an image: what the server has saved, plus the actions not confirmed yet. */
export function standing(image, saved, acts) {
  const none = { revision: 0, verdict: null, note: "", region: null, stale: [] }
  return acts.reduce((now, act) => {
    const own = act.changes.find((change) => change.image === image)
    if (!own) return now
    return { ...now, ...own, revision: now.revision + 1, stale: [], waiting: true }
  }, { ...none, ...saved })
}

/** The action that decides on images; `held` is the state of each, the first is the case itself. */
export function decision(images, held, { verdict, note, region }) {
  return {
    changes: images.map((image, i) => ({
      image,
      based_on: held[i].revision,
      verdict,
      note,
      region: i === 0 ? region : null,
    })),
    before: Object.fromEntries(
      images.map((image, i) => {
        const { verdict, note, region } = held[i]
        return [image, { verdict, note, region }]
      }),
    ),
  }
}

/** The action that undoes an earlier one on its images; null means no verdict before. */
export function reversal(action, images, before) {
  const nothing = { verdict: null, note: "", region: null }
  const changes = images.map((image) => ({ image, ...nothing, ...before[image] }))
  return { undoes: action, changes }
}

export class Outbox {
  /** `storage()` returns a store that outlives a reload; it may be forbidden. */
  constructor(storage) {
    this.storage = storage
    this.acts = []
    this.drafts = {}
    this.undone = new Set()
    try {
      const kept = JSON.parse(storage().getItem(PLACE))
      if (kept) Object.assign(this, { acts: kept.outbox, drafts: kept.drafts })
    } catch {
      // an unreadable store counts as empty
    }
  }

  keep() {
    try {
      const text = JSON.stringify({ outbox: this.acts, drafts: this.drafts })
      this.storage().setItem(PLACE, text)
    } catch {
      // with a full or forbidden store the outbox lives as long as the page
    }
  }

  add(act, { model, reviewer, flagged }) {
    this.acts.push({ action: named(), model, reviewer, flagged, ...act })
    this.keep()
  }

  /** Forget what the server has handled; return whether there was anything. */
  confirm(names) {
    const before = this.acts.length
    this.acts = this.acts.filter((act) => !names.includes(act.action))
    if (this.acts.length === before) return false
    this.keep()
    return true
  }

  of({ model, reviewer }) {
    return this.acts.filter((act) => act.model === model && act.reviewer === reviewer)
  }

  draft(id) {
    return this.drafts[id] ?? {}
  }

  write(id, more) {
    this.drafts[id] = { ...this.drafts[id], ...more }
    this.keep()
  }

  drop(id) {
    delete this.drafts[id]
  }

  /** Undo the last action of a reviewer that was not undone yet, saved or not;
   * returns its images, or null. `undoable` are the saved ones: { action, images, before }. */
  undo(who, undoable) {
    const pending = this.of(who).filter((act) => !act.undoes)
    const last = [...undoable, ...pending].filter(({ action }) => !this.undone.has(action)).at(-1)
    if (!last) return null
    this.undone.add(last.action)
    const images = last.changes?.map((change) => change.image) ?? last.images
    const saved = undoable.find(({ action }) => action === last.action)
    this.add(reversal(last.action, images, last.before ?? saved?.before ?? {}), who)
    return images
  }
}
