// The API's own description, to read: it names every request, its fields and its refusals.

import { ask } from "./api.js";
import { el, table } from "./dom.js";
import { REFERENCE } from "./words.js";

export async function view() {
  const api = await ask("openapi.json");
  const find = el("input", { type: "search", "aria-label": REFERENCE.find, placeholder: REFERENCE.hint });
  const every = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => one(api, path, method, operation)));
  find.addEventListener("input", () => {
    for (const each of every) each.hidden = !each.dataset.words.includes(find.value.toLowerCase());
  });
  return [el("h1", {}, REFERENCE.title), el("p", {}, REFERENCE.programs(api.info.title, api.info.version, el("a", { href: "openapi.json" }, "openapi.json"))), find, ...every];
}

function one(api, path, method, operation) {
  const title = `${method.toUpperCase()} ${path}`;
  const fields = [...(operation.parameters ?? []).map((each) => [each.name, each.in, each.required, each.description ?? ""]), ...body(api, operation)];
  const rows = fields.map(([name, where, required, words]) => [name, where, required ? REFERENCE.needed : REFERENCE.optional, words]);
  const refusals = Object.entries(operation.responses).map(([status, response]) => [status, response.description]);
  return el("details", { class: "panel", "data-words": `${title} ${operation.summary ?? ""}`.toLowerCase() },
    el("summary", {}, el("code", {}, title), " ", el("span", { class: "quiet" }, operation.summary ?? "")), el("p", {}, operation.description ?? operation.summary ?? ""),
    rows.length > 0 && table(REFERENCE.fields, REFERENCE.fieldColumns, rows), table(REFERENCE.replies, REFERENCE.replyColumns, refusals));
}

function body(api, operation) {
  return Object.entries(operation.requestBody?.content ?? {}).flatMap(([type, { schema }]) => {
    const whole = schema.$ref ? api.components.schemas[schema.$ref.split("/").at(-1)] : schema;
    const where = type === "application/json" ? REFERENCE.json : REFERENCE.form;
    return Object.entries(whole.properties ?? {}).map(([name, each]) => [name, where, (whole.required ?? []).includes(name), each.description ?? ""]);
  });
}
