import assert from "node:assert/strict"
import { test } from "node:test"
import "./dom.js"
import { colour, linear } from "../../pages/widgets/colours.js"
import {
  arrowPath,
  blend,
  limits,
  paint,
  share,
  sigmaAt,
  valueAt,
} from "../../pages/widgets/field.js"
import { across, cellAt, height, pathPoints, SIDE, under } from "../../pages/widgets/frame.js"

const close = (a, b) =>
  assert.ok(Math.abs(a - b) < 1e-6 * Math.max(1, Math.abs(b)), `${a} is not ${b}`)

test("what is no number has the lowest colour, and shares are held between 0 and 1", () => {
  const table = Array.from({ length: 256 }, (_, i) => [i, i, i])
  const drawn = [NaN, -1, 0.5, 2].map((at) => colour(table, at)[0])
  assert.deepEqual(drawn, [0, 0, 128, 255])
  assert.equal(linear(3, 3, 3), 0)
})

test("fields are blended between levels and noise levels by their logarithm", () => {
  const values = Float32Array.from([9, 9, 0, 2, 4, 10])
  assert.deepEqual([...blend(values, 2, 2, 0)], [0, 2])
  assert.deepEqual([...blend(values, 2, 2, 0.25)], [1, 4])
  close(sigmaAt([10, 1, 0.1], 0.5), Math.sqrt(10))
  assert.equal(sigmaAt([10, 1, 0.1], 2), 0.1)
})

test("each scale has its limits", () => {
  const values = Float32Array.from({ length: 101 }, (_, i) => i - 50)
  assert.deepEqual(limits("density", values), [38, 50, 0])
  assert.deepEqual(limits("plain", values), [-45, 50, 0])
  const [low, high, part] = limits("signed", values)
  assert.deepEqual([low, high, part], [-50, 50, 0.5])
  assert.equal(limits("size", values)[0], 0)
  assert.deepEqual(limits("plain", Float32Array.from([NaN, Infinity])), [0, 0, 0])
})

test("the bar's values are those drawn at its shares, on every scale", () => {
  for (
    const [scale, range] of [["plain", [-3, 7, 0]], ["signed", [-50, 50, 0.5]], ["size", [
      0,
      50,
      0.5,
    ]]]
  ) {
    for (const at of [0, 0.2, 0.5, 1]) close(share(scale, range, valueAt(scale, range, at)), at)
  }
  close(share("signed", [-50, 50, 0.5], 0), 0.5)
})

test("a field is painted with ascending y upwards", () => {
  const table = Array.from({ length: 256 }, (_, i) => [i, 0, 0])
  let put = null
  const context = {
    createImageData: (w, h) => ({ data: new Uint8ClampedArray(4 * w * h) }),
    putImageData: (pixels) => put = pixels,
  }
  paint(context, [0, 0, 1, 1], 2, table, 4)
  const rows = [0, 1, 2, 3].map((row) => put.data[16 * row])
  assert.deepEqual(rows, [255, 191, 64, 0])
  assert.equal(put.data[3], 255)
})

test("arrows point where they say: upwards is up on the screen", () => {
  const [shaft, head] = arrowPath(Float32Array.from([0, 1]), 100).slice(1).split("M")
  const [[x0, y0], [x1, y1]] = shaft.split("L").map((point) => point.split(" ").map(Number))
  assert.ok(x0 === 50 && x1 === 50 && y1 < 50 && y0 > 50)
  assert.equal(head.split("L")[1], shaft.split("L")[1])
  assert.equal(arrowPath(Float32Array.from([0, 0]), 100), "")
})

test("the plane's corners are the square's, and the pointer leads back", () => {
  assert.deepEqual([across(-5, 5), across(5, 5), height(5, 5), height(-5, 5)], [0, SIDE, 0, SIDE])
  const box = { left: 10, top: 20, width: 200, height: 200 }
  assert.deepEqual(under({ clientX: 160, clientY: 70 }, box, 4), [2, 2])
  assert.deepEqual(under({ clientX: 999, clientY: 999 }, box, 4), [4, -4])
})

test("a point stands in one cell, rows counted upwards", () => {
  assert.equal(cellAt([-0.9, -0.9], 1, 4), 0)
  assert.equal(cellAt([0.9, -0.9], 1, 4), 3)
  assert.equal(cellAt([-0.9, 0.9], 1, 4), 12)
  assert.equal(cellAt([1, 1], 1, 4), 15)
})

test("a path is read from its start up and from its end down", () => {
  const path = { n: 1, xy: Float32Array.from([-1, 0, 0, 0, 1, 0]) }
  const at = (frame, back) => pathPoints(path, frame, back, 1)[0]
  const expected = [[0, false], [2, false], [0, true], [9, true]].map(([frame, back]) =>
    at(frame, back)
  )
  assert.deepEqual(expected, ["0.0 240.0", "480.0 240.0", "480.0 240.0", "0.0 240.0"])
})
