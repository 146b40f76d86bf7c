import assert from "node:assert/strict"
import { test } from "node:test"
import { mounted } from "./dom.js"
import { quantised } from "../../pages/widgets/base.js"
import { label, logTicks, range, ticks } from "../../pages/widgets/chart.js"
import explorer, { Details, fetched, paced } from "../../pages/widgets/explorer.js"
import { standing } from "../../pages/widgets/maps.js"

const packed = (whole) =>
  btoa(String.fromCharCode(...new Uint8Array(Uint16Array.from(whole).buffer)))
const entry = (id, i) => ({
  id,
  name: `name ${id}`,
  facts: `<i>${id}</i>`,
  value: i,
  numbers: [[`value ${id}`, "more"]],
  curves: [[i, i + 1]],
  x: null,
  texts: [`half ${id}`, `whole ${id}`],
})
const kind = {
  name: "Growth",
  shape: [1, 1],
  size: [1, 2],
  low: 0,
  high: 1,
  signed: false,
  unit: "nats",
  note: "",
}
const grey = Array.from({ length: 256 }, (_, i) => [i, i, i])
const page = {
  alt: "Images",
  sheet: { url: "data:,", columns: 2, width: 4, height: 4 },
  scale: 1,
  maps: false,
  width: 4,
  height: 4,
  size: 8,
  cards: ["a", "b", "c"].map((id) => ({ id, title: id, note: "", alt: id })),
  entries: ["a", "b", "c"].map(entry),
  numbers: [{ label: "Value", help: "help" }],
  map: {
    ...kind,
    texts: [],
    values: packed([0, 13107, 26214, 39321, 52428, 65535]),
    range: [0, 1],
  },
  axes: [{ label: "level", names: ["half", "whole"], start: 1 }],
  missing: "not yet",
  curve: {
    kind: "lines",
    alt: "Curve",
    titles: ["x", "y"],
    log: true,
    x: [1, 10],
    series: [{ name: "this", tint: "#f00" }],
    band: null,
    rule: null,
    at: null,
    reach: [0, 3],
  },
  spread: {
    kind: "bars",
    alt: "Spread",
    titles: ["v", "%"],
    edges: [0, 1, 2],
    groups: [{ name: "all", tint: "#f00", heights: [50, 50] }],
  },
  sequential: grey,
  diverging: grey,
}
const detail = (id) => ({
  kinds: [{
    ...kind,
    shape: [2, 1],
    texts: [`half ${id}`, `whole ${id}`],
    values: packed([0, 0, 65535, 65535]),
    range: [0, 1],
  }],
  curve: null,
  picture: null,
})

const rest = (milliseconds) => new Promise((act) => setTimeout(act, milliseconds))

const pages = { page, mapless: { ...page, map: null } }
globalThis.fetch = (address) => Promise.resolve({ ok: true, json: () => pages[address] })

async function shown(more = {}) {
  const { parent, root } = mounted()
  const events = []
  const run = async (changes) => {
    explorer({
      data: { id: "e", page: "page", selected: "b", token: "t", details: {}, turn: 0, ...changes },
      parentElement: parent,
      setTriggerValue: (_, event) => events.push(event),
    })
    await rest(1)
  }
  await run(more)
  const [list, side] = root.children
  const [name, facts, pictures, numbers, charts] = side.children
  const maps = pictures.children[0]
  /** Everything on the screen that belongs to one image. */
  const said = () => ({
    card:
      list.children[0].children.find((one) => one.getAttribute("aria-selected") === "true").dataset
        .id,
    name: name.textContent,
    facts: facts.textContent,
    number: numbers.children[0].children[1].textContent,
    picture: maps.children[1].children[0].children[1].getAttribute("aria-label"),
    map: maps.children[1].children[1].children[1].getAttribute("aria-label"),
  })
  const held = () => maps.children.at(-1).children[0].children[1].disabled
  return { list, side, charts, maps, events, run, said, held }
}

const of = (id) => ({
  card: id,
  name: `name ${id}`,
  facts: `<i>${id}</i>`,
  number: `value ${id}`,
  picture: `name ${id}`,
  map: `Growth. whole ${id}`,
})

