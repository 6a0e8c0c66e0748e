// Everything in words about one person, as a file: for a request by the person concerned.

import { ask, at, download, every, may } from "./api.js";
import { note } from "./dom.js";
import { wasCancelled, working } from "./progress.js";
import { EXPORT, inWords } from "./words.js";

const MOST = 100000;

// Saves it, and says in `place` how far it is and what became of it.
export async function exportAbout(place, gallery, name) {
  const { signal, say } = working(place, EXPORT.reading);
  try {
    const known = await gather(gallery, name, signal, (many) => say(EXPORT.soFar(many)));
    download(EXPORT.file(name), known);
    place.replaceChildren(note("info", EXPORT.saved(known.records.length, known.templates?.length ?? 0)));
    if (known.more_records) place.append(note("warning", EXPORT.more(MOST)));
  } catch (error) {
    place.replaceChildren(wasCancelled(error) ? note("info", EXPORT.cancelled) : note("error", inWords(error)));
  }
}

// A person who is no longer enrolled has records only.
async function gather(gallery, name, signal, progress) {
  const records = await every("v1/audit", { subject: name }, "records", MOST, { signal, progress });
  const place = `v1/galleries/${at(gallery)}/subjects/${at(name)}`;
  const person = may("gallery:read") ? await ask(place, { signal }).catch(unlessGone) : null;
  return {
    subject: name, gallery, exported: new Date().toISOString(), templates: person?.templates ?? null,
    records: records.found, more_records: records.rest, head: records.last.head,
  };
}

function unlessGone(problem) {
  if (problem.status === 404) return null;
  throw problem;
}
