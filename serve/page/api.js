// The service's API, the console's only door.

import { FAILED } from "./words.js";

const KEY = "access-key";

// The access key lives in this tab only: it outlasts a reload and ends with the tab.
export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

// What the key may do; filled by `learn`.
export let access = { scopes: [], galleries: null, gallery: "default", purposes: [], limits: {} };

export const may = (scope) => access.scopes.includes(scope);

export async function learn() {
  access = { ...access, scopes: [] };
  access = await ask("v1/access");
}

// A refusal, with the words of the service.
export class Problem extends Error {
  constructor(status, report) {
    super(report.detail ?? FAILED.status(status));
    this.status = status;
    this.code = report.code ?? FAILED.code(status);
    this.report = report;
  }
}

const headers = () => (key.get() ? { Authorization: `Bearer ${key.get()}` } : {});

// Path segments and queries are always encoded: names of people may hold anything.
export const at = (...segments) => segments.map(encodeURIComponent).join("/");

export function withQuery(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value != null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

// Sends a request, and returns the reply's JSON. `json` is a body; `query` leaves out what is empty.
export async function ask(path, { method = "GET", json, query, signal } = {}) {
  const sent = { method, headers: headers(), signal, cache: "no-store" };
  if (json !== undefined) {
    sent.body = JSON.stringify(json);
    sent.headers["Content-Type"] = "application/json";
  }
  return read(await answer(withQuery(path, query), sent));
}

// A reply that is no JSON, as text.
export async function text(path) {
  const { status, body } = await answer(path, { headers: headers(), cache: "no-store" });
  if (status !== 200) throw new Problem(status, {});
  return body;
}

async function answer(path, sent) {
  try {
    const reply = await fetch(path, sent);
    return { status: reply.status, body: await reply.text() };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
}

const unreachable = () => new Problem(0, { code: "unreachable", detail: FAILED.unreachable });

function read({ status, body }) {
  let report;
  try {
    report = JSON.parse(body);
  } catch {
    report = {};
  }
  if (status < 200 || status > 299) throw new Problem(status, report);
  return report;
}

// Every entry of a list in pages, at most `most` of them; `rest` is true if there are more.
// `progress` is told how many there are so far.
export async function every(path, query, name, most = 5000, { progress = () => {}, signal } = {}) {
  const found = [];
  let cursor, page;
  do {
    page = await ask(path, { query: { ...query, limit: Math.min(1000, most - found.length), cursor }, signal });
    found.push(...page[name]);
    progress(found.length);
    cursor = page.next_cursor;
  } while (cursor && found.length < most);
  return { found, rest: Boolean(cursor), last: page };
}

// Sends a form with files. `progress` is told the share that has left, 0..1; then the service works.
export function send(path, form, { progress = () => {}, signal } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => progress(event.lengthComputable ? event.loaded / event.total : null));
    request.addEventListener("load", () => {
      try {
        resolve(read({ status: request.status, body: request.responseText }));
      } catch (error) {
        reject(error);
      }
    });
    request.addEventListener("error", () => reject(unreachable()));
    request.addEventListener("abort", () => reject(new DOMException("cancelled", "AbortError")));
    signal?.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

// Saves a value as a JSON file on the user's machine.
export function download(name, value) {
  const address = URL.createObjectURL(new Blob([JSON.stringify(value, null, 1)], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name.replace(/[^\w.-]+/g, "_");
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
