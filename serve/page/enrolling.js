// Enrolling: clips are tried first, and what is wrong with them is said before anything is stored.

import { access, at, may, send } from "./api.js";
import { el, field, note, table, tick } from "./dom.js";
import { film } from "./film.js";
import { chooser } from "./galleries.js";
import { wasCancelled, working } from "./progress.js";
import { COMMON, ENROL, PICTURE, SENSOR, inWords } from "./words.js";

export async function enrolForm(gallery, name) {
  const who = el("input", { name: "subject", required: true, maxlength: 128, autocomplete: "off", value: name });
  const clips = el("input", { type: "file", multiple: true, required: true });
  const reference = el("input", { name: "authorisation", required: true, maxlength: 256, autocomplete: "off" });
  const until = el("input", { name: "expires", type: "date", required: true, min: new Date().toISOString().slice(0, 10) });
  const fresh = el("input", { type: "checkbox", name: "new_person" });
  const keep = el("input", { type: "checkbox", name: "keep_pictures" });
  const result = el("section", { "aria-live": "polite", "aria-label": COMMON.result });
  const check = el("button", { class: "main", value: "check" }, ENROL.check);
  const store = el("button", { value: "store", disabled: true, id: "store" }, ENROL.store);
  const form = el("form", { class: "panel", id: "enrol" }, await chooser(gallery), field(ENROL.name, who),
    field(ENROL.clips, clips, ENROL.clipsHint(access.limits.max_clips ?? 32)),
    el("div", { class: "row" }, field(COMMON.consent, reference, ENROL.consentHint), field(COMMON.lastDay, until, ENROL.lastDayHint)),
    tick(ENROL.keep, keep, PICTURE.hint),
    tick(ENROL.fresh, fresh),
    el("p", { class: "actions" }, check, store), el("small", {}, ENROL.nothing));
  // What was checked must be what is stored.
  form.addEventListener("input", () => (store.disabled = true));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const storing = event.submitter === store, sent = new FormData();
    const place = `v1/galleries/${at(form.elements.gallery.value)}/subjects/${at(who.value)}/templates`;
    for (const file of clips.files) sent.append("clips", file);
    if (fresh.checked) sent.append("new_person", "true");
    if (storing) {
      sent.append("authorisation", reference.value);
      sent.append("expires", until.value);
      if (keep.checked) sent.append("keep_pictures", "true");
    }
    const words = storing ? ENROL.storing : ENROL.checking;
    const { signal, say } = working(result, words);
    check.disabled = store.disabled = true;
    try {
      const reply = await send(storing ? place : `${place}:check`, sent, { signal, progress: (part) => say(words, part) });
      if (storing) result.replaceChildren(...stored(reply));
      else {
        result.replaceChildren(...checked(reply, [...clips.files]));
        store.disabled = !reply.usable.length;
      }
    } catch (error) {
      const rejected = error.report?.rejected ?? [];
      result.replaceChildren(wasCancelled(error) ? note("info", storing ? ENROL.cancelled : COMMON.cancelled) : note("error", inWords(error)), ...rejected.map((each) => el("p", {}, ENROL.clip(each.position + 1, each.detail))));
    }
    check.disabled = false;
    result.dataset.done = storing ? "stored" : "checked";
  });
  return el("div", {}, form, result);
}

function checked(reply, files) {
  const warnings = [];
  if (reply.known) warnings.push(note("info", ENROL.known(reply.known)));
  for (const each of reply.alike) {
    warnings.push(note("warning", ...ENROL.alike(each.position + 1, el("bdi", {}, each.subject), each.similarity)));
  }
  for (const each of reply.duplicates) {
    warnings.push(note("warning", ...ENROL.duplicate(each.position + 1, el("bdi", {}, each.others.join(", ")))));
  }
  const rows = [
    ...reply.usable.map(({ position, clip }) => [position, ENROL.usable, ENROL.what(SENSOR[clip.modality], clip.frames_used), ENROL.quality(clip.quality, clip.quality_reasons)]),
    ...reply.rejected.map((each) => [each.position, ENROL.refused(each.code), "", each.detail]),
  ].sort((one, other) => one[0] - other[0])
    .map(([position, ...rest]) => [`${position + 1}: ${files[position]?.name ?? ""}`, ...rest, look(files[position])]);
  return [el("h2", {}, ENROL.sum(reply.usable.length, files.length)),
    ...warnings, table(ENROL.clips, ENROL.columns, rows)];
}

// A button that shows what the service sees in a file.
function look(file) {
  if (!may("identify")) return ENROL.scope;
  const place = el("div", {});
  place.append(el("button", { type: "button", onclick: async () => {
    const sent = new FormData(), { signal } = working(place, COMMON.reading);
    sent.append("clip", file);
    try {
      place.replaceChildren(await film(await send("v1/frames", sent, { signal }), file.name));
    } catch (error) {
      place.replaceChildren(wasCancelled(error) ? note("info", COMMON.cancelled) : note("error", inWords(error)));
    }
  } }, COMMON.show));
  return place;
}

function stored(reply) {
  return [el("h2", {}, ENROL.stored(reply.templates.length)),
    note("info", ENROL.searchable(reply.audit_id)),
    ...reply.rejected.map((each) => note("warning", ENROL.clipRefused(each.position + 1, each.detail))),
    reply.erased.length > 0 && note("warning", ENROL.erased(reply.erased)),
    el("p", {}, el("a", { href: `#/people/${at(reply.gallery, reply.subject)}` }, ENROL.look(el("bdi", {}, reply.subject))))].filter(Boolean);
}
