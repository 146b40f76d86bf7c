// Just enough of a document for a widget's elements to be built and asked in Node.

class Element {
  constructor(tag) {
    Object.assign(this, { tag, attributes: {}, dataset: {}, style: {}, children: [], text: "" })
    this.className = ""
    this.parent = null
    this.classList = {
      toggle: (name, on) => {
        const names = new Set(this.className.split(" ").filter(Boolean))
        if (on) names.add(name)
        else names.delete(name)
        this.className = [...names].join(" ")
      },
      contains: (name) => this.className.split(" ").includes(name),
    }
    this.style.setProperty = (name, value) => this.style[name] = value
  }

  append(...inside) {
    for (const one of inside) {
      if (typeof one === "string") this.text += one
      else {
        one.parent = this
        this.children.push(one)
      }
    }
  }

  replaceChildren(...inside) {
    for (const child of this.children) child.parent = null
    this.children = []
    this.text = ""
    this.append(...inside)
  }

  get textContent() {
    return this.text + this.children.map((child) => child.textContent).join("")
  }

  set textContent(text) {
    this.replaceChildren(String(text))
  }

  setAttribute(name, value) {
    this.attributes[name] = String(value)
  }

  getAttribute(name) {
    return this.attributes[name] ?? null
  }

  contains(other) {
    return other === this || this.children.some((child) => child.contains(other))
  }

  get isConnected() {
    return this === document.body || Boolean(this.parent?.isConnected)
  }

  getRootNode() {
    return document
  }

  querySelector(selector) {
    for (const child of this.children) {
      if (child.classList.contains(selector.slice(1))) return child
      const below = child.querySelector(selector)
      if (below) return below
    }
    return null
  }

  focus() {
    document.activeElement = this
  }

  scrollIntoView() {}

  getContext() {
    const pixels = (w, h) => ({ data: new Uint8ClampedArray(4 * w * h) })
    return this.context ??= {
      drawn: [],
      drawImage: (...all) => this.context.drawn.push(all),
      createImageData: pixels,
      getImageData: (_x, _y, w, h) => pixels(w, h),
      putImageData() {},
      fillRect() {},
      clearRect() {},
    }
  }
}

class Image extends Element {
  decode() {
    return Promise.resolve()
  }
}

export const heard = {} // what listens on the document, by kind of event

export const document = {
  createElement: (tag) => new Element(tag),
  createElementNS: (_, tag) => new Element(tag),
  body: new Element("body"),
  activeElement: null,
  addEventListener: (kind, act) => heard[kind] = act,
}

Object.assign(globalThis, {
  document,
  Image,
  getComputedStyle: () => ({ gridTemplateColumns: "1px 1px 1px" }),
  ResizeObserver: class {
    observe() {}
  },
})

/** An element of a widget in the page, as Streamlit hands it over. */
export function mounted() {
  const parent = new Element("div")
  const root = new Element("div")
  root.className = "widget"
  parent.append(root)
  document.body.replaceChildren(parent)
  document.activeElement = document.body
  return { parent, root }
}
