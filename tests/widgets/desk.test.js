import assert from "node:assert/strict"
import { mock, test } from "node:test"
import "./dom.js"
import { rankText } from "../../pages/widgets/case.js"
import { decision, Outbox, reversal, standing } from "../../pages/widgets/outbox.js"
import { Post } from "../../pages/widgets/post.js"
import { Queue } from "../../pages/widgets/queue.js"
import { point, regionText, span } from "../../pages/widgets/region.js"

const who = { model: "m", reviewer: "Ada", flagged: null }

function storage(text = null) {
  const kept = { text }
  const store = { getItem: () => kept.text, setItem: (_, value) => kept.text = value }
  return { kept, give: () => store }
}

const saved = { revision: 3, verdict: "unsure", note: "n", region: [0, 0, 1, 1], stale: ["old"] }

test("what is on its way stands above what is saved", () => {
  const acts = [{ changes: [{ image: "a", verdict: "memorised", note: "", region: null }] }]
  assert.deepEqual(standing("b", saved, acts), saved)
  const now = standing("a", saved, acts)
  assert.deepEqual([now.verdict, now.revision, now.stale, now.waiting], ["memorised", 4, [], true])
  assert.deepEqual(standing("c", undefined, []).verdict, null)
})

test("a decision on near-duplicates gives the region to the case alone and says what was before", () => {
  const held = [saved, { ...saved, revision: 0, verdict: null }]
  const act = decision(["a", "b"], held, { verdict: "memorised", note: "x", region: [1, 2, 3, 4] })
  assert.deepEqual(act.changes.map(({ image, based_on, region }) => [image, based_on, region]), [
    ["a", 3, [1, 2, 3, 4]],
    ["b", 0, null],
  ])
  assert.deepEqual(act.before.b, { verdict: null, note: "n", region: [0, 0, 1, 1] })
  const back = reversal("name", ["a", "z"], act.before)
  assert.deepEqual(back.changes.map(({ verdict }) => verdict), ["unsure", null])
})

test("an outbox outlives a reload and forgets what is confirmed", () => {
  const { kept, give } = storage()
  const outbox = new Outbox(give)
  outbox.add({ changes: [] }, who)
  outbox.add({ changes: [] }, who)
  outbox.write("a", { note: "draft" })
  const again = new Outbox(storage(kept.text).give)
  assert.deepEqual([again.acts, again.draft("a")], [outbox.acts, { note: "draft" }])
  assert.equal(outbox.confirm(["another"]), false)
  assert.equal(outbox.confirm([outbox.acts[0].action]), true)
  assert.equal(JSON.parse(kept.text).outbox.length, 1)
})

test("a store that is forbidden or holds nonsense costs nothing", () => {
  const forbidden = new Outbox(() => {
    throw new Error("SecurityError")
  })
  forbidden.add({ changes: [] }, who)
  assert.equal(forbidden.acts.length, 1)
  assert.deepEqual(new Outbox(storage("{").give).acts, [])
})

test("actions of another reviewer or model are not counted as one's own", () => {
  const outbox = new Outbox(storage().give)
  outbox.add({ changes: [] }, who)
  assert.equal(outbox.of({ ...who, reviewer: "Bob" }).length, 0)
  assert.equal(outbox.of({ ...who, model: "other" }).length, 0)
})

test("undo takes back one action after the other, the latest first", () => {
  const outbox = new Outbox(storage().give)
  const undoable = [{ action: "old", images: ["z"], before: { z: { verdict: "unsure" } } }]
  outbox.add(decision(["a"], [standing("a", undefined, [])], { verdict: "memorised" }), who)
  assert.deepEqual(outbox.undo(who, undoable), ["a"])
  assert.deepEqual(outbox.undo(who, undoable), ["z"])
  assert.equal(outbox.undo(who, undoable), null)
  const backs = outbox.acts.slice(1).map(({ undoes, changes }) => [undoes, changes[0].verdict])
  assert.deepEqual(backs, [[outbox.acts[0].action, null], ["old", "unsure"]])
})

const cases = (...ids) => ids.map((id) => ({ id }))
const order = Array.from({ length: 60 }, (_, i) => `i${i}`)
const page = {
  ...{ queue: "q", version: "v", order, first: 100, total: 300, at: "i20" },
  ...{ cases: [], film: {} },
}

test("the browser knows where the auditor is, unless the page sent them elsewhere", () => {
  const queue = new Queue()
  queue.update(page)
  assert.equal(queue.at, "i20")
  queue.at = "i21"
  queue.update({ ...page, at: "i20", asked: "i20" })
  assert.equal(queue.at, "i21")
  queue.update({ ...page, order: order.slice(30), at: "i40", asked: "i21" })
  assert.equal(queue.at, "i40")
  queue.update({ ...page, queue: "other", at: "i3" })
  assert.equal(queue.at, "i3")
})

