import assert from "node:assert/strict"
import { test } from "node:test"
import "./dom.js"
import { steps, summary } from "../../pages/widgets/replay.js"
import { at, plan, spot, TALLEST } from "../../pages/widgets/wall.js"

const sheet = { width: 8, height: 8 }

test("a wall is as large as fits without scrolling, by a whole factor", () => {
  const few = plan(300, sheet, 1000)
  assert.deepEqual([few.picture, few.columns], [[32, 32], 27])
  const many = plan(4000, sheet, 1000)
  assert.ok(many.picture[0] < 32)
  assert.ok(Math.ceil(4000 / many.columns) * many.pitch[1] <= TALLEST)
  assert.deepEqual(plan(4000, { width: 64, height: 64 }, 300).picture, [16, 16])
})

test("the pointer finds the picture that stands there, of those drawn", () => {
  const wall = plan(300, sheet, 1000)
  for (const i of [0, 26, 27, 299]) {
    const [x, y] = spot(i, wall)
    assert.equal(at(x + 5, y + 5, wall, 300), i)
  }
  assert.equal(at(5, 5, wall, 0), null)
  assert.equal(at(wall.columns * wall.pitch[0] + 1, 5, wall, 300), null)
})

test("the line of copies steps where their count changes and reaches the end", () => {
  assert.equal(steps([0, 1, 1, 1], (n) => n, (n) => n), "M0 0H2.0V1.0H4.0V1.0")
})

test("what was drawn is told in words", () => {
  assert.equal(summary(1, 1, 1), "1 drawn, 1 copy of 1 training image")
  assert.equal(summary(1200, 30, 0), "1,200 drawn, 30 copies of 0 training images")
})
