import assert from "node:assert/strict"
import { test } from "node:test"
import "./dom.js"
import { arrowStep, dragged, grips, nudged, sent } from "../../pages/widgets/modes.js"
import { byPower, next } from "../../pages/widgets/plane.js"
import { axisLength, shifted } from "../../pages/widgets/probe.js"

const limits = { extent: 5, widest: 2 }
const mode = [1, 2, 0.5, 0.8, 30, 1]

test("a centre moves as far as the pointer and stays in the plane", () => {
  assert.deepEqual(dragged("centre", mode, [0, 0], [1, -1], limits), [2, 1, 0.5, 0.8, 30, 1])
  assert.deepEqual(dragged("centre", mode, [0, 0], [9, -9], limits).slice(0, 2), [5, -5])
  assert.deepEqual(mode, [1, 2, 0.5, 0.8, 30, 1])
})

test("a width that is dragged to where its grip stands stays as it is", () => {
  for (const [name, x, y] of grips(mode, true).slice(1)) {
    assert.deepEqual(dragged(name, mode, [0, 0], [x, y], limits), mode)
  }
  assert.equal(grips(mode, false).length, 1)
})

test("a width's grip stretches and turns, up to the widest", () => {
  const row = dragged("sx", [0, 0, 1, 1, 0, 1], [0, 0], [0, 9], limits)
  assert.deepEqual(row, [0, 0, 2, 1, 90, 1])
  assert.equal(dragged("sy", [0, 0, 1, 1, 0, 1], [0, 0], [1, 0], limits)[4], -90)
})

test("keys move a centre and change a width, ten times as far as a tenth with shift", () => {
  assert.deepEqual(arrowStep({ key: "ArrowUp", shiftKey: false }), [0, 0.1])
  assert.deepEqual(arrowStep({ key: "ArrowLeft", shiftKey: true }), [-0.5, 0])
  assert.equal(arrowStep({ key: "a" }), null)
  assert.deepEqual(nudged("centre", mode, [0.1, 0], limits).slice(0, 2), [1.1, 2])
  assert.equal(nudged("sy", mode, [0, -0.9], limits)[3], 0)
})

test("modes are sent in four digits", () => {
  assert.deepEqual(sent([[1 / 3, 2]]), [[0.3333, 2]])
})

test("a probe is held in the plane and rounded", () => {
  assert.deepEqual(shifted([4.951, -1], [0.1, 0.004], 5), [5, -1])
})

test("an axis of the Hessian is a standard deviation long, within limits", () => {
  assert.ok(Math.abs(axisLength(-1, 5) - 48) < 1e-3)
  assert.deepEqual([axisLength(0, 5), axisLength(-1e6, 5)], [110, 12])
})

test("an animation goes up and down between its ends", () => {
  assert.deepEqual(next(0, true, 0.45, 10), [1, true])
  assert.deepEqual(next(9.9, true, 0.45, 10), [10, false])
  assert.deepEqual(next(0.1, false, 0.45, 10), [0, true])
})

test("values hold a field for each power where there are more than one for each level", () => {
  assert.deepEqual([
    byPower(null, 3, 4),
    byPower(new Float32Array(12), 3, 4),
    byPower(new Float32Array(24), 3, 4),
  ], [false, false, true])
})