test("where the page sends the auditor is obeyed once", () => {
  const queue = new Queue()
  queue.update(page)
  queue.update({ ...page, at: "i30", sent: "i30", asked: "i20" })
  assert.equal(queue.at, "i30")
  queue.at = "i31"
  queue.update({ ...page, at: "i30", sent: "i30", asked: "i20" }) // it has gone on meanwhile
  assert.equal(queue.at, "i31")
  queue.update({ ...page, at: "i31", sent: null, asked: "i31" })
  queue.update({ ...page, at: "i30", sent: "i30", asked: "i31" })
  assert.equal(queue.at, "i30")
})

test("a step leads to the next case, to an end, or is owed until the next cases come", () => {
  const queue = new Queue()
  queue.update(page)
  assert.deepEqual([queue.step(1), queue.number], [{ id: "i21" }, 121])
  queue.at = "i59"
  assert.deepEqual([queue.step(1), queue.owed], [{}, 1])
  assert.equal(queue.step(-1).id, "i58")
  assert.equal(queue.owed, 0)
  queue.update({ ...page, first: 240, asked: "i59" })
  assert.deepEqual(queue.step(1), { end: true })
})

test("cases that depend on something that has changed are asked for again", () => {
  const queue = new Queue()
  queue.update({ ...page, cases: cases("i20", "i21") })
  assert.deepEqual(queue.known, ["i20", "i21"])
  assert.equal(queue.short, true) // of the next 16
  queue.update({ ...page, cases: cases(...order.slice(22, 36)) })
  assert.equal(queue.short, false)
  queue.update({ ...page, version: "w", cases: cases("i22") })
  assert.deepEqual(queue.known, ["i22"])
  assert.equal(queue.short, true)
})

test("the film shows a case before everything about it was sent", () => {
  const queue = new Queue()
  queue.update({ ...page, cases: cases("i20"), film: { i21: { name: "b", picture: "p" } } })
  assert.deepEqual([queue.glance("i20").id, queue.glance("i21").name], ["i20", "b"])
  assert.equal(queue.glance("i22"), undefined)
})

test("the film shows what is around the case and no more than it has room for", () => {
  const queue = new Queue()
  queue.update(page)
  assert.deepEqual([queue.around(22)[0], queue.around(22).length], ["i14", 22])
  queue.at = "i59"
  assert.equal(queue.around(22).at(-1), "i59")
  queue.at = "i0"
  assert.equal(queue.around(22)[0], "i0")
})

test("one message is sent at a time, and what was not dealt with is sent again", () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] })
  const queue = { at: "a", known: [] }
  const outbox = { acts: [] }
  const post = new Post(queue, outbox)
  const sent = []
  post.send = (kind, { at }) => sent.push([kind, at])
  post.flush(false)
  mock.timers.tick(149)
  assert.deepEqual(sent, [])
  mock.timers.tick(1)
  assert.deepEqual(sent, [["state", "a"]])
  queue.at = "b"
  post.flush()
  mock.timers.tick(4000)
  assert.equal(sent.length, 1)
  outbox.acts.push({ action: "x" })
  post.answered(false)
  mock.timers.tick(0)
  assert.deepEqual(sent[1], ["state", "b"])
  post.answered(false)
  mock.timers.tick(2999)
  assert.equal(sent.length, 2)
  mock.timers.tick(1)
  assert.equal(sent.length, 3)
  mock.timers.reset()
})

test("a region is whole pixels between two points; a click is none", () => {
  const one = { width: 32, height: 16 }
  const box = { left: 0, top: 0, width: 256, height: 128 }
  const from = point({ clientX: 33, clientY: 65 }, box, one)
  assert.deepEqual(from, [8.125, 4.125])
  assert.deepEqual(span(from, [2.5, 12.2], one), [2, 4, 9, 13])
  assert.equal(span(from, [8.2, 4.2], one), null)
  assert.deepEqual(point({ clientX: -9, clientY: 999 }, box, one), [16, 0])
  assert.equal(regionText([2, 4, 9, 13]), "marked: rows 2 to 8, columns 4 to 12")
  assert.equal(regionText(null), "")
})

test("a rank names its total where it is not the heading's", () => {
  assert.equal(rankText({ rank: "3", of: "100" }, "100"), "3")
  assert.equal(rankText({ rank: "3", of: "90" }, "100"), "3/90")
})
