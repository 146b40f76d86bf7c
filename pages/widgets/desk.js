// The auditor's desk: one case on one screen, decided by keyboard.
import { life, make, whole } from "./base.js"
import { body, picture } from "./case.js"
import { decision, Outbox, standing } from "./outbox.js"
import { Post } from "./post.js"
import { Queue } from "./queue.js"
import { marking } from "./region.js"

const FILM = 22
const HELP = "1 to 4 decide and go on, ← → walk, U undoes, N writes a note, G decides " +
  "near-duplicates together. Drag over the picture to mark a region, click it to clear."

// state that outlives an element: Streamlit may make a new element at any run
const outbox = new Outbox(() => sessionStorage)
const queue = new Queue()
let together = false
let message = { text: "", alert: false }
let current = null // the view that receives keys
document.addEventListener("keydown", (event) => current?.key(event))

const stamp = (time) => `${time.slice(0, 16).replace("T", " ")} UTC`

function button(name, act, ...inside) {
  const made = make("button", name, ...inside)
  made.type = "button"
  made.onclick = act
  return made
}

/** What is known of a case before everything about it has come. */
function coming(glance) {
  const said = "This case is loading."
  if (!glance) return make("div", "waitingcase", said)
  const sheet = make("div", "sheet", picture(glance.picture, glance.name))
  return make("div", "waitingcase", sheet, make("div", "name", glance.name), said)
}

const post = new Post(queue, outbox)
let answer = null // the number of the last answer of the server

export class View {
  constructor(root) {
    this.root = root
    root.tabIndex = 0
    root.setAttribute("role", "application")
    root.setAttribute("aria-label", "Case")
  }

  update(data, send) {
    const first = !queue.now
    const confirmed = outbox.confirm(data.processed)
    const news = first || data.answer !== answer
    answer = data.answer
    current = this
    this.data = data
    post.send = send
    queue.update(data)
    if (data.problem) {
      message = {
        text: data.problem + (outbox.acts.length ? " The browser will try again." : ""),
        alert: true,
      }
    } else if (news && data.lost) message = { text: data.lost, alert: true }
    else if (confirmed && message.alert) message = { text: "", alert: false }
    post.answered(!first && queue.at !== data.at)
    if (queue.owed && data.order[queue.spot(queue.at) + queue.owed]) {
      message = { text: "", alert: false }
      this.step(queue.owed)
    } else this.draw()
    if (document.activeElement === document.body) this.hold()
  }

  hold() {
    this.root.focus({ preventScroll: true })
  }

  say(text, alert = false) {
    message = { text, alert }
    this.draw()
  }

  mine(id) {
    return standing(id, this.data.mine[id], outbox.of(this.data))
  }

  go(id) {
    queue.owed = 0
    queue.at = id
    this.draw()
    post.flush(queue.short)
  }

  step(by) {
    const { id, end } = queue.step(by)
    if (id) this.go(id)
    else if (end) this.say(by > 0 ? "This is the last case." : "This is the first case.")
    else {
      this.say("The next case is loading.")
      post.flush()
    }
  }

  /** Store a verdict; return whether a reviewer's name is known. */
  decide(verdict) {
    if (!this.data.reviewer) {
      this.say("Type your name above first: a verdict says who gave it.", true)
      return false
    }
    const id = queue.at
    const draft = outbox.draft(id)
    const now = this.mine(id)
    const mates = together ? queue.get(id)?.mates ?? [] : []
    const images = [id, ...mates]
    const held = images.map((image) => this.mine(image))
    const note = draft.note ?? now.note
    const region = draft.region === undefined ? now.region : draft.region
    outbox.drop(id)
    outbox.add(decision(images, held, { verdict, note, region }), this.data)
    post.flush()
    return true
  }

  undo() {
    const images = outbox.undo(this.data, this.data.undoable)
    if (!images) {
      this.say("There is nothing to undo.")
      return
    }
    post.flush()
    this.go(images[0])
    this.say(`Undone${images.length > 1 ? `, ${images.length} images` : ""}.`)
  }

  key(event) {
    const held = event.ctrlKey || event.metaKey
    if (!this.root.isConnected || (held && event.key !== "z") || event.altKey) return
    const target = event.composedPath()[0]
    if (target !== document.body && !this.root.contains(target)) return
    if (target.matches?.("input[type=text]")) return
    const verdict = this.data.verdicts[["1", "2", "3", "4"].indexOf(event.key)]
    const act = {
      ArrowRight: () => this.step(1),
      ArrowLeft: () => this.step(-1),
      j: () => this.step(1),
      k: () => this.step(-1),
      u: () => this.undo(),
      z: () => held && this.undo(),
      n: () => this.root.querySelector(".note")?.focus(),
      g: () => {
        together = !together
        this.draw()
      },
    }[event.key]
    if (verdict) {
      event.preventDefault()
      if (queue.get(queue.at) && this.decide(verdict)) this.step(1)
      else this.draw()
    } else if (act) {
      event.preventDefault()
      if (!message.alert) message = { text: "", alert: false }
      act()
    }
  }

  draw() {
    const { root } = this
    const id = queue.at
    const one = queue.get(id)
    const now = this.mine(id)
    const active = root.getRootNode().activeElement
    const typed = active?.classList.contains("note") ? active : null
    const pressed = !typed && active && active !== root
    const glance = queue.glance(id)
    const middle = one ? this.case(one, now) : coming(glance)
    root.replaceChildren(
      this.top(),
      this.film(),
      middle,
      this.bottom(one, now, typed),
      this.said(now),
    )
    if (typed) typed.focus()
    else if (pressed) this.hold()
    Object.assign(root.dataset, { at: id, ready: one ? "yes" : "no", reviewer: this.data.reviewer })
    const verdict = now.verdict ?? "not decided"
    const told = `Case ${queue.number} of ${this.data.total}: ${glance?.name}, ${verdict}`
    root.setAttribute("aria-label", glance ? told : "Case")
  }

