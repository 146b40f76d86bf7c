import assert from "node:assert/strict"
import { test } from "node:test"
import "./dom.js"
import { corner, fit, Sheet } from "../../pages/widgets/sheet.js"

test("pictures are enlarged by whole factors and reduced by one over a whole number", () => {
  assert.deepEqual(
    [[8, 100], [32, 32], [64, 33], [64, 32], [64, 31], [10, 0]].map((pair) => fit(...pair)),
    [
      12,
      1,
      1 / 2,
      1 / 2,
      1 / 3,
      1 / 10,
    ],
  )
})

test("a sheet is filled row by row", () => {
  const sheet = { columns: 3, width: 10, height: 20 }
  assert.deepEqual([0, 2, 3, 7].map((i) => corner(i, sheet)), [[0, 0], [20, 0], [0, 20], [10, 40]])
})

test("a picture is painted from its place in the sheet onto its canvas", () => {
  const sheet = new Sheet({ url: "data:,", columns: 2, width: 4, height: 5 })
  const canvas = sheet.canvas("A cat")
  sheet.paint(canvas.getContext("2d"), 3)
  assert.deepEqual(canvas.context.drawn, [[sheet.image, 4, 5, 4, 5, 0, 0, 4, 5]])
  assert.deepEqual([canvas.width, canvas.height, canvas.getAttribute("role")], [4, 5, "img"])
  assert.equal(sheet.canvas().getAttribute("aria-hidden"), "true")
})
