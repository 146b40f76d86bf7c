// What every widget is made of: elements, numbers, sliders, a clock, and its life in the page.

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value))

/** A number in a few characters: three digits, or a power of ten if it is large or small. */
export function short(value, digits = 1) {
  if (!Number.isFinite(value)) return "unknown"
  if (value === 0) return "0"
  const size = Math.abs(value)
  return size >= 1e4 || size < 1e-2
    ? value.toExponential(digits)
    : String(Number(value.toPrecision(3)))
}

export const whole = (count) => count.toLocaleString("en")

/** An element with a class and its content; strings become text, never HTML. */
export function make(tag, name, ...inside) {
  const element = document.createElement(tag)
  if (name) element.className = name
  element.append(...inside)
  return element
}

/** The same for SVG, with attributes. */
export function draw(tag, attributes, ...inside) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  element.append(...inside)
  return element
}

export function push(text, act) {
  const button = make("button", "push", text)
  button.type = "button"
  button.onclick = act
  return button
}

/** A native slider; `set(value, text)` moves it without calling `move`. */
export function slider(label, least, most, step, move) {
  const input = make("input")
  const out = make("output")
  input.type = "range"
  Object.assign(input, { min: least, max: most, step })
  input.setAttribute("aria-label", label)
  input.oninput = () => move(Number(input.value))
  const set = (value, text) => {
    input.value = value
    out.textContent = text
    input.setAttribute("aria-valuetext", text)
  }
  return { input, set, line: make("label", "line", make("span", "", label), input, out) }
}

/** A radio button for each name; `act(name)` is called when one is chosen. */
export function radios(names, chosen, group, act) {
  return names.map((name) => {
    const radio = make("input")
    Object.assign(radio, { type: "radio", name: group, checked: name === chosen })
    radio.onchange = () => act(name)
    return make("label", "", radio, ` ${name}`)
  })
}

/** A button that plays and pauses: `step(seconds)` at every frame until it returns false or the
 * element is gone; `rest` is called when it pauses. */
export function clock(root, step, rest = () => {}) {
  let playing = false
  let last = 0
  const button = push("Play", () => playing ? pause() : play())
  const frame = (now) => {
    if (!playing) return
    const passed = clamp((now - last) / 1000, 0, 0.1) // a frame's time can be before the click's
    last = now
    if (!root.isConnected || step(passed) === false) pause()
    else requestAnimationFrame(frame)
  }
  function play() {
    if (playing) return
    playing = true
    button.textContent = "Pause"
    last = performance.now()
    requestAnimationFrame(frame)
  }
  function pause() {
    if (!playing) return
    playing = false
    button.textContent = "Play"
    rest()
  }
  return { button, play, pause }
}

// positions the visitor chose, by key: they outlive the element, for a return from another page
const memory = new Map()

export function recall(id, start) {
  if (!memory.has(id)) memory.set(id, start)
  return memory.get(id)
}

/** Little-endian float32 values from base64; null stays null. */
export function floats(text) {
  if (text === null) return null
  return new Float32Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer)
}

/** Values that `quantised` of base.py sent as 16 bits between the ends of a range. */
export function quantised(text, [low, high]) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
  return Float32Array.from(new Uint16Array(bytes.buffer), (q) => low + q / 65535 * (high - low))
}

export function download(url, name) {
  const link = make("a")
  Object.assign(link, { href: url, download: name })
  link.click()
}

/**
 * What Streamlit calls in every run of the page. `View` has a constructor (root), an
 * `update(data, send, settled)` and optionally a `layout(width)`; it lives as long
 * as its element. `send(kind, more)` gives the page one event; `settled` says that the data answer
 * the last event, not an earlier one.
 */
export function life(View) {
  const lives = new WeakMap()
  return ({ data, parentElement, setTriggerValue }) => {
    const root = parentElement.querySelector(".widget")
    let own = lives.get(root)
    if (!own) {
      own = { view: new View(root), turn: data.turn ?? 0 }
      lives.set(root, own)
      if (own.view.layout) watch(root, (width) => own.view.layout(width))
    }
    const send = (kind, more) =>
      setTriggerValue("event", { ...more, kind, turn: own.turn = own.turn + 1 })
    own.view.update(data, send, (data.turn ?? 0) >= own.turn)
  }
}

// heights follow from widths: only a new width asks for a new layout
function watch(root, act) {
  let wide = 0
  new ResizeObserver(() => {
    if (!root.clientWidth || root.clientWidth === wide) return
    wide = root.clientWidth
    act(wide)
  }).observe(root)
}
