// One case as the auditor sees it: the picture, its maps, its neighbours, its numbers.
import { make } from "./base.js"
import { regionText } from "./region.js"

export function picture(url, alt) {
  const image = make("img")
  Object.assign(image, { src: url, alt, draggable: false, decoding: "sync" })
  return image
}

function titled(title, note) {
  return make("h4", "", title, make("span", "", note))
}

function maps(one) {
  const figures = one.maps.map((map) =>
    make(
      "figure",
      "",
      make("h4", "", map.name),
      picture(map.url, `${map.name} map of ${one.name}`),
      make("figcaption", "", map.text),
    )
  )
  return make("div", "maps", ...figures)
}

function strip(title, { note, items }) {
  const figures = items.map((item) => {
    const caption = make("figcaption", "", item.text)
    const figure = make(
      "figure",
      item.marked ? "marked" : "",
      picture(item.url, item.name),
      caption,
    )
    figure.title = `${item.name}, distance ${item.text}`
    return figure
  })
  return make("div", "", titled(title, note), make("div", "row", ...figures))
}

/** A rank, with its total if that differs from the heading's. */
export function rankText({ rank, of }, total) {
  return of === total ? rank : `${rank}/${of}`
}

function numbers(measures, { flagged, about }) {
  if (!measures.length) {
    const none = make("div", "quiet", "Nothing has been measured yet.")
    return [titled("Measures", "value, standard error, rank"), none]
  }
  // of a measure of chosen images alone, such as the reproduction rate, fewer have a rank
  const count = (line) => Number(line.of.replaceAll(",", ""))
  const total = measures.reduce((most, line) => count(line) > count(most) ? line : most).of
  const rows = measures.map((line) => {
    const share = make("span", "share")
    share.style.width = `${34 * line.share}px`
    const row = make(
      "tr",
      line.name === flagged?.measure ? "by" : "",
      make("td", "", line.title),
      make("td", "n", line.value),
      make("td", "n quiet", line.error),
      make("td", "n r", rankText(line, total)),
      make("td", "bars", share),
    )
    row.title = `${about[line.name]} Rank ${line.rank} of ${line.of}.`
    return row
  })
  const heading = titled("Measures", `value, standard error, rank of ${total}`)
  return [heading, make("table", "", ...rows)]
}

/** A case around its sheet, the picture on which a region is marked. */
export function body(one, sheet, region, data) {
  const facts = [make("div", "name", one.name)]
  if (one.facts) facts.push(make("div", "quiet", one.facts))
  facts.push(make("div", "quiet", regionText(region)))
  const made = one.made.map((each) => strip(each.title, each))
  // two strips are in the middle and the others below the picture, so that all fits on one screen
  return make(
    "div",
    "case",
    make("div", "narrow", sheet, ...facts, ...made.slice(2)),
    make("div", "", maps(one), strip("In the training set", one.twins), ...made.slice(0, 2)),
    make("div", "numbers", ...numbers(one.measures, data)),
  )
}
