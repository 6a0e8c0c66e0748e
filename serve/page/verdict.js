// What was decided, large and in words; and what it stands on.

import { el, note } from "./dom.js";
import { CLIP, REASON, SENSOR, STANDING, VERDICT } from "./words.js";

// The banner of a reply with `decision`, `undecided` and `thresholds`.
export function banner(reply, heading = "h2") {
  const kind = reply.decision ?? "undecided";
  const { word, mark, means } = VERDICT[kind];
  const who = kind === "match" || kind === "possible" ? reply.candidates[0]?.subject : null;
  return el("div", { class: `verdict ${kind}`, "data-verdict": kind },
    el("span", { class: "mark", "aria-hidden": "true" }, mark),
    el("div", {}, el(heading, {}, word, who != null && ": ", who != null && el("bdi", {}, who)),
      el("p", {}, means),
      reply.thresholds && el("p", {}, sentence(reply.thresholds.meaning)),
      reply.undecided && el("p", {}, sentence(reply.undecided))));
}

export const sentence = (words) => `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;

// Whether what was decided stands on real people.
export function simulated(reply) {
  if (!reply.model?.simulated && !reply.thresholds?.basis.simulated) return null;
  return note("warning", STANDING.simulated(reply.thresholds?.basis.simulated));
}

// How good a clip is, and what is wrong with it.
export function quality(clip) {
  const grade = clip.quality >= 0.8 ? "good" : clip.quality >= 0.5 ? "fair" : clip.quality >= 0.1 ? "poor" : "unusable";
  const dropped = Object.entries(clip.frames_dropped).filter(([, many]) => many);
  return el("div", { class: "quality" },
    el("p", {}, el("strong", {}, CLIP.quality(clip.quality, CLIP.grade[grade])), " ",
      el("meter", { min: 0, max: 1, value: clip.quality, "aria-label": CLIP.meter })),
    clip.quality_reasons.length
      ? el("ul", {}, clip.quality_reasons.map((reason) => el("li", {}, REASON[reason] ?? reason)))
      : el("p", { class: "quiet" }, CLIP.fine),
    el("p", { class: "quiet" },
      CLIP.is(SENSOR[clip.modality], clip.format, clip.frames_in, clip.frames_used), dropped.length ? CLIP.leftOut(dropped) : "", "."),
    Object.keys(clip.assumed).length > 0 && el("p", { class: "quiet" }, CLIP.assumed(Object.entries(clip.assumed))));
}

// A candidate's similarity, named by where it lies and not by its colour alone.
export function standing(similarity, thresholds) {
  if (!thresholds) return STANDING.ranked;
  if (similarity >= thresholds.match.similarity) return STANDING.match;
  if (thresholds.possible && similarity >= thresholds.possible.similarity) return STANDING.possible;
  return STANDING.below;
}

export const rates = (thresholds) =>
  thresholds && STANDING.rates(thresholds.match.rate, thresholds.possible?.rate);
