import assert from "node:assert/strict"
import { test } from "node:test"
import "./dom.js"
import { brightness } from "../../pages/widgets/colours.js"
import { asked, factor, place, pointed, positions } from "../../pages/widgets/maps.js"
import { boundary } from "../../pages/widgets/wipe.js"

test("three pictures stand side by side by a whole factor", () => {
  assert.deepEqual([factor(32, 256, 0), factor(32, 256, 500), factor(32, 256, 50)], [8, 4, 1])
})

test("a map stands at its sliders' positions, and in one place along an axis it does not move on", () => {
  const at = (i, j, shape) => place([i, j], shape)
  assert.deepEqual([at(1, 2, [2, 3]), at(1, 2, [1, 3]), at(1, 2, [2, 1]), at(1, 2, [1, 1])], [
    5,
    2,
    1,
    0,
  ])
  assert.equal(place([], [2, 3]), 0)
})

test("a slider stays where it was moved until the page asks for other positions", () => {
  const axis = { label: "p", names: ["1", "2", "3"], start: 2 }
  const moved = { p: { name: "2", asked: asked(axis) } }
  assert.deepEqual(positions([axis], {}), [2])
  assert.deepEqual(positions([axis], moved), [1])
  assert.deepEqual(positions([{ ...axis, start: 0 }], moved), [0])
  assert.deepEqual(positions([{ ...axis, names: ["2", "3", "4"] }], moved), [2])
})

test("the pointer's pixel is in the map, also at its edge", () => {
  const box = { left: 0, top: 0, width: 100, height: 50 }
  assert.deepEqual(pointed({ clientX: 99.9, clientY: 10 }, box, [5, 10]), [1, 9])
  assert.deepEqual(pointed({ clientX: 100, clientY: 50 }, box, [5, 10]), [4, 9])
})

test("white and black keep their brightness", () => {
  assert.deepEqual([brightness(255, 255, 255), brightness(0, 0, 0)].map(Math.round), [255, 0])
})

test("a wipe's boundary follows the pointer in percent", () => {
  const box = { left: 100, width: 320 }
  assert.deepEqual([340, 0, 999].map((x) => boundary(x, box)), [75, 0, 100])
})
