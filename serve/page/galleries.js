// Choosing a gallery: from a list if the key may see one, else by typing its name.

import { access, ask, may } from "./api.js";
import { el, field, select } from "./dom.js";

export async function names() {
  if (!may("gallery:read")) return access.galleries ?? [];
  return (await ask("v1/galleries", { query: { limit: 1000 } })).galleries;
}

export async function chooser(chosen = access.gallery) {
  const known = await names();
  if (!known.length) {
    return field("Gallery", el("input", { name: "gallery", value: chosen, maxlength: 63, autocomplete: "off", required: true }),
      "This key may not list galleries: type the name.");
  }
  if (!known.includes(chosen)) known.unshift(chosen);
  return field("Gallery", select("gallery", known.map((name) => [name, name]), chosen));
}
