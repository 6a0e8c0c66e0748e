// One person: templates, consent, and what can be done about them.

import { ask, at, may } from "./api.js";
import { confirmTyped, el, field, note, table } from "./dom.js";
import { erase, erasePicture } from "./erasing.js";
import { exportAbout } from "./exporting.js";
import { keptFilm } from "./pictures.js";
import { COMMON, PERSON, PICTURE, SENSOR, day, inWords, moment } from "./words.js";

export async function person(gallery, name) {
  const head = el("h1", {}, el("bdi", {}, name));
  const back = el("p", {}, el("a", { href: `#/people/${at(gallery)}` }, PERSON.back(gallery)));
  const said = el("div", { "aria-live": "polite", id: "said" });
  if (!may("gallery:read")) return [head, back, said, ...actions(gallery, name, said)];
  const reply = await ask(`v1/galleries/${at(gallery)}/subjects/${at(name)}`);
  const columns = [...PERSON.columns, ...(may("gallery:delete") ? [PERSON.eraseColumn] : [])];
  const pictures = el("div", { class: "side", id: "pictures", "aria-live": "polite" });
  const rows = reply.templates.map((each) => [
    String(each.template), SENSOR[each.modality], String(each.frames), day(each.created),
    el("bdi", {}, each.authorisation), el("time", { datetime: each.expires }, moment(each.expires)),
    each.picture ? kept(gallery, name, each.template, pictures, said) : COMMON.none,
    ...(may("gallery:delete") ? [el("button", { type: "button", "aria-label": PERSON.eraseTemplate(each.template), onclick: () => erase(said, gallery, name, each.template, reply.templates.length) }, PERSON.erase)] : [])]);
  return [head, back, said,
    !reply.templates.some((each) => each.picture) && el("p", { class: "quiet" }, PICTURE.none), pictures,
    table(COMMON.templates(reply.templates.length), columns, rows), ...actions(gallery, name, said)].filter(Boolean);
}

// What can be done about a kept picture.
function kept(gallery, name, template, pictures, said) {
  const forget = async () => {
    if (!(await erasePicture(said, gallery, name, template))) return;
    place.replaceChildren(COMMON.none);
    pictures.replaceChildren();
  };
  const place = el("span", { class: "actions" },
    el("button", { type: "button", "aria-label": PERSON.look(template), onclick: () => look(gallery, name, template, pictures, said) }, COMMON.show),
    may("gallery:delete") && el("button", { type: "button", "aria-label": PERSON.erasePicture(template), onclick: forget }, PERSON.eraseKept));
  return place;
}

async function look(gallery, name, template, pictures, said) {
  const shown = await attempt(said, () => keptFilm(gallery, name, template, PICTURE.kept));
  if (shown) pictures.replaceChildren(shown);
}

function actions(gallery, name, said) {
  return [
    may("enrol") && el("p", { class: "actions" }, el("a", { class: "button", href: `#/people/${at(gallery, name)}/enrol` }, PERSON.add)),
    may("enrol") && extend(gallery, name, said),
    may("enrol") && merge(gallery, name, said),
    may("audit:read") && el("section", { class: "panel" }, el("h2", {}, PERSON.known),
      el("p", {}, PERSON.knownHint), el("p", { class: "actions" },
        el("a", { class: "button", href: `#/audit/${at("", name)}` }, PERSON.records),
        el("button", { type: "button", id: "export", onclick: (event) => exportAll(event.target, gallery, name, said) }, COMMON.download))),
    may("gallery:delete") && el("section", { class: "panel" }, el("h2", {}, PERSON.erase),
      el("p", {}, PERSON.eraseHint),
      el("button", { type: "button", class: "danger", id: "erase", onclick: () => erase(said, gallery, name) }, PERSON.erasePerson)),
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
  const form = el("form", { class: "panel", id: "extend" }, el("h2", {}, PERSON.extend),
    el("p", { class: "quiet" }, PERSON.extendHint),
    el("div", { class: "row" }, field(COMMON.consent, reference), field(COMMON.lastDay, until)), el("button", {}, PERSON.extend));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const json = { authorisation: reference.value, expires: until.value };
    const reply = await attempt(said, () => ask(`v1/galleries/${at(gallery)}/subjects/${at(name)}:extend`, { method: "POST", json }));
    if (reply) done(said, PERSON.extended(reply.templates, reply.expires, reply.audit_id));
  });
  return form;
}

function merge(gallery, name, said) {
  const into = el("input", { name: "into", required: true, maxlength: 128, autocomplete: "off" });
  const form = el("form", { class: "panel", id: "merge" }, el("h2", {}, PERSON.merge),
    el("p", { class: "quiet" }, PERSON.mergeHint),
    field(PERSON.into, into), el("button", {}, PERSON.merge));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!(await confirmTyped(PERSON.mergeTitle, PERSON.merging(name, into.value), name, PERSON.merge))) return;
    const reply = await attempt(said, () => ask(`v1/galleries/${at(gallery)}/subjects/${at(name)}:merge`, { method: "POST", json: { into: into.value } }));
    if (reply) location.hash = `#/people/${at(gallery, reply.subject)}`;
  });
  return form;
}

async function exportAll(button, gallery, name, said) {
  button.disabled = true;
  said.scrollIntoView({ block: "nearest" });
  await exportAbout(said, gallery, name);
  button.disabled = false;
}

// Shows the page anew, with what was done.
function done(said, words) {
  said.replaceChildren(note("info", words, " ", el("a", { href: location.hash, onclick: () => location.reload() }, PERSON.again)));
}
