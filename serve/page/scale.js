// Similarities on a line: candidates, both thresholds, and behind them how similar strangers get.

import { el, svg } from "./dom.js";
import { SCALE, number, share } from "./words.js";

const HEIGHT = 166, BASE = 118, TOP = 34, SIDE = 14;
const LINES = ["match", "possible"];

// The scale; `strangers` are the shares of a reply of `v1/galleries/…/strangers`, or empty.
export function scale(candidates, thresholds, strangers) {
  const values = [...candidates.map((each) => each.similarity), ...strangers.map((each) => each.similarity)];
  for (const line of [thresholds?.match, thresholds?.possible]) if (line) values.push(line.similarity);
  const low = Math.min(0, ...values) - 0.04, high = Math.max(0.8, ...values) + 0.04;
  const drawn = el("div", { class: "scale" });
  const label = describe(candidates, thresholds);
  new ResizeObserver(([box]) => {
    const width = Math.max(240, Math.floor(box.contentRect.width));
    drawn.replaceChildren(draw(width, (value) => SIDE + ((value - low) / (high - low)) * (width - 2 * SIDE), low, high, candidates, thresholds, strangers, label));
  }).observe(drawn);
  return el("figure", {}, el("figcaption", {}, SCALE.title), drawn,
    el("p", { class: "quiet" }, SCALE.reading),
    strangers.length ? table(strangers) : el("p", { class: "quiet" }, SCALE.unknown));
}

function describe(candidates, thresholds) {
  const lines = LINES.filter((kind) => thresholds?.[kind]).map((kind) => SCALE.threshold(kind, thresholds[kind].similarity));
  return SCALE.told(lines, candidates.slice(0, 5).map((each) => SCALE.candidate(each.subject, each.similarity)));
}

function draw(width, x, low, high, candidates, thresholds, strangers, label) {
  const picture = svg("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": label });
  if (strangers.length) {
    const up = (each) => BASE - each.share * 2 * (BASE - TOP);
    const points = strangers.map((each) => `${x(each.similarity)},${up(each)}`);
    const first = strangers[0], last = strangers.at(-1);
    picture.append(svg("polygon", { class: "strangers", points: [`${x(first.similarity)},${BASE}`, ...points, `${x(last.similarity)},${BASE}`].join(" ") }));
    picture.append(svg("polyline", { class: "strangers-edge", points: points.join(" ") }));
  }
  picture.append(svg("line", { class: "axis", x1: SIDE, x2: width - SIDE, y1: BASE, y2: BASE }));
  for (let tick = Math.ceil(low * 5) / 5; tick < high; tick += 0.2) {
    picture.append(svg("line", { class: "axis", x1: x(tick), x2: x(tick), y1: BASE, y2: BASE + 4 }));
    picture.append(text(x(tick), BASE + 40, tick.toFixed(1).replace("-", "−"), "tick"));
  }
  const lines = [["possible", thresholds?.possible, 12], ["match", thresholds?.match, 26]];
  for (const [word, line, y] of lines) {
    if (!line) continue;
    const place = x(line.similarity);
    picture.append(svg("line", { class: `threshold ${word}`, x1: place, x2: place, y1: y + 4, y2: BASE }));
    const anchor = place > width - 130 ? "end" : "start";
    picture.append(text(place + (anchor === "end" ? -4 : 4), y + 3, SCALE.threshold(word, line.similarity), "word", anchor));
  }
  candidates.slice(0, 9).forEach((each, rank) => {
    const place = x(each.similarity);
    picture.append(svg("path", { class: rank ? "candidate" : "candidate first", d: `M${place},${BASE - 1} l-6,13 h12 z` }));
    if (rank < 3) picture.append(text(Math.max(SIDE + 6, Math.min(width - SIDE - 6, place)), BASE + 25, `${rank + 1}`, "rank"));
  });
  return picture;
}

function text(x, y, words, kind, anchor = "middle") {
  return svg("text", { x, y, class: kind, "text-anchor": anchor }, words);
}

function table(strangers) {
  const rows = strangers.map((each) =>
    el("tr", {}, el("td", {}, share(each.share)), el("td", {}, number(each.similarity))));
  return el("details", {}, el("summary", {}, SCALE.numbers),
    el("table", { class: "small" }, el("caption", {}, SCALE.caption),
      el("thead", {}, el("tr", {}, SCALE.columns.map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, rows)));
}
