// Pictures of enrolled people, which exist only where an enrolment kept them. Looking is recorded.

import { ask, at, may } from "./api.js";
import { el } from "./dom.js";
import { film } from "./film.js";
import { FRAME, PICTURE, SENSOR, inWords } from "./words.js";

const MOST = 4; // candidates whose pictures are loaded unasked

// A picture of each candidate, the first ones at once and the others on request.
export function candidateFilms(gallery, candidates) {
  return Promise.all(people(candidates).map((each, rank) => (rank < MOST ? candidateFilm(gallery, each) : later(gallery, each))));
}

// The same at once: each has its place, which its picture takes as it comes.
export function candidatePlaces(gallery, candidates) {
  return people(candidates).map((each, rank) => {
    if (rank >= MOST) return later(gallery, each);
    const place = nothing(each.subject, FRAME.loading);
    candidateFilm(gallery, each).then((made) => place.replaceWith(made));
    return place;
  });
}

const people = (candidates) => candidates.filter((each, rank) => candidates.findIndex((other) => other.subject === each.subject) === rank);

async function candidateFilm(gallery, { subject, template }) {
  if (!may("gallery:read")) return nothing(subject, PICTURE.scope);
  try {
    const { templates } = await ask(`v1/galleries/${at(gallery)}/subjects/${at(subject)}`);
    const kept = templates.filter((each) => each.picture);
    const best = kept.find((each) => each.template === template) ?? kept[0];
    if (!best) return nothing(subject, PICTURE.none);
    return await keptFilm(gallery, subject, best.template, best.template === template ? PICTURE.alike : PICTURE.other);
  } catch (error) {
    return nothing(subject, inWords(error));
  }
}

// The player of the picture that is kept of one template.
export async function keptFilm(gallery, subject, template, which) {
  const reply = await ask(`v1/galleries/${at(gallery)}/subjects/${at(subject)}/templates/${template}/picture`);
  return film(reply, `${subject}: ${which(template, SENSOR[reply.modality])}`);
}

function later(gallery, candidate) {
  const show = el("button", { type: "button", onclick: async () => figure.replaceWith(await candidateFilm(gallery, candidate)) }, PICTURE.show);
  const figure = el("figure", { class: "film" }, el("figcaption", {}, el("bdi", {}, candidate.subject)), el("p", { class: "nothing" }, show));
  return figure;
}

function nothing(subject, words) {
  return el("figure", { class: "film" }, el("figcaption", {}, el("bdi", {}, subject)), el("p", { class: "nothing" }, words));
}
