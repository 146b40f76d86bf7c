"""Two pictures of one shape laid over each other; the boundary between them, and their difference, move in the browser."""

import numpy as np

from pages.figures.pictures import data_url
from pages.widgets.base import check_pictures, widget

_CSS = """
.wipe .names { display: flex; justify-content: space-between; gap: 14px; }
.wipe .names span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.wipe .stage { position: relative; cursor: ew-resize; touch-action: pan-y; user-select: none; }
.wipe .stage img { position: absolute; inset: 0; pointer-events: none; }
.wipe .edge { position: absolute; top: 0; bottom: 0; width: 2px; margin-left: -1px; background: #fff; box-shadow: 0 0 0 1px rgb(0 0 0 / 55%); pointer-events: none; }
.wipe .under { display: flex; gap: 14px; align-items: center; margin-top: 6px; }
.wipe .under input[type=range]:disabled { opacity: 0.4; cursor: default; }
.wipe .under label { display: flex; gap: 6px; align-items: center; white-space: nowrap; cursor: pointer; }
"""

_JS = r"""
class View {
  constructor(root) {
    this.root = root
    const image = () => { const e = make("img"); e.draggable = false; return e }
    this.right = image(); this.left = image(); this.difference = image()
    this.names = make("figcaption", "names"); this.edge = make("div", "edge")
    this.stage = make("div", "stage", this.right, this.left, this.difference, this.edge)
    const input = this.input = make("input"); Object.assign(input, { type: "range", min: 0, max: 100, step: 1 })
    input.oninput = () => this.move(+input.value)
    this.toggle = make("input"); this.toggle.type = "checkbox"
    this.toggle.onchange = () => { this.kept.difference = this.toggle.checked; this.show() }
    this.told = make("div", "quiet number")
    this.under = make("div", "under", input, make("label", "", this.toggle, "Difference"))
    root.replaceChildren(make("figure", "", this.names, this.stage, this.under, this.told))
    const drag = (event) => {
      const box = this.stage.getBoundingClientRect()
      this.move(Math.round(clamp((event.clientX - box.left) / box.width, 0, 1) * 100))
    }
    this.stage.onpointerdown = (event) => { if (event.button === 0 && !this.kept.difference) { this.stage.setPointerCapture(event.pointerId); drag(event) } }
    this.stage.onpointermove = (event) => { if (this.stage.hasPointerCapture(event.pointerId)) drag(event) }
  }
  update(data) {
    this.data = data; this.kept = recall(data.id, { at: 50, difference: false })
    for (const which of ["left", "right", "difference"]) {
      if (this[which].src !== data[which]) this[which].src = data[which]
    }
    this.left.alt = `${data.alt}, ${data.names[0]}`; this.right.alt = `${data.alt}, ${data.names[1]}`
    this.difference.alt = `${data.alt}, absolute difference`; this.told.textContent = data.told
    this.input.setAttribute("aria-label", `Boundary between ${data.names[0]} and ${data.names[1]}`)
    this.toggle.checked = this.kept.difference
    this.layout(this.root.clientWidth || data.size); this.show()
  }
  layout(room) {
    const { width, height, size } = this.data, scale = fit(width, Math.min(size, room))
    for (const e of [this.stage, this.left, this.right, this.difference]) resize(e, width, height, scale)
    for (const row of [this.names, this.under]) row.style.width = this.stage.style.width
  }
  move(at) { this.kept.at = at; this.show() }
  show() {
    const { at, difference } = this.kept, names = this.data.names
    this.input.value = at; this.input.disabled = difference; this.input.setAttribute("aria-valuetext", `${at}% ${names[0]}`)
    this.left.style.clipPath = `inset(0 ${100 - at}% 0 0)`; this.right.style.clipPath = `inset(0 0 0 ${at}%)`; this.edge.style.left = `${at}%`
    for (const e of [this.left, this.right, this.edge]) e.hidden = difference
    this.difference.hidden = !difference; this.told.style.visibility = difference ? "visible" : "hidden"
    this.stage.style.cursor = difference ? "default" : ""
    this.names.replaceChildren(...(difference ? ["Absolute difference"] : names).map((name) => make("span", "", name)))
  }
}
"""

_component = widget("wipe", _CSS, _JS)


def wipe(
    left: np.ndarray,
    right: np.ndarray,
    names: tuple[str, str],
    *,
    key: str,
    alt: str,
    size: int = 320,
) -> None:
    """Draw two pictures (H, W, 3) uint8 of one shape, `size` pixels wide at most and by a whole factor.

    `names` stand above their halves. Raises ValueError for pictures of different shapes.
    """
    if left.shape != right.shape:
        raise ValueError(
            f"The pictures must have one shape to be laid over each other; these are {left.shape} and {right.shape}."
        )
    check_pictures(np.stack([left, right]), "A wipe's two sides")
    difference = np.abs(left.astype(np.int16) - right.astype(np.int16)).astype(np.uint8)
    brighter = 255 // int(
        difference.max() or 255
    )  # the difference of a good copy is black to the eye
    height, width = left.shape[:2]
    _component(
        key=key,
        data={
            "id": key,
            "left": data_url(left),
            "right": data_url(right),
            "difference": data_url(difference * np.uint8(brighter)),
            "told": f"Mean {difference.mean():.1f}, largest {difference.max()} of 255"
            + (f", drawn {brighter} times brighter" if brighter > 1 else ""),
            "width": width,
            "height": height,
            "size": size,
            "names": list(names),
            "alt": alt,
        },
    )
