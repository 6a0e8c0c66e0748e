// Erasing: the name is typed first, and a receipt says what was destroyed.

import { ask, at, download } from "./api.js";
import { confirmTyped, el, note } from "./dom.js";
import { PERSON, inWords } from "./words.js";

const person = (gallery, name) => `v1/galleries/${at(gallery)}/subjects/${at(name)}`;

// A whole person, or one template of `left`. The receipt takes the page's place.
export async function erase(said, gallery, name, template = null, left = 0) {
  const words = template === null ? PERSON.erasingAll : PERSON.erasing(template, left === 1);
  const path = person(gallery, name) + (template === null ? "" : `/templates/${template}`);
  const reply = await confirmed(said, path, PERSON.eraseTitle, words, name);
  if (!reply) return;
  said.replaceChildren(receipt(reply, el("p", {}, el("a", { href: `#/people/${at(gallery)}` }, PERSON.toPeople))));
  const main = document.getElementById("main");
  for (const each of [...main.children]) if (each !== said && each.tagName !== "H1") each.remove();
  document.getElementById("receipt").focus();
}

// Only the picture that is kept of a template. Returns whether it was erased.
export async function erasePicture(said, gallery, name, template) {
  const path = `${person(gallery, name)}/templates/${template}/picture`;
  const reply = await confirmed(said, path, PERSON.pictureTitle, PERSON.erasingPicture(template), name);
  if (!reply) return false;
  said.replaceChildren(receipt(reply));
  document.getElementById("receipt").focus();
  return true;
}

// Asks, and deletes; null if nothing was erased.
async function confirmed(said, path, title, words, name) {
  if (!(await confirmTyped(title, words, name, PERSON.erase))) return null;
  try {
    return await ask(path, { method: "DELETE" });
  } catch (error) {
    said.replaceChildren(note("error", inWords(error)));
    said.scrollIntoView({ block: "nearest" });
    return null;
  }
}

function receipt(reply, more = null) {
  const erased = reply.receipt;
  return el("section", { class: "panel", id: "receipt", tabindex: "-1" }, el("h2", {}, PERSON.erased),
    el("p", {}, PERSON.told(el("bdi", {}, erased.subject), erased, reply.audit_id)),
    el("button", { type: "button", onclick: () => download(PERSON.receiptFile(reply.audit_id ?? erased.key), reply) }, PERSON.receipt), more);
}
