// Everything in words about one person, as a file: for a request by the person concerned.

import { ask, at, download, every, may } from "./api.js";

// Saves it, and returns what was saved. A person who is no longer enrolled has records only.
export async function exportAbout(gallery, name) {
  const records = await every("v1/audit", { subject: name }, "records", 100000);
  const place = `v1/galleries/${at(gallery)}/subjects/${at(name)}`;
  const person = may("gallery:read") ? await ask(place).catch(unlessGone) : null;
  const known = {
    subject: name, gallery, exported: new Date().toISOString(), templates: person?.templates ?? null,
    records: records.found, more_records: records.rest, head: records.last.head,
  };
  download(`about-${name}.json`, known);
  return known;
}

function unlessGone(problem) {
  if (problem.status === 404) return null;
  throw problem;
}
