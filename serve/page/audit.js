// The audit records: search, verification, the head to keep elsewhere, and what concerns one person.

import { access, ask, every } from "./api.js";
import { el, facts, field, note, select, table } from "./dom.js";
import { exportAbout } from "./exporting.js";
import { ACTION, OUTCOME, count, inWords, moment, number } from "./words.js";

const MOST = 2000, PAGE = 50;

export async function view() {
  return [el("h1", {}, "Audit"),
    el("p", {}, "Every use of the service is a record, bound to the one before it. Reading them is recorded too."),
    verification(), await search(), about()];
}

function verification() {
  const kept = el("input", { name: "head", maxlength: 96, autocomplete: "off", spellcheck: "false" });
  const result = el("div", { "aria-live": "polite", id: "verified" });
  const form = el("form", { class: "panel", id: "verify" }, el("h2", {}, "Are the records whole?"),
    field("Hash or record id that was kept elsewhere", kept, "Optional. Without one, older copies of all files put back would look whole."),
    el("button", { class: "main" }, "Verify the chain"), result);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    result.replaceChildren(el("progress", { "aria-label": "Progress" }));
    try {
      result.replaceChildren(...verified(await ask("v1/audit:verify", { query: { head: kept.value.trim() } })));
    } catch (error) {
      result.replaceChildren(note("error", inWords(error)));
    }
  });
  return form;
}

function verified(reply) {
  const head = el("input", { readonly: true, value: reply.head ?? "none", "aria-label": "Hash of the newest record" });
  return [
    reply.intact
      ? note("info", `Whole: ${count(reply.records, "record")}, each as it was written and in its place.`)
      : note("error", `Not as they were written: ${count(reply.findings.length + reply.more_findings, "finding")} beside ${count(reply.records, "authentic record")}.`),
    reply.findings.length > 0 && table("What is wrong", ["Record", "Problem"], reply.findings.map((each) => [String(each.record), each.problem])),
    ...reply.notices.map((words) => note("warning", words)),
    field("Keep this hash on another machine", head, `Newest record, of ${reply.time ? moment(reply.time) : "no time"}. Whoever has it can prove later that no record was lost until then.`),
    el("button", { type: "button", onclick: () => { head.select(); navigator.clipboard?.writeText(head.value); } }, "Copy the hash"),
  ].filter(Boolean);
}

async function search() {
  const week = new Date(Date.now() - 7 * 86400e3).toISOString().slice(0, 10);
  const since = el("input", { name: "since", type: "date", value: week });
  const subject = el("input", { name: "subject", maxlength: 128, autocomplete: "off" });
  const caller = el("input", { name: "key", maxlength: 64, autocomplete: "off" });
  const action = select("action", [["", "everything"], ...Object.entries(ACTION)]);
  const list = el("div", { "aria-live": "polite", id: "records" });
  const form = el("form", { class: "panel", role: "search", id: "records-search" }, el("h2", {}, "Records"),
    el("div", { class: "row" }, field("Since", since), field("Person", subject), field("Key", caller), field("What was done", action)),
    el("button", {}, "Search"));
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
    load();
  });
  await load();
  return el("section", {}, form, list);
}

function show(list, records, many, rest) {
  const rows = records.slice(0, many).map((each) => [
    el("details", {}, el("summary", {}, each.audit_id.split("-")[0]), whole(each)),
    moment(each.time), `${ACTION[each.action] ?? each.action}, ${OUTCOME[each.outcome] ?? each.outcome}`, each.caller,
    el("bdi", {}, people(each) || "–"), each.purpose || each.detail || "–"]);
  const more = records.length > many && el("button", { type: "button", onclick: () => show(list, records, many + 4 * PAGE, rest) }, "Show more");
  list.replaceChildren(...[
    rest && note("warning", `These are the first ${count(MOST, "record")} since then; later ones are not shown: choose a later day.`),
    table(`${count(records.length, "record")}, the newest first`, ["Record", "Time", "What", "Key", "People", "Purpose or detail"], rows, "No record of that."), more].filter(Boolean));
}

const people = (record) => [...new Set([record.subject, ...record.candidates.map((each) => each.subject)].filter(Boolean))].join(", ");

// All that a record holds; what is empty is left out.
function whole(record) {
  return facts([["Record", record.audit_id], ["Gallery", record.gallery && `${record.gallery}, revision ${record.revision ?? "–"}`],
    ["Purpose", record.purpose], ["Person", record.subject], ["Decision", record.decision],
    ["Candidates", record.candidates.map((each) => `${each.subject} ${number(each.similarity)}`).join(", ")],
    ["Templates", record.templates.join(", ")], ["Reviewer", record.reviewer], ["About record", record.about],
    ["Intended as record", record.intent], ["Detail", record.detail], ["Clips (keyed hashes)", record.probes.map((each) => each.slice(0, 16)).join(", ")],
    ["Request", record.request], ["Hash", record.hash]]);
}

function about() {
  const name = el("input", { name: "person", required: true, maxlength: 128, autocomplete: "off" });
  const gallery = el("input", { name: "gallery", required: true, maxlength: 63, value: access.gallery, autocomplete: "off" });
  const said = el("div", { "aria-live": "polite" });
  const form = el("form", { class: "panel", id: "about" }, el("h2", {}, "What concerns one person"),
    el("p", { class: "quiet" }, "All records that name the person, and the templates as far as the key may see them, as one file. For a request by the person concerned."),
    el("div", { class: "row" }, field("Person", name), field("Gallery", gallery)), el("button", {}, "Download"), said);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const known = await exportAbout(gallery.value, name.value);
      said.replaceChildren(note("info", `Saved ${count(known.records.length, "record")} and ${count(known.templates?.length ?? 0, "template")}.`));
    } catch (error) {
      said.replaceChildren(note("error", inWords(error)));
    }
  });
  return form;
}
