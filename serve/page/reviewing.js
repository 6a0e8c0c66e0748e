// A person's verdict on a candidate. It is recorded for good; another may follow it.

import { ask } from "./api.js";
import { el, field, note, select } from "./dom.js";
import { COMMON, OPINION, REVIEW, inWords } from "./words.js";

const NAME = "reviewer";

// The form for one audit record. `done` is told of the review that was recorded.
export function reviewForm(auditId, subjects, done = () => {}) {
  const about = subjects.length > 1
    ? field(OPINION.about, select("subject", subjects.map((name) => [name, name]))) : null;
  const reviewer = el("input", { name: "reviewer", required: true, maxlength: 200, autocomplete: "off", value: sessionStorage.getItem(NAME) ?? "" });
  const words = el("input", { name: "note", maxlength: 1000, autocomplete: "off" });
  const said = el("div", { "aria-live": "polite" });
  const buttons = Object.entries(REVIEW).map(([value, text]) => el("button", { value }, text));
  const form = el("form", { class: "panel review" }, el("h2", {}, OPINION.title), about,
    field(OPINION.who, reviewer, OPINION.whoHint),
    field(COMMON.reason, words), el("p", { class: "actions" }, buttons), said);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    sessionStorage.setItem(NAME, reviewer.value);
    const json = { audit_id: auditId, verdict: event.submitter.value, reviewer: reviewer.value, subject: about?.querySelector("select").value ?? subjects[0] };
    if (words.value) json.note = words.value;
    try {
      const { review, state } = await ask("v1/reviews", { method: "POST", json });
      said.replaceChildren(note("info", OPINION.recorded(review.audit_id, review.verdict, state)));
      done(review);
    } catch (error) {
      said.replaceChildren(note("error", inWords(error)));
    }
  });
  return form;
}
