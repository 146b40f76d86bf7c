import assert from "node:assert/strict"
import { test } from "node:test"
import { document, mounted } from "./dom.js"
import { moved } from "../../pages/widgets/cards.js"
import gallery from "../../pages/widgets/gallery.js"

const cards = [..."abcdefg"].map((id) => ({
  id,
  title: `<b>${id}</b>`,
  note: "n",
  alt: `is ${id}`,
}))
const sheet = { url: "data:,", columns: 4, width: 8, height: 8 }

async function shown(data = {}) {
  const { parent, root } = mounted()
  const events = []
  const run = async (more) => {
    gallery({
      data: { cards, sheet, scale: 2, selected: "b", alt: "Images", turn: 0, ...more },
      parentElement: parent,
      setTriggerValue: (_, event) => events.push(event),
    })
    await Promise.resolve().then(() => {})
  }
  await run(data)
  const box = root.children[0]
  return {
    box,
    events,
    run,
    marked: () =>
      box.children.filter((b) => b.getAttribute("aria-selected") === "true").map((b) =>
        b.dataset.id
      ),
  }
}

function press(box, key) {
  let prevented = false
  box.onkeydown({ key, preventDefault: () => prevented = true })
  return prevented
}

test("arrow keys move by one card and by one row, and stop at the ends", () => {
  assert.deepEqual(
    ["ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp", "Home", "End"].map((key) =>
      moved(key, 4, 7, 3)
    ),
    [5, 3, 6, 1, 0, 6],
  )
  assert.equal(moved("ArrowLeft", 0, 7, 3), 0)
  assert.equal(moved("ArrowDown", 6, 7, 3), 6)
  assert.equal(moved("Enter", 4, 7, 3), null)
})

test("a click selects at once and says so in one event", async () => {
  const { box, events, marked } = await shown()
  assert.deepEqual(marked(), ["b"])
  box.children[4].onclick()
  assert.deepEqual(marked(), ["e"])
  assert.deepEqual(events, [{ kind: "selected", id: "e", turn: 1 }])
})

test("keys select from the focused card and leave other keys alone", async () => {
  const { box, events, marked } = await shown()
  box.children[1].focus()
  assert.equal(press(box, "ArrowDown"), true)
  assert.equal(press(box, "ArrowRight"), true)
  assert.equal(press(box, "Tab"), false)
  assert.deepEqual([marked(), document.activeElement.dataset.id], [["f"], "f"])
  press(box, "End")
  press(box, "End")
  assert.deepEqual(events.map(({ id }) => id), ["e", "f", "g"])
})

test("one card is in the tab order, also where none is selected", async () => {
  const { box } = await shown({ selected: null })
  assert.deepEqual(box.children.map((card) => card.tabIndex), [0, -1, -1, -1, -1, -1, -1])
})

test("an answer to an earlier click does not take the frame back", async () => {
  const { box, run, marked } = await shown()
  box.children[3].onclick()
  box.children[4].onclick()
  await run({ selected: "d", turn: 1 })
  assert.deepEqual(marked(), ["e"])
  await run({ selected: "e", turn: 2 })
  assert.deepEqual(marked(), ["e"])
  await run({ selected: "a", turn: 2 })
  assert.deepEqual(marked(), ["a"])
})

test("the same cards are not built again, and new ones keep the focus", async () => {
  const { box, run } = await shown()
  const first = box.children[0]
  box.children[1].focus()
  await run({ selected: "a" })
  assert.equal(box.children[0], first)
  await run({ cards: cards.slice(2), selected: "c" })
  assert.equal(box.children.length, 5)
  assert.equal(document.activeElement, box.children[0])
})

test("each card shows its own picture of the sheet and its lines as text", async () => {
  const { box } = await shown()
  const [canvas, title] = box.children[5].children
  assert.deepEqual(canvas.context.drawn[0].slice(1, 5), [8, 8, 8, 8])
  assert.equal(canvas.style.width, "16px")
  assert.equal(title.textContent, "<b>f</b>")
  assert.equal(box.children[5].getAttribute("aria-label"), "is f")
})