test("a click moves everything at once, before the server hears of it in one event", async () => {
  const { list, said, events } = await shown()
  assert.deepEqual(said(), of("b"))
  list.children[0].children[2].onclick()
  assert.deepEqual(said(), of("c"))
  assert.deepEqual(events, [])
  await rest(5)
  assert.deepEqual(events, [{ kind: "select", id: "c", turn: 1 }])
})

test("an answer to an earlier click takes nothing back", async () => {
  const { list, said, run } = await shown()
  list.children[0].children[0].onclick()
  await rest(5)
  await run({ selected: "b", turn: 0 })
  assert.deepEqual(said(), of("a"))
  await run({ selected: "a", turn: 1 })
  assert.deepEqual(said(), of("a"))
  await run({ selected: "c", turn: 1 })
  assert.deepEqual(said(), of("c"))
})

test("sliders wait for an image's details, which stay when another image is shown", async () => {
  const { list, said, run, held, maps } = await shown()
  assert.equal(held(), true)
  await run({ details: { b: detail("b") } })
  assert.equal(held(), false)
  const slider = maps.children.at(-1).children[0].children[1]
  slider.value = 0
  slider.oninput()
  assert.equal(said().map, "Growth. half b")
  list.children[0].children[2].onclick()
  assert.deepEqual([said().map, held()], ["Growth. whole c", true]) // its only map, not b's
  list.children[0].children[1].onclick()
  assert.deepEqual([said().map, held()], ["Growth. half b", false])
  slider.value = 1
  slider.oninput()
})

test("without a map the page says so, and shows no map of another image", async () => {
  const { run, said, maps } = await shown()
  await run({ page: "mapless" })
  const [, heat, both, bar, missing] = maps.children[1].children
  assert.deepEqual([heat.hidden, both.hidden, bar.hidden, missing.hidden], [
    true,
    true,
    true,
    false,
  ])
  assert.equal(missing.textContent, "not yet")
  assert.equal(said().name, "name b")
})

test("a page that cannot be fetched is asked for again, as long as it is wanted", async () => {
  const plain = globalThis.fetch
  const answers = [Promise.reject(new Error("away")), Promise.resolve({ ok: false })]
  globalThis.fetch = (address) => answers.shift() ?? plain(address)
  assert.deepEqual(await fetched("page", () => true, 1), page)
  assert.equal(await fetched("page", () => false), undefined)
  globalThis.fetch = plain
})

test("details of other settings are forgotten, and those unused for longest go first", () => {
  const details = new Details(2)
  details.add("s", { a: 1, b: 2 })
  assert.equal(details.get("a"), 1)
  assert.equal(details.add("s", { c: 3 }), true)
  assert.deepEqual(["a", "b", "c"].map((id) => details.get(id)), [1, undefined, 3])
  assert.equal(details.add("s", { c: 3 }), false)
  details.add("other", {})
  assert.equal(details.get("c"), undefined)
})

test("the server hears of the first and of the last of many selections", async () => {
  const heard = []
  const tell = paced((id) => heard.push(id), 30)
  tell("a")
  await rest(5)
  for (const id of "bcdef") tell(id)
  await rest(60)
  assert.deepEqual(heard, ["a", "f"])
})

test("a held slider stands at its start and frees what was moved afterwards", () => {
  const axis = { label: "p", names: ["1", "2"], start: 1 }
  const moved = { p: { name: "1", asked: JSON.stringify([1, ["1", "2"]]) } }
  assert.deepEqual(standing([axis], moved), [0])
  assert.deepEqual(standing([{ ...axis, held: true }], moved), [1])
})

test("sixteen bits give back the ends of the range exactly", () => {
  assert.deepEqual([...quantised(packed([0, 65535]), [-2, 6])], [-2, 6])
})

test("a chart's labels are round and inside its range", () => {
  assert.deepEqual(ticks(0, 24000), [0, 5000, 10000, 15000, 20000])
  assert.deepEqual(ticks(0.89, 1), [0.9, 0.95, 1])
  assert.deepEqual(ticks(3, 3), [3])
  assert.deepEqual(logTicks(0.2, 157), [1, 10, 100])
  assert.deepEqual(logTicks(0.2, 2), [0.2, 0.5, 1, 2])
  assert.deepEqual(range([[0, 10], [NaN]], 0.1), [-1, 11])
  assert.equal(label(24207), "24,207")
})
