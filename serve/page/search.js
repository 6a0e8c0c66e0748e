// Search: a clip or a recording goes in, a verdict comes out.

import { access, ask, at, may, send } from "./api.js";
import { el, facts, field, note, select, table } from "./dom.js";
import { film } from "./film.js";
import { chooser } from "./galleries.js";
import { candidateFilms } from "./pictures.js";
import { wasCancelled, working } from "./progress.js";
import { reviewForm } from "./reviewing.js";
import { scale } from "./scale.js";
import { banner, quality, rates, simulated, standing } from "./verdict.js";
import { COMMON, SEARCH, SENSOR, inWords, number } from "./words.js";

const AXES = ["", "+x", "-x", "+y", "-y"];

export async function view() {
  const result = el("section", { "aria-live": "polite", "aria-label": COMMON.result });
  return [el("h1", {}, SEARCH.title), await searchForm(result), result];
}

async function searchForm(result) {
  const file = el("input", { type: "file", required: true });
  const said = el("p", { class: "quiet" }, SEARCH.drop);
  const zone = el("div", { class: "drop" }, field(SEARCH.file, file, SEARCH.fileHint), said);
  dropInto(zone, file, said);
  const kind = el("fieldset", {}, el("legend", {}, SEARCH.kind),
    radio("kind", "clip", SEARCH.clip, true), radio("kind", "recording", SEARCH.recording, false));
  const form = el("form", { class: "panel", id: "search" }, zone, kind, purposeField(), await chooser(), options(),
    el("p", { class: "actions" }, el("button", { class: "main" }, SEARCH.search)));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(form, file.files[0], result);
  });
  return form;
}

function purposeField() {
  const input = access.purposes.length
    ? select("purpose", access.purposes.map((each) => [each, each]))
    : el("input", { name: "purpose", required: true, maxlength: 200, autocomplete: "off" });
  return field(COMMON.purpose, input, SEARCH.purposeHint);
}

function radio(name, value, words, checked) {
  return el("label", {}, el("input", { type: "radio", name, value, checked }), ` ${words}`);
}

function options() {
  return el("details", {}, el("summary", {}, SEARCH.options),
    field(SEARCH.candidates, el("input", { name: "top_k", type: "number", min: 1, max: 100, value: 5 })),
    field(SEARCH.compare, select("gallery_modality", SEARCH.templates)),
    field(SEARCH.forward, select("forward", AXES.map((axis) => [axis, axis || SEARCH.found]))),
    el("label", {}, el("input", { type: "checkbox", name: "all_candidates", value: "true" }), ` ${SEARCH.unlike}`));
}

// Files may be dropped anywhere on the zone; the input stays for the keyboard.
function dropInto(zone, input, said) {
  const hold = (event) => event.preventDefault();
  zone.addEventListener("dragover", (event) => {
    hold(event);
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    hold(event);
    zone.classList.remove("over");
    if (event.dataTransfer.files.length) input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change"));
  });
  input.addEventListener("change", () => (said.textContent = input.files[0] ? size(input.files[0]) : SEARCH.drop));
}

function size(file) {
  const mib = file.size / 2 ** 20, most = access.limits.max_clip_mib;
  return most && mib > most ? SEARCH.tooLarge(mib, most) : SEARCH.size(mib);
}

// The fields of the form that the route has; empty ones are left out.
function fields(form, names) {
  const given = new FormData(form), sent = new FormData();
  for (const name of names) for (const value of given.getAll(name)) if (value) sent.append(name, value);
  return sent;
}

async function run(form, file, result) {
  const recording = new FormData(form).get("kind") === "recording";
  const shared = ["purpose", "gallery", "top_k", "gallery_modality"];
  const sent = fields(form, recording ? shared : [...shared, "forward", "all_candidates"]);
  sent.append(recording ? "recording" : "clip", file);
  if (recording) sent.append("pictures", "true");
  const { signal, say } = working(result, SEARCH.sending), button = form.querySelector("button.main");
  const then = recording ? SEARCH.looking : SEARCH.reading;
  const progress = (part) => say(part < 1 ? SEARCH.sending : then, part);
  button.disabled = true;
  const pictures = recording ? null : frames(form, file, signal);
  try {
    const reply = await send(recording ? "v1/tracks" : "v1/identify", sent, { progress, signal });
    result.replaceChildren(...(recording ? await people(reply) : await found(reply, pictures)));
  } catch (error) {
    const cancelled = wasCancelled(error);
    result.replaceChildren(cancelled ? note("info", SEARCH.cancelled) : note("error", inWords(error)));
    const seen = !cancelled && pictures && (await pictures);
    if (seen?.film) result.append(el("h2", {}, SEARCH.seen), seen.film, quality(seen.clip));
  }
  button.disabled = false;
  result.dataset.done = "yes";
}

