import assert from "node:assert/strict"
import { test } from "node:test"
import "./dom.js"
import { across, nearest, ticks, up, WIDE } from "../../pages/widgets/candidates.js"
import { countText, frameOf, frames, weightText } from "../../pages/widgets/trajectory.js"

const sigmas = [100, 10, 1, 0.1]

test("a film has both ends of a path and no more frames than there are levels", () => {
  const film = frames(30)
  assert.deepEqual([film.length, film[0], film.at(-1)], [12, 0, 30])
  assert.deepEqual([frames(2), frames(0)], [[0, 1, 2], [0]])
})

test("the frame nearest to a level is current, the first of two", () => {
  assert.deepEqual([frameOf(4, [0, 3, 5]), frameOf(9, [0, 3, 5]), frameOf(0, [0, 3, 5])], [1, 2, 0])
})

test("weights and counts are short", () => {
  assert.deepEqual([0, 1e-6, 0.25].map(weightText), ["0.000", "< 0.001", "0.250"])
  assert.deepEqual([1, 9.96, 1234.5].map(countText), ["1.0", "10.0", "1,235"])
})

test("noise levels stand evenly by their logarithm and the pointer finds the nearest", () => {
  const places = sigmas.map((_, i) => across(i, sigmas))
  const gaps = places.slice(1).map((x, i) => x - places[i])
  assert.ok(gaps.every((gap) => Math.abs(gap - gaps[0]) < 1e-9))
  assert.ok(places.at(-1) < WIDE)
  assert.deepEqual(places.map((x) => nearest(x + 1, sigmas)), [0, 1, 2, 3])
  assert.ok(Number.isFinite(across(0, [5])))
})

test("more candidates stand higher", () => {
  assert.ok(up(1000, 1000) < up(10, 1000) && up(10, 1000) < up(1, 1000))
})

test("ticks are powers of ten, or the ends of a short range", () => {
  assert.deepEqual(ticks(sigmas).map((tick) => Number(tick.toPrecision(3))), sigmas)
  assert.deepEqual(ticks([5, 2]), [5, 2])
  assert.deepEqual(ticks([5]), [5])
})
