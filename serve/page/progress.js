// Long work while it goes on: how far it is, and a button that stops it.

import { el } from "./dom.js";
import { COMMON } from "./words.js";

// Shows it in `place`. `signal` is aborted by the button; `say` changes the words, and the bar if it
// is told a part, 0..1.
export function working(place, words) {
  const stop = new AbortController();
  const bar = el("progress", { max: 1, "aria-label": COMMON.progress }), said = el("span", {}, words);
  place.replaceChildren(el("p", { class: "actions working" }, bar, said,
    el("button", { type: "button", onclick: () => stop.abort() }, COMMON.cancel)));
  const say = (now, part = null) => {
    said.textContent = now;
    if (part === null || part >= 1) bar.removeAttribute("value");
    else bar.value = part;
  };
  return { signal: stop.signal, say };
}

export const wasCancelled = (error) => error.name === "AbortError";
