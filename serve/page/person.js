// One person: templates, consent, and what can be done about them.

import { ask, at, download, may } from "./api.js";
import { confirmTyped, el, field, note, table } from "./dom.js";
import { exportAbout } from "./exporting.js";
import { keptFilm } from "./pictures.js";
import { PICTURE, SENSOR, count, day, inWords, moment } from "./words.js";

export async function person(gallery, name) {
  const head = el("h1", {}, el("bdi", {}, name));
  const back = el("p", {}, el("a", { href: `#/people/${at(gallery)}` }, `All people in ${gallery}`));
  const said = el("div", { "aria-live": "polite", id: "said" });
  if (!may("gallery:read")) return [head, back, said, ...actions(gallery, name, said)];
  const reply = await ask(`v1/galleries/${at(gallery)}/subjects/${at(name)}`);
  const columns = ["Template", "Sensor", "Frames", "Enrolled", "Consent", "Ends", "Picture", ...(may("gallery:delete") ? ["Erase"] : [])];
  const pictures = el("div", { class: "side", id: "pictures", "aria-live": "polite" });
  const rows = reply.templates.map((each) => [
    String(each.template), SENSOR[each.modality], String(each.frames), day(each.created),
    el("bdi", {}, each.authorisation), el("time", { datetime: each.expires }, moment(each.expires)),
    each.picture ? el("button", { type: "button", "aria-label": `Show the picture of template ${each.template}`, onclick: () => look(gallery, name, each.template, pictures, said) }, "Show") : "none",
    ...(may("gallery:delete") ? [el("button", { type: "button", "aria-label": `Erase template ${each.template}`, onclick: () => erase(gallery, name, each.template, reply.templates.length, said) }, "Erase")] : [])]);
  return [head, back, said,
    !reply.templates.some((each) => each.picture) && el("p", { class: "quiet" }, PICTURE.none), pictures,
    table(count(reply.templates.length, "template"), columns, rows), ...actions(gallery, name, said)].filter(Boolean);
}

async function look(gallery, name, template, pictures, said) {
  const shown = await attempt(said, () => keptFilm(gallery, name, template, PICTURE.kept));
  if (shown) pictures.replaceChildren(shown);
}

function actions(gallery, name, said) {
  return [
    may("enrol") && el("p", { class: "actions" }, el("a", { class: "button", href: `#/people/${at(gallery, name)}/enrol` }, "Add clips")),
    may("enrol") && extend(gallery, name, said),
    may("enrol") && merge(gallery, name, said),
    may("audit:read") && el("section", { class: "panel" }, el("h2", {}, "What is known about this person"),
      el("p", {}, "Everything the service holds in words: templates, and every record that names this person. For a request by the person concerned."),
      el("button", { type: "button", id: "export", onclick: () => exportAll(gallery, name, said) }, "Download")),
    may("gallery:delete") && el("section", { class: "panel" }, el("h2", {}, "Erase"),
      el("p", {}, "Destroys the key that reads this person's templates. No backup brings them back. Records of what was done stay."),
      el("button", { type: "button", class: "danger", id: "erase", onclick: () => erase(gallery, name, null, 0, said) }, "Erase this person")),
  ].filter(Boolean);
}

// Runs a task, and says what became of it; returns its result, or null if it was refused.
async function attempt(said, task) {
  try {
    return await task();
  } catch (error) {
    said.replaceChildren(note("error", inWords(error)));
    said.scrollIntoView({ block: "nearest" });
    return null;
  }
}

function extend(gallery, name, said) {
  const reference = el("input", { name: "authorisation", required: true, maxlength: 256, autocomplete: "off" });
  const until = el("input", { name: "expires", type: "date", required: true, min: new Date().toISOString().slice(0, 10) });
  const form = el("form", { class: "panel", id: "extend" }, el("h2", {}, "Extend"),
    el("p", { class: "quiet" }, "When consent is given anew, or cut short: it counts for all templates."),
    el("div", { class: "row" }, field("Consent reference", reference), field("Last day", until)), el("button", {}, "Extend"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const json = { authorisation: reference.value, expires: until.value };
    const reply = await attempt(said, () => ask(`v1/galleries/${at(gallery)}/subjects/${at(name)}:extend`, { method: "POST", json }));
    if (reply) done(said, `${count(reply.templates, "template")} now end at ${moment(reply.expires)} (record ${reply.audit_id}).`);
  });
  return form;
}

function merge(gallery, name, said) {
  const into = el("input", { name: "into", required: true, maxlength: 128, autocomplete: "off" });
  const form = el("form", { class: "panel", id: "merge" }, el("h2", {}, "Merge"),
    el("p", { class: "quiet" }, "If this is somebody who is enrolled under another name: the templates move there, and this name is gone."),
    field("Name that stays", into), el("button", {}, "Merge"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!(await confirmTyped("Merge two people", `The templates of ${name} move to ${into.value}. They cannot be told apart again.`, name, "Merge"))) return;
    const reply = await attempt(said, () => ask(`v1/galleries/${at(gallery)}/subjects/${at(name)}:merge`, { method: "POST", json: { into: into.value } }));
    if (reply) location.hash = `#/people/${at(gallery, reply.subject)}`;
  });
  return form;
}

async function erase(gallery, name, template, left, said) {
  const what = template === null ? "this person with all templates" : `template ${template}${left === 1 ? ", the last, and with it the person" : ""}`;
  if (!(await confirmTyped("Erase for good", `Erases ${what}. It cannot be undone.`, name, "Erase"))) return;
  const path = `v1/galleries/${at(gallery)}/subjects/${at(name)}` + (template === null ? "" : `/templates/${template}`);
  const reply = await attempt(said, () => ask(path, { method: "DELETE" }));
  if (!reply) return;
  const { receipt } = reply;
  said.replaceChildren(el("section", { class: "panel", id: "receipt" }, el("h2", {}, "Erased"),
    el("p", {}, `${count(receipt.templates.length, "template")} of `, el("bdi", {}, receipt.subject), ` erased at ${moment(receipt.erased)}. Key ${receipt.key} was destroyed (${receipt.destruction}). Record ${reply.audit_id}.`),
    el("button", { type: "button", onclick: () => download(`erasure-${reply.audit_id ?? receipt.key}.json`, reply) }, "Download the receipt"),
    el("p", {}, el("a", { href: `#/people/${at(gallery)}` }, "Back to the people"))));
  const main = document.getElementById("main");
  for (const each of [...main.children]) if (each !== said && each.tagName !== "H1") each.remove();
  said.scrollIntoView({ block: "nearest" });
}

async function exportAll(gallery, name, said) {
  const known = await attempt(said, () => exportAbout(gallery, name));
  if (!known) return;
  said.replaceChildren(note("info", `Saved ${count(known.records.length, "record")} and ${count(known.templates?.length ?? 0, "template")}. That you read them is recorded.`));
}

// Shows the page anew, with what was done.
function done(said, words) {
  said.replaceChildren(note("info", words, " ", el("a", { href: location.hash, onclick: () => location.reload() }, "Show the templates anew")));
}
