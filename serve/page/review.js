// What waits for a person's eye: matches and possible ones of late, and what people said of them.

import { access, ask, every, may, send } from "./api.js";
import { el, facts, field, note, select, table } from "./dom.js";
import { evidence } from "./evidence.js";
import { film } from "./film.js";
import { candidatePlaces } from "./pictures.js";
import { wasCancelled, working } from "./progress.js";
import { reviewForm } from "./reviewing.js";
import { CASES, COMMON, REVIEW, VERDICT, inWords, moment, number } from "./words.js";

const DAYS = "review-days", MOST = 5000, HOUR = 3600e3;
const KEYS = { 1: "confirmed", 2: "rejected", 3: "unsure" };

export async function view() {
  const days = sessionStorage.getItem(DAYS) ?? "7";
  const since = new Date(Date.now() - Number(days) * 24 * HOUR).toISOString();
  const [cases, statistics] = await Promise.all([
    every("v1/reviews/cases", { since }, "cases", MOST), ask("v1/reviews/statistics", { query: { since } })]);
  const waiting = cases.found.filter((each) => each.state === "open");
  waiting.sort((one, other) => judged(one) - judged(other)); // those that wait for somebody else come last
  return [el("h1", {}, CASES.title), choices(days, statistics.two_reviewers), cases.rest && note("warning", CASES.first(MOST)),
    queue(waiting), el("section", { class: "panel", id: "statistics" }, el("h2", {}, CASES.statistics), ...evidence(statistics))].filter(Boolean);
}

// Whether this key has said something of a case already.
const judged = ({ reviews }) => reviews.some((each) => each.caller === access.key && each.verdict !== "unsure");

function choices(days, two) {
  const period = select("days", CASES.days, days);
  period.addEventListener("change", () => {
    sessionStorage.setItem(DAYS, period.value);
    location.reload();
  });
  return el("form", { class: "panel" }, el("div", { class: "row" }, field(CASES.period, period)),
    el("p", { class: "quiet" }, two ? CASES.two : CASES.one));
}

function queue(waiting) {
  if (!waiting.length) return el("p", { class: "panel", id: "queue" }, CASES.nothing);
  const place = el("section", { class: "panel", id: "queue", tabindex: "0", "aria-label": CASES.label });
  let at = 0;
  const show = () => place.replaceChildren(...one(waiting, at, go, () => {
    waiting.splice(at, 1);
    go(0);
  }));
  const go = (step) => {
    at = Math.max(0, Math.min(waiting.length - 1, at + step));
    if (waiting.length) show();
    else place.replaceChildren(el("p", {}, CASES.done));
    place.focus();
  };
  // Keys count inside the list only, and never while somebody types.
  place.addEventListener("keydown", (event) => {
    if (event.target.matches("input, select, textarea") || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "n") go(1);
    else if (event.key === "p") go(-1);
    else if (KEYS[event.key]) place.querySelector(`form button[value="${KEYS[event.key]}"]`)?.click();
    else return;
    event.preventDefault();
  });
  show();
  return place;
}

function one(waiting, at, go, done) {
  const { record, reviews } = waiting[at];
  const subjects = [...new Set(record.candidates.map((each) => each.subject))];
  return [el("h2", {}, CASES.heading(at + 1, waiting.length, VERDICT[record.decision].word)),
    facts([[CASES.when, moment(record.time)], [CASES.why, record.purpose], [CASES.gallery, record.gallery],
      [CASES.who, record.candidates.map((each) => `${each.subject} (${number(each.similarity)})`).join(", ")],
      [CASES.by, record.detail], [CASES.record, record.audit_id]]),
    pictures(record),
    reviews.length > 0 && table(CASES.said, CASES.saidColumns, reviews.map((each) => [moment(each.time), el("bdi", {}, each.reviewer), each.caller, el("bdi", {}, each.subject), REVIEW[each.verdict], el("bdi", {}, each.note ?? "–")])),
    judged(waiting[at]) && note("info", CASES.yours),
    may("identify") ? reviewForm(record.audit_id, subjects, done) : note("info", CASES.scope),
    el("p", { class: "actions" }, el("button", { type: "button", onclick: () => go(-1) }, CASES.back), el("button", { type: "button", onclick: () => go(1) }, CASES.next),
      el("span", { class: "quiet" }, CASES.keys, CASES.keyWords.map(([key, words]) => [el("kbd", {}, key), ` ${words} `]).flat())),
  ].filter(Boolean);
}

// The clip, which the service did not keep and the reviewer may have, beside the candidates.
function pictures(record) {
  const side = el("div", { class: "side" }), clip = may("identify") ? probe(record) : null;
  if (clip) side.append(clip);
  side.append(...candidatePlaces(record.gallery, record.candidates));
  return side;
}

function probe(record) {
  const file = el("input", { type: "file" }), said = el("div", { "aria-live": "polite" });
  const place = el("div", { class: "film" }, field(CASES.clip, file, CASES.clipHint), said);
  file.addEventListener("change", async () => {
    if (!file.files[0]) return;
    const sent = new FormData(), { signal } = working(said, COMMON.reading);
    sent.append("clip", file.files[0]);
    try {
      const reply = await send("v1/frames", sent, { signal });
      const [shown, same] = await Promise.all([film(reply, CASES.clipTitle), isSame(reply.audit_id, record)]);
      said.replaceChildren(shown, same === null ? "" : note(same ? "info" : "warning", same ? CASES.same : CASES.different));
    } catch (error) {
      said.replaceChildren(wasCancelled(error) ? note("info", COMMON.cancelled) : note("error", inWords(error)));
    }
  });
  return place;
}

// Whether a file that was just looked at is the one that was searched for, by its keyed hash.
async function isSame(auditId, record) {
  const since = new Date(Date.now() - HOUR).toISOString();
  const looks = await every("v1/audit", { action: "frames", key: access.key, since }, "records", MOST);
  const look = looks.found.find((each) => each.audit_id === auditId);
  return look ? look.probes[0] === record.probes[0] : null;
}
