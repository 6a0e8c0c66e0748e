// Enrolling: clips are tried first, and what is wrong with them is said before anything is stored.

import { access, at, may, send } from "./api.js";
import { el, field, note, table } from "./dom.js";
import { film } from "./film.js";
import { chooser } from "./galleries.js";
import { PICTURE, REASON, SENSOR, inWords, number } from "./words.js";

export async function enrolForm(gallery, name) {
  const who = el("input", { name: "subject", required: true, maxlength: 128, autocomplete: "off", value: name });
  const clips = el("input", { type: "file", multiple: true, required: true });
  const reference = el("input", { name: "authorisation", required: true, maxlength: 256, autocomplete: "off" });
  const until = el("input", { name: "expires", type: "date", required: true, min: new Date().toISOString().slice(0, 10) });
  const fresh = el("input", { type: "checkbox", name: "new_person" });
  const keep = el("input", { type: "checkbox", name: "keep_pictures" });
  const result = el("section", { "aria-live": "polite", "aria-label": "Result" });
  const check = el("button", { class: "main", value: "check" }, "Check the clips");
  const store = el("button", { value: "store", disabled: true, id: "store" }, "Enrol");
  const form = el("form", { class: "panel", id: "enrol" }, await chooser(gallery), field("Name or number", who),
    field("Clips", clips, `One or several, at most ${access.limits.max_clips ?? 32}; several walks, from several sides and by both sensors, are found best.`),
    el("div", { class: "row" }, field("Consent reference", reference, "Of the person's consent, or another authorisation."), field("Last day", until, "From then on no search finds them, and they are erased.")),
    field("Keep pictures", keep, PICTURE.hint),
    el("label", {}, fresh, " This is a new person, whoever else looks alike"),
    el("p", { class: "actions" }, check, store), el("small", {}, "Nothing is stored before “Enrol”."));
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
    const bar = el("progress", { max: 1, "aria-label": "Progress" }), stop = new AbortController();
    result.replaceChildren(el("p", { class: "actions" }, bar, ` ${storing ? "Enrolling…" : "Checking…"}`,
      el("button", { type: "button", onclick: () => stop.abort() }, "Cancel")));
    check.disabled = store.disabled = true;
    try {
      const reply = await send(storing ? place : `${place}:check`, sent, { signal: stop.signal, progress: (part) => part !== null && part < 1 ? (bar.value = part) : bar.removeAttribute("value") });
      if (storing) result.replaceChildren(...stored(reply));
      else {
        result.replaceChildren(...checked(reply, [...clips.files]));
        store.disabled = !reply.usable.length;
      }
    } catch (error) {
      const rejected = error.report?.rejected ?? [];
      const cancelled = error.name === "AbortError";
      result.replaceChildren(cancelled ? note("info", storing ? "Cancelled. Look at the person: the clips may be enrolled all the same." : "Cancelled.") : note("error", inWords(error)), ...rejected.map((each) => el("p", {}, `Clip ${each.position + 1}: ${each.detail}`)));
    }
    check.disabled = false;
    result.dataset.done = storing ? "stored" : "checked";
  });
  return el("div", {}, form, result);
}

function checked(reply, files) {
  const warnings = [];
  if (reply.known) warnings.push(note("info", "This person is enrolled already, with ", `${reply.known} templates: the clips are added.`));
  for (const each of reply.alike) {
    warnings.push(note("warning", `Clip ${each.position + 1} matches `, el("bdi", {}, each.subject), ` (similarity ${number(each.similarity)}), who is enrolled: is it the same person?`));
  }
  for (const each of reply.duplicates) {
    warnings.push(note("warning", `Clip ${each.position + 1} is enrolled already under `, el("bdi", {}, each.others.join(", ")), "."));
  }
  const rows = [
    ...reply.usable.map(({ position, clip }) => [position, "can be enrolled", `${SENSOR[clip.modality]}, ${clip.frames_used} frames`, `${clip.quality.toFixed(2)} ${clip.quality_reasons.map((reason) => REASON[reason] ?? reason).join(" ")}`]),
    ...reply.rejected.map((each) => [each.position, `refused (${each.code})`, "", each.detail]),
  ].sort((one, other) => one[0] - other[0])
    .map(([position, ...rest]) => [`${position + 1}: ${files[position]?.name ?? ""}`, ...rest, look(files[position])]);
  return [el("h2", {}, reply.usable.length ? `${reply.usable.length} of ${files.length} can be enrolled` : "None of the clips can be enrolled"),
    ...warnings, table("Clips", ["Clip", "Result", "What it is", "Quality", "Picture"], rows)];
}

// A button that shows what the service sees in a file.
function look(file) {
  if (!may("identify")) return "needs a key with the scope identify";
  const place = el("div", {});
  place.append(el("button", { type: "button", onclick: async () => {
    const sent = new FormData();
    sent.append("clip", file);
    try {
      place.replaceChildren(await film(await send("v1/frames", sent), file.name));
    } catch (error) {
      place.replaceChildren(note("error", inWords(error)));
    }
  } }, "Show"));
  return place;
}

function stored(reply) {
  return [el("h2", {}, `${reply.templates.length} enrolled`),
    note("info", `Stored and searchable; record ${reply.audit_id}.`),
    ...reply.rejected.map((each) => note("warning", `Clip ${each.position + 1} was refused: ${each.detail}`)),
    reply.erased.length > 0 && note("warning", `Templates ${reply.erased.join(", ")} were erased: the person had more than are kept.`),
    el("p", {}, el("a", { href: `#/people/${at(reply.gallery, reply.subject)}` }, "Show ", el("bdi", {}, reply.subject)))].filter(Boolean);
}
