"""The auditor's desk: one case on one screen, decided by keyboard. The browser holds the next cases and draws them at once.

What the auditor does goes into an outbox, which is kept in the browser until the server has confirmed each action by its name;
sending an action twice is harmless, so nothing is lost between two reruns, on a lost connection or on a reload. The state that
comes back is one value, "desk": {at, known, outbox}.
"""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

_HTML = '<div class="desk" tabindex="0" role="application" aria-label="Case"></div>'

_CSS = """
.desk { font-family: var(--st-font); color: var(--st-text-color); outline: none; font-size: 0.85rem; }
.desk:focus-visible .top { box-shadow: 0 2px 0 var(--st-primary-color); }
.desk button { all: unset; box-sizing: border-box; cursor: pointer; border-radius: var(--st-base-radius); }
.desk button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.desk button:disabled { opacity: 0.35; cursor: default; }
.quiet { opacity: 0.7; }
.top { display: flex; gap: 10px; align-items: center; padding: 4px 0; }
.top .count { font-variant-numeric: tabular-nums; min-width: 6.5rem; }
.top .bar { flex: 1; height: 6px; border-radius: 3px; background: var(--st-secondary-background-color); overflow: hidden; }
.top .bar div { height: 100%; background: var(--st-primary-color); }
.step { padding: 3px 10px !important; background: var(--st-secondary-background-color); }
.film { display: flex; gap: 4px; margin: 4px 0 10px; overflow: hidden; height: 44px; }
.film button { width: 40px; height: 42px; border: 2px solid transparent; position: relative; flex: none; }
.film button.here { border-color: var(--st-primary-color); }
.film img { width: 36px; height: 36px; image-rendering: pixelated; object-fit: contain; display: block; }
.film .mark { position: absolute; right: -2px; bottom: -2px; font-size: 0.62rem; line-height: 14px; width: 14px; text-align: center; border-radius: 7px; color: var(--st-background-color); background: var(--st-text-color); }
.film .mark.waiting { opacity: 0.5; }
.case { display: grid; grid-template-columns: 256px minmax(0, 1fr) 336px; gap: 18px; align-items: start; }
.name { font-size: 0.95rem; font-weight: 600; overflow-wrap: anywhere; margin-top: 6px; }
.sheet { position: relative; width: 256px; touch-action: none; cursor: crosshair; }
.sheet img { width: 100%; image-rendering: pixelated; display: block; border-radius: 2px; }
.sheet .region { position: absolute; border: 2px solid #fff; box-shadow: 0 0 0 2px #a63a8c, inset 0 0 0 1px #a63a8c; pointer-events: none; }
h4 { font-size: 0.78rem; font-weight: 600; margin: 0 0 4px; }
h4 span { font-weight: 400; opacity: 0.7; margin-left: 6px; }
.maps, .row { display: flex; gap: 10px; flex-wrap: wrap; margin-bottom: 12px; }
figure { margin: 0; }
figcaption { font-size: 0.72rem; opacity: 0.75; font-variant-numeric: tabular-nums; }
.maps img { width: 128px; image-rendering: pixelated; display: block; border-radius: 2px; }
.row { gap: 5px; flex-wrap: nowrap; overflow: hidden; }
.row figure { width: 50px; text-align: center; flex: none; }
.row img { width: 50px; height: 50px; box-sizing: border-box; image-rendering: pixelated; object-fit: contain; border: 2px solid transparent; border-radius: 3px; display: block; }
.row .marked img { border-color: var(--st-primary-color); }
.row .marked figcaption { opacity: 1; font-weight: 600; }
.narrow h4 { margin-top: 10px; } .narrow .row figure { width: 38px; } .narrow .row img { width: 38px; height: 38px; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; font-size: 0.72rem; font-variant-numeric: tabular-nums; line-height: 1.24; }
td { box-sizing: border-box; padding: 0.5px 4px 0.5px 0; white-space: nowrap; position: relative; }
td:first-child { width: 144px; overflow: hidden; text-overflow: ellipsis; }
td.n { text-align: right; width: 58px; } td.n.r { width: 36px; }
tr.by td { font-weight: 700; color: var(--st-primary-color); }
td .share { display: inline-block; height: 5px; border-radius: 2px; background: var(--st-primary-color); vertical-align: middle; opacity: 0.8; }
.decide { display: flex; gap: 8px; align-items: center; margin-top: 12px; flex-wrap: wrap; }
.verdict { padding: 6px 14px !important; border: 1px solid var(--st-border-color) !important; }
.verdict kbd, .step kbd { font-family: var(--st-code-font); opacity: 0.6; margin-right: 6px; font-size: 0.75rem; }
.verdict[aria-pressed="true"] { background: var(--st-primary-color); color: var(--st-background-color); border-color: var(--st-primary-color) !important; }
.decide input[type="text"] { flex: 1; min-width: 180px; font: inherit; color: inherit; background: var(--st-secondary-background-color); border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); padding: 6px 8px; }
.decide input:focus { outline: 2px solid var(--st-primary-color); }
.decide label { display: flex; gap: 5px; align-items: center; white-space: nowrap; }
.decide input[type="checkbox"] { accent-color: var(--st-primary-color); }
.said { min-height: 1.35em; margin-top: 6px; overflow-wrap: anywhere; }
.alert { color: var(--st-red-color, #c33); }
.waitingcase { height: 430px; display: grid; place-items: center; opacity: 0.6; }
@media (max-width: 900px) { .case { grid-template-columns: 264px minmax(0, 1fr); } .case .numbers { grid-column: 1 / -1; } }
"""

