// Choosing a gallery: from a list if the key may see one, else by typing its name.

import { access, ask, may } from "./api.js";
import { el, field, select } from "./dom.js";
import { COMMON } from "./words.js";

export async function names() {
  if (!may("gallery:read")) return access.galleries ?? [];
  return (await ask("v1/galleries", { query: { limit: 1000 } })).galleries;
}

export async function chooser(chosen = access.gallery) {
  const known = await names();
  if (!known.length) {
    return field(COMMON.gallery, el("input", { name: "gallery", value: chosen, maxlength: 63, autocomplete: "off", required: true }),
      COMMON.untyped);
  }
  if (!known.includes(chosen)) known.unshift(chosen);
  return field(COMMON.gallery, select("gallery", known.map((name) => [name, name]), chosen));
}
