import assert from "node:assert/strict"
import { test } from "node:test"
import { mounted } from "./dom.js"
import { clamp, clock, floats, life, make, recall, short } from "../../pages/widgets/base.js"

test("a value is held between its limits", () => {
  assert.deepEqual([-1, 0.5, 7].map((value) => clamp(value, 0, 1)), [0, 0.5, 1])
})

test("numbers are short, and a power of ten where they are large or small", () => {
  const told = [0, 1, 1.2345, -123.456, 9999, 12345, 0.00321, Infinity, NaN].map((v) => short(v))
  const expected = ["0", "1", "1.23", "-123", "10000", "1.2e+4", "3.2e-3", "unknown", "unknown"]
  assert.deepEqual(told, expected)
  assert.equal(short(12345, 2), "1.23e+4")
})

test("strings of users become text, not elements", () => {
  const element = make("div", "name", "<b>bold</b>")
  assert.equal(element.textContent, "<b>bold</b>")
  assert.equal(element.children.length, 0)
})

test("values travel as little-endian float32", () => {
  assert.deepEqual([...floats("AACAPwAAIMA=")], [1, -2.5])
  assert.equal(floats(null), null)
})

test("what a visitor moved is remembered by key", () => {
  recall("a", { at: 1 }).at = 5
  assert.deepEqual([recall("a", { at: 1 }).at, recall("b", { at: 1 }).at], [5, 1])
})

test("a clock plays in steps of at most a tenth of a second and rests when its step says so", () => {
  const { root } = mounted()
  const frames = []
  const steps = []
  let rests = 0
  globalThis.requestAnimationFrame = (frame) => frames.push(frame)
  const { button, play } = clock(root, (seconds) => steps.push(seconds) < 3, () => rests++)
  play()
  assert.equal(button.textContent, "Pause")
  const start = performance.now()
  for (const after of [-50, 40, 5000]) frames.shift()(start + after)
  assert.equal(steps[0], 0)
  assert.ok(Math.abs(steps[1] - 0.09) < 1e-3)
  assert.equal(steps[2], 0.1)
  assert.deepEqual([button.textContent, rests, frames.length], ["Play", 1, 0])
})

test("a view is built once, counts its events and is told when data answer an earlier one", () => {
  const { parent, root } = mounted()
  const built = []
  const seen = []
  class View {
    constructor(element) {
      built.push(element)
    }
    update(data, send, settled) {
      this.send = send
      seen.push([data.value, settled])
      View.last = this
    }
  }
  const events = []
  const run = life(View)
  const update = (data) =>
    run({
      data,
      parentElement: parent,
      setTriggerValue: (name, event) => events.push([name, event]),
    })
  update({ value: "a", turn: 4 })
  View.last.send("selected", { id: "x", kind: "other", turn: 99 })
  View.last.send("selected", { id: "y" })
  update({ value: "late", turn: 5 })
  update({ value: "b", turn: 6 })
  assert.deepEqual(built, [root])
  assert.deepEqual(events, [
    ["event", { kind: "selected", id: "x", turn: 5 }],
    ["event", { kind: "selected", id: "y", turn: 6 }],
  ])
  assert.deepEqual(seen, [["a", true], ["late", false], ["b", true]])
})
