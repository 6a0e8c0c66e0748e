// The audit records: search, verification, the head to keep elsewhere, and what concerns one person.

import { access, ask, at, download, every } from "./api.js";
import { el, facts, field, note, select, table } from "./dom.js";
import { exportAbout } from "./exporting.js";
import { wasCancelled, working } from "./progress.js";
import { ACTION, AUDIT, COMMON, REVIEW, SCALE, VERDICT, day, inWords, moment } from "./words.js";

const MOST = 2000, PAGE = 50;

// `#/audit/SINCE/PERSON/KEY/ACTION`; each part may be empty, and without any it is the last week.
export async function view(parts) {
  return [el("h1", {}, AUDIT.title),
    el("p", {}, AUDIT.about),
    verification(), await search(parts), about()];
}

function verification() {
  const kept = el("input", { name: "head", maxlength: 96, autocomplete: "off", spellcheck: "false" });
  const result = el("div", { "aria-live": "polite", id: "verified" });
  const start = el("button", { class: "main" }, AUDIT.verify);
  const form = el("form", { class: "panel", id: "verify" }, el("h2", {}, AUDIT.whole),
    field(AUDIT.kept, kept, AUDIT.keptHint),
    start, result);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { signal } = working(result, AUDIT.verifying);
    start.disabled = true;
    try {
      result.replaceChildren(...verified(await ask("v1/audit:verify", { query: { head: kept.value.trim() }, signal })));
    } catch (error) {
      result.replaceChildren(wasCancelled(error) ? note("info", AUDIT.cancelled) : note("error", inWords(error)));
    }
    start.disabled = false;
  });
  return form;
}

function verified(reply) {
  const head = el("input", { readonly: true, value: reply.head ?? COMMON.none, "aria-label": AUDIT.headLabel });
  return [
    reply.intact
      ? note("info", AUDIT.intact(reply.records))
      : note("error", AUDIT.broken(reply.findings.length + reply.more_findings, reply.records)),
    reply.findings.length > 0 && table(AUDIT.findings, AUDIT.findingColumns, reply.findings.map((each) => [String(each.record), each.problem])),
    ...reply.notices.map((words) => note("warning", words)),
    field(AUDIT.head, head, AUDIT.headHint(reply.time)),
    reply.head && keep(head, reply),
  ].filter(Boolean);
}

// The hash to the clipboard, or as a file.
function keep(head, { time, records }) {
  const said = el("span", { role: "status", class: "quiet" });
  const copy = async () => {
    head.select();
    const written = navigator.clipboard?.writeText(head.value).then(() => true, () => false);
    said.textContent = (await written) ? AUDIT.copied : AUDIT.selected;
  };
  return el("p", { class: "actions" }, el("button", { type: "button", id: "copy-head", onclick: copy }, AUDIT.copy),
    el("button", { type: "button", id: "save-head", onclick: () => download(AUDIT.headFile(time), { head: head.value, time, records }) }, AUDIT.save), said);
}

async function search([from = day(new Date(Date.now() - 7 * 86400e3).toISOString()), person = "", key = "", what = ""]) {
  const since = el("input", { name: "since", type: "date", value: from });
  const subject = el("input", { name: "subject", maxlength: 128, autocomplete: "off", value: person });
  const caller = el("input", { name: "key", maxlength: 64, autocomplete: "off", value: key });
  const action = select("action", [["", AUDIT.everything], ...Object.entries(ACTION)], what);
  const list = el("div", { "aria-live": "polite", id: "records" });
  const form = el("form", { class: "panel", role: "search", id: "records-search" }, el("h2", {}, AUDIT.records),
    el("div", { class: "row" }, field(AUDIT.since, since), field(COMMON.person, subject), field(COMMON.key, caller), field(AUDIT.what, action)),
    el("button", {}, AUDIT.search));
  const load = async () => {
    const query = { since: since.value, subject: subject.value, key: caller.value, action: action.value };
    try {
      const { found, rest } = await every("v1/audit", query, "records", MOST);
      show(list, found.reverse(), PAGE, rest);
    } catch (error) {
      list.replaceChildren(note("error", inWords(error)));
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    history.replaceState(null, "", `#/audit/${at(since.value, subject.value, caller.value, action.value)}`); // a reload keeps it
    load();
  });
  await load();
  return el("section", {}, form, list);
}

function show(list, records, many, rest) {
  const rows = records.slice(0, many).map((each) => [
    el("details", {}, el("summary", {}, each.audit_id.split("-")[0]), whole(each)),
    moment(each.time), AUDIT.done(each.action, each.outcome), each.caller,
    el("bdi", {}, people(each) || "–"), each.purpose || each.detail || "–"]);
  const more = records.length > many && el("button", { type: "button", onclick: () => show(list, records, many + 4 * PAGE, rest) }, COMMON.more);
  list.replaceChildren(...[
    rest && note("warning", AUDIT.cut(MOST)),
    table(AUDIT.caption(records.length), AUDIT.columns, rows, AUDIT.nothing), more].filter(Boolean));
}

const people = (record) => [...new Set([record.subject, ...record.candidates.map((each) => each.subject)].filter(Boolean))].join(", ");

// All that a record holds; what is empty is left out.
function whole(record) {
  const { fields } = AUDIT;
  return facts([[COMMON.record, record.audit_id], [COMMON.gallery, record.gallery && COMMON.state(record.gallery, record.revision)],
    [COMMON.purpose, record.purpose], [COMMON.person, record.subject], [fields.decision, VERDICT[record.decision]?.word ?? REVIEW[record.decision] ?? record.decision],
    [fields.candidates, record.candidates.map((each) => SCALE.candidate(each.subject, each.similarity)).join(", ")],
    [fields.templates, record.templates.join(", ")], [fields.reviewer, record.reviewer], [fields.about, record.about],
    [fields.intent, record.intent], [fields.detail, record.detail], [fields.clips, record.probes.map((each) => each.slice(0, 16)).join(", ")],
    [fields.request, record.request], [fields.hash, record.hash]]);
}

function about() {
  const name = el("input", { name: "person", required: true, maxlength: 128, autocomplete: "off" });
  const gallery = el("input", { name: "gallery", required: true, maxlength: 63, value: access.gallery, autocomplete: "off" });
  const said = el("div", { "aria-live": "polite" }), start = el("button", {}, COMMON.download);
  const form = el("form", { class: "panel", id: "about" }, el("h2", {}, AUDIT.person),
    el("p", { class: "quiet" }, AUDIT.personHint),
    el("div", { class: "row" }, field(COMMON.person, name), field(COMMON.gallery, gallery)), start, said);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    start.disabled = true;
    await exportAbout(said, gallery.value, name.value);
    start.disabled = false;
  });
  return form;
}