// The probe as the service sees it; a clip that is refused is shown too. Never throws.
async function frames(form, file, signal) {
  const sent = fields(form, ["forward"]);
  sent.append("clip", file);
  try {
    const reply = await send("v1/frames", sent, { signal });
    return { clip: reply.clip, film: await film(reply, SEARCH.probe) };
  } catch (error) {
    return { problem: error };
  }
}

async function found(reply, pictures) {
  const { probe, timings_ms: took } = reply;
  const seen = await pictures;
  const side = el("div", { class: "side" },
    seen.film ?? note("info", SEARCH.noPicture(inWords(seen.problem))),
    await candidateFilms(reply.gallery, reply.candidates));
  return [banner(reply), simulated(reply), side, await measured(reply, probe.modality),
    candidates(reply), el("section", {}, el("h2", {}, SEARCH.about), quality(probe)),
    reply.audit_id && reply.candidates.length ? reviewForm(reply.audit_id, reply.candidates.map((each) => each.subject)) : null,
    el("details", {}, el("summary", {}, SEARCH.record),
      facts([[SEARCH.audit, reply.audit_id], [COMMON.gallery, COMMON.state(reply.gallery, reply.gallery_revision)],
        [SEARCH.decided, rates(reply.thresholds)], [SEARCH.model, reply.model.contract],
        [SEARCH.times, Object.entries(took).map(([stage, ms]) => SEARCH.took(stage, ms)).join(", ")]])),
  ].filter(Boolean);
}

const asked = new Map();

// How similar strangers get, asked once for each state of a gallery; nothing if it cannot be known.
function strangersOf({ gallery, gallery_revision: revision, gallery_modality: searched }, probe) {
  const place = JSON.stringify([gallery, revision, searched, probe]);
  if (!asked.has(place)) {
    const query = { probe, gallery_modality: searched };
    asked.set(place, ask(`v1/galleries/${at(gallery)}/strangers`, { query }).catch(() => ({ shares: [] })));
  }
  return asked.get(place);
}

async function measured(reply, modality) {
  const strangers = await strangersOf(reply, modality);
  return scale(reply.candidates, reply.thresholds, strangers.shares);
}

function candidates(reply) {
  const rows = reply.candidates.map((each, rank) => [
    String(rank + 1),
    may("gallery:read") ? el("a", { href: `#/people/${at(reply.gallery, each.subject)}` }, el("bdi", {}, each.subject)) : el("bdi", {}, each.subject),
    number(each.similarity), standing(each.similarity, reply.thresholds), SENSOR[each.modality]]);
  return table(SEARCH.candidates, SEARCH.columns, rows, SEARCH.nobody);
}

// Everybody in a recording, one verdict each.
async function people(reply) {
  const found = reply.people.filter((person) => person.decision === "match" || person.decision === "possible").length;
  const head = el("h2", {}, SEARCH.people(reply.people.length, found));
  const cards = await Promise.all(reply.people.map((person) => card(person, reply)));
  return [head, simulated({ ...reply, thresholds: reply.people.find((each) => each.thresholds)?.thresholds }),
    reply.left_out > 0 && note("warning", SEARCH.leftOut(reply.left_out)), ...cards,
    facts([[SEARCH.audit, reply.audit_id], [COMMON.gallery, COMMON.state(reply.gallery, reply.gallery_revision)]]),
  ].filter(Boolean);
}

async function card(person, reply) {
  const title = SEARCH.walk(person.track, person.begins, person.ends, person.frames);
  const seen = person.picture && (await film({ ...person.picture, modality: person.clip.modality }, SEARCH.track(person.track)));
  const side = el("div", { class: "side" }, seen, person.candidates.length > 0 && (await candidateFilms(reply.gallery, person.candidates.slice(0, 1))));
  const body = person.rejected
    ? [note("warning", SEARCH.notSearched(person.detail, person.rejected)), side]
    : [banner(person, "h4"), side, await measured({ ...reply, ...person }, person.clip.modality), candidates({ ...reply, ...person })];
  return el("article", { class: "panel" }, el("h3", {}, title), ...body, person.clip && quality(person.clip));
}
