// What waits for a person's eye: matches and possible ones of late, and what people said of them.

import { every, may } from "./api.js";
import { el, facts, field, note, select, table } from "./dom.js";
import { reviewForm } from "./reviewing.js";
import { REVIEW, VERDICT, count, moment, number } from "./words.js";

const TWO = "two-people", DAYS = "review-days", MOST = 5000;
const KEYS = { 1: "confirmed", 2: "rejected", 3: "unsure" };

export async function view() {
  const days = sessionStorage.getItem(DAYS) ?? "7";
  const since = new Date(Date.now() - Number(days) * 86400e3).toISOString();
  const [searches, reviews] = await Promise.all([
    every("v1/audit", { action: "identify", since }, "records", MOST), every("v1/reviews", {}, "reviews", 20 * MOST)]);
  const said = new Map();
  for (const each of reviews.found) said.set(each.about, [...(said.get(each.about) ?? []), each]);
  const cases = searches.found.filter(isCase).map((record) => ({ record, reviews: said.get(record.sequence) ?? [] }));
  const two = sessionStorage.getItem(TWO) === "yes";
  const waiting = cases.filter((each) => !settled(each, two));
  return [el("h1", {}, "Review"), choices(days, two),
    searches.rest && note("warning", `Only the first ${count(MOST, "search", "searches")} of these days are shown.`),
    queue(waiting), statistics(cases, two)].filter(Boolean);
}

const isCase = (record) => record.outcome === "done" && (record.decision === "match" || record.decision === "possible");

// Nobody else's word settles a case that people disagree on; with the option, it takes two of them.
export function settled({ reviews }, two) {
  const people = { confirmed: new Set(), rejected: new Set() };
  for (const each of reviews) people[each.verdict]?.add(each.reviewer);
  const [yes, no] = [people.confirmed.size, people.rejected.size];
  return (yes === 0) !== (no === 0) && yes + no >= (two ? 2 : 1);
}

function choices(days, two) {
  const period = select("days", [["1", "the last day"], ["7", "the last 7 days"], ["30", "the last 30 days"]], days);
  const rule = el("input", { type: "checkbox", checked: two, id: "two-people" });
  period.addEventListener("change", () => keep(DAYS, period.value));
  rule.addEventListener("change", () => keep(TWO, rule.checked ? "yes" : "no"));
  return el("form", { class: "panel" }, el("div", { class: "row" }, field("Searches of", period)),
    el("label", {}, rule, " Two people must agree"),
    el("p", { class: "quiet" }, "An option of this tab: the list then shows a case until two reviewers of different names agree. The service records every verdict, and enforces no rule."));
}

function keep(name, value) {
  sessionStorage.setItem(name, value);
  location.reload();
}

function queue(waiting) {
  if (!waiting.length) return el("p", { class: "panel", id: "queue" }, "Nothing waits for a verdict.");
  const place = el("section", { class: "panel", id: "queue", tabindex: "0", "aria-label": "Cases that wait; keys 1, 2, 3 judge, n and p go on and back" });
  let at = 0;
  const show = () => place.replaceChildren(...one(waiting, at, go, () => {
    waiting.splice(at, 1);
    go(0);
  }));
  const go = (step) => {
    at = Math.max(0, Math.min(waiting.length - 1, at + step));
    if (waiting.length) show();
    else place.replaceChildren(el("p", {}, "Nothing waits for a verdict any more."));
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
  const kind = VERDICT[record.decision];
  const subjects = [...new Set(record.candidates.map((each) => each.subject))];
  return [el("h2", {}, `Case ${at + 1} of ${waiting.length}: ${kind ? kind.word.toLowerCase() : record.decision}`),
    facts([["When", moment(record.time)], ["Why", record.purpose], ["Gallery", record.gallery],
      ["Who", record.candidates.map((each) => `${each.subject} (${number(each.similarity)})`).join(", ")],
      ["Decided by", record.detail], ["Record", record.audit_id]]),
    el("p", { class: "quiet" }, "Neither the clip nor pictures of enrolled people are kept. Look at the camera's own recording of that time."),
    reviews.length > 0 && table("Said so far", ["When", "Who", "About", "Verdict", "Reason"], reviews.map((each) => [moment(each.time), el("bdi", {}, each.reviewer), el("bdi", {}, each.subject), REVIEW[each.verdict], el("bdi", {}, each.note ?? "–")])),
    may("identify") ? reviewForm(record.audit_id, subjects, done) : note("info", "A verdict needs a key with the scope identify."),
    el("p", { class: "actions" }, el("button", { type: "button", onclick: () => go(-1) }, "Back"), el("button", { type: "button", onclick: () => go(1) }, "Next"),
      el("span", { class: "quiet" }, "Keys in this list: ", el("kbd", {}, "1"), " same person ", el("kbd", {}, "2"), " someone else ", el("kbd", {}, "3"), " cannot tell ", el("kbd", {}, "n"), " next ", el("kbd", {}, "p"), " back")),
  ].filter(Boolean);
}

// How often people agreed with the service.
function statistics(cases, two) {
  const rows = ["match", "possible"].map((decision) => {
    const of = cases.filter((each) => each.record.decision === decision);
    const done = of.filter((each) => settled(each, two));
    const same = done.filter((each) => each.reviews.some((review) => review.verdict === "confirmed")).length;
    return [VERDICT[decision].word, String(of.length), String(same), String(done.length - same), String(of.length - done.length)];
  });
  return el("section", { class: "panel", id: "statistics" }, table("What people said of these searches", ["Verdict of the service", "Cases", "Same person", "Someone else", "Open"], rows),
    el("p", { class: "quiet" }, "Cases are not a random sample of all walks, so these shares are no error rates."));
}
