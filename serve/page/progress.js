// Long work while it goes on: how far it is, for how long, and a button that stops it.

import { el } from "./dom.js";
import { COMMON } from "./words.js";

// Shows it in `place`. `signal` is aborted by the button; `say` changes the words, and the bar if it
// is told a part, 0..1.
export function working(place, words) {
  const stop = new AbortController();
  const bar = el("progress", { max: 1, "aria-label": COMMON.progress }), said = el("span", {}, words);
  const took = el("span", { class: "quiet", "aria-hidden": "true" });
  place.replaceChildren(el("p", { class: "actions working" }, bar, said, took,
    el("button", { type: "button", onclick: () => stop.abort() }, COMMON.cancel)));
  const began = performance.now(), clock = setInterval(() => {
    if (bar.isConnected) took.textContent = COMMON.seconds((performance.now() - began) / 1000);
    else clearInterval(clock);
  }, 1000);
  const say = (now, part = null) => {
    said.textContent = now;
    if (part === null || part >= 1) bar.removeAttribute("value");
    else bar.value = part;
  };
  return { signal: stop.signal, say };
}

export const wasCancelled = (error) => error.name === "AbortError";
