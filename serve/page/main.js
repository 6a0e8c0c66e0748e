// Which page is shown: the address after `#` says, so that a reload keeps it.

import { access, key, learn, may } from "./api.js";
import { el, note } from "./dom.js";
import { SCOPE, inWords } from "./words.js";

const PAGES = [
  { name: "search", title: "Search", scopes: ["identify"] },
  { name: "people", title: "People", scopes: ["gallery:read", "enrol"] },
  { name: "live", title: "Live", scopes: ["live:read"] },
  { name: "review", title: "Review", scopes: ["audit:read"] },
  { name: "audit", title: "Audit", scopes: ["audit:read"] },
  { name: "system", title: "System", scopes: [] },
  { name: "reference", title: "API", scopes: [] },
];
const main = document.getElementById("main");
const field = document.getElementById("key");
const forget = document.getElementById("forget");
let shown = 0;

const allowed = (page) => !page.scopes.length || page.scopes.some(may);

// The address as ["people", "default", "0042"]; names are encoded, as they may hold anything.
function address() {
  try {
    return location.hash.slice(2).split("/").map(decodeURIComponent);
  } catch {
    return [""];
  }
}

async function show() {
  const turn = ++shown;
  const [name, ...rest] = address();
  const page = PAGES.find((each) => each.name === name) ?? PAGES.find(allowed);
  document.title = `${page.title} – gait console`;
  menu(page);
  if (!allowed(page)) {
    const needed = page.scopes.map((scope) => `${scope} (${SCOPE[scope]})`).join(" or ");
    main.replaceChildren(el("h1", {}, page.title), note("info", `This page needs a key with the scope ${needed}.`));
    return;
  }
  try {
    const { view } = await import(`./${page.name}.js`);
    const made = await view(rest);
    if (turn !== shown) return; // another page was chosen meanwhile
    main.replaceChildren(...[made].flat());
  } catch (error) {
    if (turn === shown) main.replaceChildren(el("h1", {}, page.title), note("error", inWords(error)));
  }
  main.dataset.shown = location.hash;
}

function menu(current) {
  const links = PAGES.filter(allowed).map((page) =>
    el("li", {}, el("a", { href: `#/${page.name}`, "aria-current": page === current && "page" }, page.title)));
  document.getElementById("pages").replaceChildren(...links);
}

async function begin() {
  const who = document.getElementById("who");
  forget.hidden = !key.get();
  try {
    await learn();
    const local = access.key === "local";
    who.textContent = local ? "No key is needed here." : `Key ${access.key}: ${access.scopes.join(", ") || "no scope"}`;
    await show();
  } catch (error) {
    who.textContent = key.get() ? "The key was not taken." : "A key is needed.";
    document.getElementById("pages").replaceChildren();
    main.replaceChildren(el("h1", {}, "Gait console"), note("error", inWords(error)));
  }
  main.dataset.ready = "yes";
}

document.getElementById("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!field.value) return;
  key.set(field.value.trim());
  field.value = "";
  begin();
});
forget.addEventListener("click", () => {
  key.forget();
  begin();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address after # is the page
  main.focus();
});
addEventListener("hashchange", () => show().then(() => main.focus()));
begin();