  top() {
    const { decided, total, stale } = this.data
    const back = button("step", () => this.step(-1), make("kbd", "", "←"), "Previous")
    const on = button("step", () => this.step(1), "Next ", make("kbd", "", "→"))
    const bar = make("div")
    bar.style.width = `${100 * decided / Math.max(1, total)}%`
    const fill = make("div", "bar", bar)
    fill.setAttribute("role", "progressbar")
    fill.setAttribute("aria-label", "Decided cases")
    fill.setAttribute("aria-valuenow", decided)
    fill.setAttribute("aria-valuemax", total)
    const place = queue.spot(queue.at) < 0 ? "…" : `${whole(queue.number)} of ${whole(total)}`
    const counts = `${whole(decided)} of ${whole(total)} decided` +
      (stale ? `, ${stale} stale` : "")
    const saving = outbox.acts.length ? `saving ${outbox.acts.length} …` : ""
    return make(
      "div",
      "top",
      back,
      make("span", "count", place),
      on,
      fill,
      make("span", "quiet", counts),
      make("span", "quiet saving", saving),
    )
  }

  film() {
    const film = make("div", "film")
    for (const id of queue.around(FILM)) {
      const known = queue.glance(id)
      const frame = button(id === queue.at ? "here" : "", () => this.go(id))
      frame.tabIndex = -1
      if (known) {
        frame.append(picture(known.picture, ""))
        frame.title = known.name
        frame.setAttribute("aria-label", `Case: ${known.name}`)
      }
      const { verdict, waiting } = this.mine(id)
      if (verdict) {
        const number = String(this.data.verdicts.indexOf(verdict) + 1)
        const mark = make("span", waiting ? "mark waiting" : "mark", number)
        mark.title = verdict
        frame.append(mark)
      }
      film.append(frame)
    }
    return film
  }

  case(one, now) {
    const draft = outbox.draft(one.id)
    const region = draft.region === undefined ? now.region : draft.region
    const sheet = marking(picture(one.picture, one.name), one, region, {
      pressed: () => this.hold(),
      marked: (box) => {
        outbox.write(one.id, { region: box })
        const { verdict } = this.mine(one.id)
        if (verdict) this.decide(verdict)
        this.draw()
      },
    })
    return body(one, sheet, region, this.data)
  }

  bottom(one, now, typed) {
    const bottom = make("div", "decide")
    this.data.verdicts.forEach((verdict, i) => {
      const act = () => {
        if (this.decide(verdict)) this.step(1)
      }
      const label = verdict[0].toUpperCase() + verdict.slice(1)
      const choice = button("verdict", act, make("kbd", "", String(i + 1)), label)
      choice.setAttribute("aria-pressed", String(now.verdict === verdict))
      choice.disabled = !one
      bottom.append(choice)
    })
    bottom.append(button("step", () => this.undo(), make("kbd", "", "U"), "Undo"))
    bottom.append(typed ?? this.note(now))
    if (one?.mates.length) {
      const box = make("input")
      Object.assign(box, { type: "checkbox", checked: together })
      box.onchange = () => {
        together = box.checked
        this.hold()
      }
      const many = one.mates.length > 1 ? "near-duplicates" : "near-duplicate"
      bottom.append(make("label", "", box, `also its ${one.mates.length} ${many} (G)`))
    }
    return bottom
  }

  note(now) {
    const note = make("input", "note")
    Object.assign(note, { type: "text", maxLength: 4000, placeholder: "Note (N)" })
    note.setAttribute("aria-label", "Note")
    note.value = outbox.draft(queue.at).note ?? now.note
    note.oninput = () => outbox.write(queue.at, { note: note.value })
    note.onchange = () => {
      const held = this.mine(queue.at)
      if (held.verdict && held.note !== note.value) this.decide(held.verdict)
    }
    note.onkeydown = (event) => {
      event.stopPropagation()
      if (event.key !== "Enter" && event.key !== "Escape") return
      note.blur()
      this.hold()
    }
    return note
  }

  said(now) {
    const lines = []
    if (message.text) {
      const line = make("div", message.alert ? "alert" : "quiet", message.text)
      line.setAttribute("role", "status")
      lines.push(line)
    }
    if (now.verdict) {
      const when = now.waiting ? ", being saved" : now.at ? `, ${stamp(now.at)}` : ""
      lines.push(make("div", "", `You: ${now.verdict}${when}`))
      for (const other of this.data.others[queue.at] ?? []) {
        const note = other.note ? `, “${other.note}”` : ""
        const told = `${other.reviewer}: ${other.verdict}${note}, ${stamp(other.at)}`
        lines.push(make("div", "", told))
      }
    }
    if (now.stale.length) {
      const more = now.stale.length > 4 ? `; and ${now.stale.length - 4} more` : ""
      const told = `Stale: ${
        now.stale.slice(0, 4).join("; ")
      }${more}. Decide again on what is shown.`
      lines.push(make("div", "alert", told))
    }
    if (!lines.length) lines.push(make("div", "quiet", HELP))
    return make("div", "said", ...lines)
  }
}

export default life(View)
