import assert from "node:assert/strict"
import { test } from "node:test"
import { document, heard, mounted } from "./dom.js"

const observers = []
globalThis.IntersectionObserver = class {
  constructor(act) {
    this.see = (isIntersecting) => act([{ isIntersecting }])
    observers.push(this)
  }
  observe() {}
  disconnect() {
    this.see = () => {}
  }
}
const { default: waiting } = await import("../../pages/widgets/waiting.js")

function shown() {
  const { parent, root } = mounted()
  const events = []
  const run = () =>
    waiting({
      data: { title: "<b>Table</b>", height: 300, turn: 0 },
      parentElement: parent,
      setTriggerValue: (_, event) => events.push(event.kind),
    })
  run()
  return { root, events, run, observer: observers.at(-1) }
}

test("the place is kept, and asks for its part once it is in sight, and only once", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] })
  document.querySelector = () => ({})
  const { root, events, run, observer } = shown()
  assert.equal(root.style.height, "300px")
  observer.see(false)
  t.mock.timers.tick(1000)
  assert.deepEqual(events, [])
  observer.see(true)
  for (let i = 0; i < 9; i++) t.mock.timers.tick(60)
  run()
  observer.see(true)
  root.children[0].onclick()
  assert.deepEqual(events, ["seen"])
})

test("it waits while the page runs, and while it is out of sight again", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] })
  let rests = false
  document.querySelector = () => rests ? {} : null
  const wait = () => {
    for (let i = 0; i < 9; i++) t.mock.timers.tick(60)
  }
  const { events, observer } = shown()
  observer.see(true)
  wait()
  assert.deepEqual(events, [])
  observer.see(false)
  rests = true
  wait()
  assert.deepEqual(events, [])
  observer.see(true)
  wait()
  assert.deepEqual(events, ["seen"])
})

test("it waits after a press, which may be about to start something", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] })
  document.querySelector = () => ({})
  const { events, observer } = shown()
  heard.click()
  observer.see(true)
  for (let i = 0; i < 9; i++) t.mock.timers.tick(60)
  assert.deepEqual(events, [])
})

test("its button asks for the part as well, and shows the title as text", () => {
  const { root, events } = shown()
  assert.equal(root.children[0].textContent, "<b>Table</b>")
  root.children[0].onclick()
  assert.deepEqual(events, ["seen"])
})
