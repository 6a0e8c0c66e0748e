// What was decided, large and in words; and what it stands on.

import { el, note } from "./dom.js";
import { DROPPED, REASON, SENSOR, VERDICT, count, share } from "./words.js";

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
  const what = reply.thresholds?.basis.simulated ? "The model and its thresholds come" : "The model comes";
  return note("warning", `${what} from simulated people. How often it errs with real people here is not known.`);
}

// How good a clip is, and what is wrong with it.
export function quality(clip) {
  const word = clip.quality >= 0.8 ? "good" : clip.quality >= 0.5 ? "fair" : clip.quality >= 0.1 ? "poor" : "unusable";
  const dropped = Object.entries(clip.frames_dropped).filter(([, many]) => many);
  return el("div", { class: "quality" },
    el("p", {}, el("strong", {}, `Quality ${clip.quality.toFixed(2)}: ${word}`), " ",
      el("meter", { min: 0, max: 1, value: clip.quality, "aria-label": "Quality" })),
    clip.quality_reasons.length
      ? el("ul", {}, clip.quality_reasons.map((reason) => el("li", {}, REASON[reason] ?? reason)))
      : el("p", { class: "quiet" }, "Nothing is wrong with the clip."),
    el("p", { class: "quiet" },
      `${SENSOR[clip.modality]} clip (${clip.format}), ${count(clip.frames_in, "frame")}, ${clip.frames_used} used`,
      dropped.length ? `; left out: ${dropped.map(([why, many]) => `${many} ${DROPPED[why] ?? why}`).join(", ")}` : "", "."),
    Object.keys(clip.assumed).length > 0 && el("p", { class: "quiet" }, "Assumed or done: ",
      Object.entries(clip.assumed).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`).join(", "), "."));
}

// A candidate's similarity, named by where it lies and not by its colour alone.
export function standing(similarity, thresholds) {
  if (!thresholds) return "ranked only";
  if (similarity >= thresholds.match.similarity) return "match";
  if (thresholds.possible && similarity >= thresholds.possible.similarity) return "possible";
  return "below both thresholds";
}

export const rates = (thresholds) =>
  thresholds && `match at a rate of ${share(thresholds.match.rate)}` +
    (thresholds.possible ? `, possible at ${share(thresholds.possible.rate)}` : "") + " of strangers";