_JS = """
const VERDICTS = ["memorised", "partly memorised", "not memorised", "unsure"]
const AHEAD = 16, SHELF = 200, PATIENCE = 5000
const shelf = new Map()          // the fixed part of each case, by what it depends on
const places = new Map()         // where the auditor is, by queue
let kept = { outbox: [], drafts: {} }
try { kept = JSON.parse(sessionStorage.getItem("afterimage-desk")) ?? kept } catch {}
const keep = () => { try { sessionStorage.setItem("afterimage-desk", JSON.stringify(kept)) } catch {} }
const undone = new Set()
let together = false, latest = null, timer = null, turn = 0, whole = null, answer = null, asked = 0, sent = null, owed = 0

const make = (tag, name, ...inside) => { const e = document.createElement(tag); if (name) e.className = name; e.append(...inside); return e }
const picture = (url, alt) => { const e = make("img"); e.src = url; e.alt = alt; e.draggable = false; e.decoding = "sync"; return e }
const name = () => crypto.randomUUID ? crypto.randomUUID() : Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(16)).join("")

// what holds for an image, the answers still on their way included
const mine = (id) => {
  let now = { revision: 0, verdict: null, note: "", region: null, stale: [], ...(latest.mine[id] ?? {}) }
  for (const act of kept.outbox) {
    if (act.model !== latest.model || act.reviewer !== latest.reviewer) continue
    const own = act.changes.find((change) => change.image === id)
    if (own) now = { ...now, ...own, revision: now.revision + 1, stale: [], waiting: true }
  }
  return now
}

// one message at a time: a second one would interrupt the server before it has answered the first
const flush = (soon = true) => {
  clearTimeout(timer)
  const wait = asked ? Math.max(0, asked + PATIENCE - Date.now()) : soon || kept.outbox.length ? 0 : 150
  timer = setTimeout(() => {
    if (!latest) return
    asked = Date.now()
    const known = [...shelf.keys()].filter((one) => one.startsWith(latest.version + "/")).map((one) => one.slice(latest.version.length + 1))
    sent = JSON.stringify([latest.at, kept.outbox.map((act) => act.action)])
    latest.send("desk", { at: latest.at, known, outbox: kept.outbox, turn: ++turn })
  }, wait)
}

const push = (act) => {
  kept.outbox.push({ action: name(), model: latest.model, reviewer: latest.reviewer, flagged: latest.flagged, ...act })
  keep(); flush()
}

const decide = (verdict) => {
  if (!latest.reviewer) { say("Type your name above first: a verdict says who gave it.", true); return false }
  const id = latest.at, now = mine(id), draft = kept.drafts[id] ?? {}
  const entry = { verdict, note: draft.note ?? now.note, region: draft.region === undefined ? now.region : draft.region }
  const mates = together ? (shelf.get(key(id))?.mates ?? []) : []
  const images = [id, ...mates], held = images.map(mine)
  delete kept.drafts[id]
  push({
    changes: images.map((image, i) => ({ image, based_on: held[i].revision, ...entry, region: image === id ? entry.region : null })),
    before: Object.fromEntries(images.map((image, i) => [image, { verdict: held[i].verdict, note: held[i].note, region: held[i].region }])),
  })
  return true
}

const undo = () => {
  const acts = kept.outbox.filter((act) => !act.undoes && act.model === latest.model && act.reviewer === latest.reviewer)
  const candidates = [...latest.undoable.map((one) => one.action), ...acts.map((act) => act.action)].filter((action) => !undone.has(action))
  const action = candidates.at(-1)
  if (!action) { say("There is nothing to take back."); return }
  undone.add(action)
  const pending = acts.find((act) => act.action === action), old = latest.undoable.find((one) => one.action === action)
  const images = pending ? pending.changes.map((change) => change.image) : old.images
  const before = pending?.before ?? old?.before ?? {}
  push({ undoes: action, changes: images.map((image) => ({ image, verdict: null, note: "", region: null, ...(before[image] ?? {}) })) })
  go(images[0])
  say(`Taken back${images.length > 1 ? `, ${images.length} images` : ""}.`)
}

const key = (id) => latest.version + "/" + id
const spot = (id) => latest.order.indexOf(id)
const go = (id) => {
  owed = 0
  latest.at = id
  places.set(latest.queue, id)
  latest.draw()
  const at = spot(id), short = at < 0 || !shelf.has(key(id)) || at >= latest.order.length - AHEAD || at < AHEAD
  flush(short)
}
const step = (by) => {
  const at = spot(latest.at), next = latest.order[at + by]
  if (next) go(next)
  else if (latest.first + at + by < 0 || latest.first + at + by >= latest.total) say(by > 0 ? "This is the last case." : "This is the first case.")
  else { owed = by; say("The next case is on its way."); flush() }
}
let message = ["", false]
const say = (text, alert = false) => { message = [text, alert]; latest?.draw() }

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".desk"), shadow = root.getRootNode()
  for (const one of data.cases) shelf.set(data.version + "/" + one.id, one)
  while (shelf.size > SHELF) shelf.delete(shelf.keys().next().value)
  const done = new Set(data.processed), before = kept.outbox.length
  kept.outbox = kept.outbox.filter((act) => !done.has(act.action))
  if (kept.outbox.length !== before) keep()
  const fresh = !latest || latest.queue !== data.queue
  const first = !latest, place = places.get(data.queue)
  // the browser knows best where the auditor is, unless the page sent them elsewhere or the place is not in the queue
  const at = fresh || place === undefined || (!data.order.includes(place) && data.asked === place) ? data.at : place
  latest = { ...data, at, send: setStateValue, draw: () => draw() }
  places.set(data.queue, at)
  const answered = first || data.answer !== answer
  answer = data.answer
  if (data.problem) message = [data.problem + (kept.outbox.length ? " It is tried again." : ""), true]
  else if (answered && data.lost) message = [data.lost, true]
  else if (kept.outbox.length !== before && message[1]) message = ["", false]
  asked = 0
  const told = sent === JSON.stringify([latest.at, kept.outbox.map((act) => act.action)])  // and not dealt with: later again
  if (kept.outbox.length && told) { clearTimeout(timer); timer = setTimeout(flush, 3000) }
  else if (kept.outbox.length || (!told && !first && at !== data.at)) flush()

  function draw() {
    const id = latest.at, place = spot(id), one = shelf.get(key(id)), now = mine(id), draft = kept.drafts[id] ?? {}
    const typed = shadow.activeElement?.classList.contains("note") ? shadow.activeElement : null
    const number = latest.first + place + 1
    const back = make("button", "step", make("kbd", "", "←"), "Previous"), on = make("button", "step", "Next ", make("kbd", "", "→"))
    back.type = on.type = "button"; back.onclick = () => step(-1); on.onclick = () => step(1)
    const bar = make("div"); bar.style.width = 100 * latest.decided / Math.max(1, latest.total) + "%"
    const fill = make("div", "bar", bar); fill.setAttribute("role", "progressbar"); fill.setAttribute("aria-valuenow", latest.decided); fill.setAttribute("aria-valuemax", latest.total)
    const sending = kept.outbox.length ? `saving ${kept.outbox.length} …` : ""
    const counts = `${latest.decided.toLocaleString("en")} of ${latest.total.toLocaleString("en")} decided` + (latest.stale ? `, ${latest.stale} stale` : "")
    const top = make("div", "top", back, make("span", "count", place < 0 ? "…" : `${number.toLocaleString("en")} of ${latest.total.toLocaleString("en")}`), on, fill, make("span", "quiet", counts), make("span", "quiet saving", sending))

    const from = Math.max(0, Math.min(place - 6, latest.order.length - 22)), film = make("div", "film")
    for (const other of latest.order.slice(from, from + 22)) {
      const known = shelf.get(key(other)), button = make("button", other === id ? "here" : ""), held = mine(other)
      button.type = "button"; button.tabIndex = -1; button.onclick = () => go(other)
      if (known) { button.append(picture(known.picture, "")); button.title = known.name; button.setAttribute("aria-label", `Case: ${known.name}`) }
      if (held.verdict) { const mark = make("span", "mark" + (held.waiting ? " waiting" : ""), String(VERDICTS.indexOf(held.verdict) + 1)); mark.title = held.verdict; button.append(mark) }
      film.append(button)
    }

    const middle = one ? body(one, draft.region === undefined ? now.region : draft.region) : make("div", "waitingcase", "This case is on its way.")
    const bottom = make("div", "decide")
    VERDICTS.forEach((verdict, i) => {
      const button = make("button", "verdict", make("kbd", "", String(i + 1)), verdict[0].toUpperCase() + verdict.slice(1))
      button.type = "button"; button.setAttribute("aria-pressed", now.verdict === verdict); button.onclick = () => { if (decide(verdict)) step(1) }
      button.disabled = !one
      bottom.append(button)
    })
    const undoing = make("button", "step", make("kbd", "", "U"), "Undo"); undoing.type = "button"; undoing.onclick = undo; bottom.append(undoing)
    const note = typed ?? make("input", "note")
    if (!typed) {
      note.type = "text"; note.maxLength = 4000; note.placeholder = "Note (N)"; note.setAttribute("aria-label", "Note"); note.value = draft.note ?? now.note
      note.oninput = () => { kept.drafts[latest.at] = { ...kept.drafts[latest.at], note: note.value }; keep() }
      note.onchange = () => { const held = mine(latest.at); if (held.verdict && held.note !== note.value) decide(held.verdict) }
      note.onkeydown = (event) => { event.stopPropagation(); if (event.key === "Enter" || event.key === "Escape") { note.blur(); root.focus({ preventScroll: true }) } }
    }
    bottom.append(note)
    if (one?.mates.length) {
      const box = make("input"); box.type = "checkbox"; box.checked = together; box.onchange = () => { together = box.checked; root.focus({ preventScroll: true }) }
      bottom.append(make("label", "", box, `also its ${one.mates.length} near-duplicate${one.mates.length > 1 ? "s" : ""} (G)`))
    }

    const said = make("div", "said"), lines = []
    if (message[0]) { const line = make("div", message[1] ? "alert" : "quiet", message[0]); line.setAttribute("role", "status"); lines.push(line) }
    if (now.verdict) lines.push(make("div", "", `You: ${now.verdict}` + (now.waiting ? ", being saved" : now.at ? `, ${now.at.slice(0, 16).replace("T", " ")} UTC` : "")))
    for (const other of now.verdict ? latest.others[id] ?? [] : []) lines.push(make("div", "", `${other.reviewer}: ${other.verdict}` + (other.note ? `, “${other.note}”` : "") + `, ${other.at.slice(0, 16).replace("T", " ")} UTC`))
    if (now.stale.length) lines.push(make("div", "alert", `Stale: ${now.stale.slice(0, 4).join("; ")}${now.stale.length > 4 ? `; and ${now.stale.length - 4} more` : ""}. Decide again on what is shown.`))
    if (!lines.length) lines.push(make("div", "quiet", "1 to 4 decide and go on, ← → walk, U takes back, N writes a note, G decides near-duplicates together. Drag over the picture to mark a region, click it to clear."))
    said.append(...lines)
    const pressed = shadow.activeElement?.className
    root.replaceChildren(top, film, middle, bottom, said)
    if (typed) typed.focus()
    else if (pressed && pressed !== "desk") root.focus({ preventScroll: true })
    root.dataset.at = id; root.dataset.ready = one ? "yes" : "no"; root.dataset.reviewer = latest.reviewer
    root.setAttribute("aria-label", one ? `Case ${number} of ${latest.total}: ${one.name}, ${now.verdict ?? "not decided"}` : "Case")
  }

  function body(one, region) {
    const sheet = make("div", "sheet", picture(one.picture, one.name))
    const mark = make("div", "region"); mark.hidden = true; sheet.append(mark)
    const show = (box) => {
      mark.hidden = !box
      if (box) { const [t, l, b, r] = box; Object.assign(mark.style, { top: 100 * t / one.height + "%", left: 100 * l / one.width + "%", height: 100 * (b - t) / one.height + "%", width: 100 * (r - l) / one.width + "%", display: "block", boxSizing: "border-box" }) }
      else mark.style.display = "none"
    }
    show(region)
    let start = null
    const at = (event) => {
      const box = sheet.getBoundingClientRect(), clip = (v, most) => Math.min(most, Math.max(0, v))
      return [clip((event.clientY - box.top) / box.height * one.height, one.height), clip((event.clientX - box.left) / box.width * one.width, one.width)]
    }
    const span = (a, b) => {
      const low = [Math.floor(Math.min(a[0], b[0])), Math.floor(Math.min(a[1], b[1]))], high = [Math.ceil(Math.max(a[0], b[0])), Math.ceil(Math.max(a[1], b[1]))]
      return Math.max(Math.abs(a[0] - b[0]) * 256 / one.height, Math.abs(a[1] - b[1]) * 256 / one.width) < 4 || high[0] <= low[0] || high[1] <= low[1] ? null : [...low, ...high]
    }
    sheet.onpointerdown = (event) => { event.preventDefault(); start = at(event); sheet.setPointerCapture(event.pointerId); root.focus({ preventScroll: true }) }
    sheet.onpointermove = (event) => { if (start) show(span(start, at(event))) }
    sheet.onpointerup = (event) => {
      if (!start) return
      const box = span(start, at(event)); start = null
      kept.drafts[one.id] = { ...kept.drafts[one.id], region: box }; keep()
      const held = mine(one.id)
      if (held.verdict) decide(held.verdict); else draw()
    }
    const facts = [make("div", "name", one.name)]
    if (one.facts) facts.push(make("div", "quiet", one.facts))
    facts.push(make("div", "quiet", region ? `marked: rows ${region[0]} to ${region[2] - 1}, columns ${region[1]} to ${region[3] - 1}` : ""))
    const maps = make("div", "maps", ...one.maps.map((map) => make("figure", "", make("h4", "", map.name), picture(map.url, `${map.name} map of ${one.name}`), make("figcaption", "", map.text))))
    const strip = (title, from) => {
      const head = make("h4", "", title); head.append(make("span", "", from.note))
      const row = make("div", "row", ...from.items.map((item) => { const f = make("figure", item.marked ? "marked" : "", picture(item.url, item.name), make("figcaption", "", item.text)); f.title = `${item.name}, distance ${item.text}`; return f }))
      return make("div", "", head, row)
    }
    const table = make("table")
    for (const line of one.measures) {
      const share = make("span", "share"); share.style.width = 34 * line.share + "px"
      const cell = make("td", "", share); cell.style.width = "38px"; cell.style.paddingRight = 0
      const row = make("tr", line.name === latest.flagged?.measure ? "by" : "", make("td", "", line.title), make("td", "n", line.value), make("td", "n quiet", line.error), make("td", "n r", line.of === one.measures[0].of ? line.rank : `${line.rank} of ${line.of}`), cell)
      row.title = line.about + ` Rank ${line.rank} of ${line.of}.`
      table.append(row)
    }
    const numbers = make("h4", "", "Measures"); numbers.append(make("span", "", "value, standard error, rank" + (one.measures.length ? ` of ${one.measures[0].of}` : "")))
    return make("div", "case",
      make("div", "narrow", sheet, ...facts, ...one.made.slice(2).map((made) => strip(made.title, made))),  // so that all stands on one screen
      make("div", "", maps, strip("In the training set", one.twins), ...one.made.slice(0, 2).map((made) => strip(made.title, made))),
      make("div", "numbers", numbers, one.measures.length ? table : make("div", "quiet", "Nothing has been measured yet.")))
  }

  if (whole) document.removeEventListener("keydown", whole)
  whole = (event) => {
    if (!root.isConnected || event.ctrlKey && event.key !== "z" || event.metaKey && event.key !== "z" || event.altKey) return
    const target = event.composedPath()[0]
    if (target !== document.body && !root.contains(target)) return
    if (target.matches?.("input[type=text]")) return
    const act = { ArrowRight: () => step(1), ArrowLeft: () => step(-1), j: () => step(1), k: () => step(-1), u: undo, z: () => (event.ctrlKey || event.metaKey) && undo(),
      n: () => root.querySelector(".note")?.focus(), g: () => { together = !together; draw() } }[event.key]
    const verdict = VERDICTS["1234".indexOf(event.key)]
    if (verdict && event.key.length === 1) { event.preventDefault(); if (shelf.has(key(latest.at)) && decide(verdict)) step(1); else draw() }
    else if (act) { event.preventDefault(); message = message[1] ? message : ["", false]; act() }
  }
  document.addEventListener("keydown", whole)
  if (owed && latest.order[spot(at) + owed]) { message = ["", false]; step(owed) } else draw()
  if (document.activeElement === document.body) root.focus({ preventScroll: true })
}
"""

_component = st.components.v2.component("afterimage_desk", html=_HTML, css=_CSS, js=_JS)


def desk(data: Mapping[str, Any], key: str, on_change: Callable[[], None]) -> None:
    """Draw the desk; `on_change` finds {at, known, outbox} in st.session_state[key]["desk"]."""
    _component(key=key, data=dict(data), on_desk_change=on_change)
