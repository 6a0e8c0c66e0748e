// Elements made from data. Text is only ever text: nothing here, or anywhere, parses markup.

import { COMMON } from "./words.js";

// An element: attributes, then children. `on…` are listeners, booleans set or leave out.
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child != null && child !== false));
  return made;
}

// An SVG element.
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

let numbers = 0;

// A labelled control: the label above, a hint below that screen readers read too.
export function field(label, control, hint) {
  control.id ||= `field-${++numbers}`;
  const said = hint && el("small", { id: `${control.id}-hint` }, hint);
  if (said) control.setAttribute("aria-describedby", said.id);
  return el("div", { class: "field" }, el("label", { for: control.id }, label), control, said);
}

// A box to tick, with its words beside it and a hint below.
export function tick(words, box, hint) {
  const made = field(words, box, hint), label = made.querySelector("label");
  label.prepend(box, " ");
  return made;
}

// A select with options given as [value, text].
export function select(name, options, chosen) {
  const made = el("select", { name });
  for (const [value, text] of options) made.append(new Option(text, value, false, value === chosen));
  return made;
}

// A table that becomes a list of blocks where it is narrow. Cells are text or elements.
export function table(caption, columns, rows, empty = COMMON.nothing) {
  if (!rows.length) return el("p", { class: "quiet" }, empty);
  const head = el("tr", {}, columns.map((name) => el("th", { scope: "col" }, name)));
  const body = rows.map((cells) =>
    el("tr", {}, cells.map((cell, at) => el("td", { "data-label": columns[at] }, el("span", {}, cell ?? "–")))));
  return el("table", {}, el("caption", {}, caption), el("thead", {}, head), el("tbody", {}, body));
}

// A list of facts: [name, value], those without a value left out.
export function facts(pairs) {
  const known = pairs.filter(([, value]) => value != null && value !== "");
  return el("dl", { class: "facts" }, known.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

// A note that stands out; `kind` is info, warning or error. Errors are read out at once.
export function note(kind, ...words) {
  return el("p", { class: `note ${kind}`, role: kind === "error" ? "alert" : "note" },
    el("strong", {}, COMMON.kinds[kind]), ...words);
}

// Asks before something that cannot be undone. Resolves to true if `typed` was typed.
export function confirmTyped(title, words, typed, action) {
  return new Promise((resolve) => {
    const input = el("input", { autocomplete: "off", spellcheck: "false" });
    const go = el("button", { class: "danger", disabled: true }, action);
    input.addEventListener("input", () => (go.disabled = input.value !== typed));
    const dialog = el("dialog", { "aria-label": title },
      el("form", { onsubmit: (event) => { event.preventDefault(); dialog.close("go"); } }, el("h2", {}, title), el("p", {}, words),
        field(COMMON.type(typed), input),
        el("p", { class: "actions" }, go,
          el("button", { type: "button", onclick: () => dialog.close("stay") }, COMMON.cancel))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "go" && input.value === typed);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
