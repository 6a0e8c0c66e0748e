// Which page is shown: the address after `#` says, so that a reload keeps it.

import { access, key, learn, may } from "./api.js";
import { el, note } from "./dom.js";
import { FRAME, LANGUAGE, inWords } from "./words.js";

const PAGES = [
  { name: "search", scopes: ["identify"] },
  { name: "people", scopes: ["gallery:read", "enrol"] },
  { name: "live", scopes: ["live:read"] },
  { name: "review", scopes: ["audit:read"] },
  { name: "audit", scopes: ["audit:read"] },
  { name: "system", scopes: [] },
  { name: "reference", scopes: [] },
];
const main = document.getElementById("main");
const field = document.getElementById("key");
const forget = document.getElementById("forget");
let shown = 0;

// The words of index.html.
function frame() {
  document.documentElement.lang = LANGUAGE;
  document.getElementById("nav").setAttribute("aria-label", FRAME.pages);
  const words = { skip: FRAME.skip, brand: FRAME.brand, "key-label": FRAME.key, use: FRAME.use, forget: FRAME.forget };
  for (const [id, text] of Object.entries(words)) document.getElementById(id).textContent = text;
}

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
  const title = FRAME.titles[page.name];
  document.title = FRAME.title(title);
  menu(page);
  if (!allowed(page)) {
    main.replaceChildren(el("h1", {}, title), note("info", FRAME.needs(page.scopes)));
    return;
  }
  const late = setTimeout(() => {
    if (turn === shown) main.replaceChildren(el("h1", {}, title), el("p", { class: "quiet", role: "status" }, FRAME.loading));
  }, 500);
  try {
    const { view } = await import(`./${page.name}.js`);
    const made = await view(rest);
    if (turn !== shown) return; // another page was chosen meanwhile
    main.replaceChildren(...[made].flat());
  } catch (error) {
    if (turn === shown) main.replaceChildren(el("h1", {}, title), note("error", inWords(error)));
  } finally {
    clearTimeout(late);
  }
  main.dataset.shown = location.hash;
}

function menu(current) {
  const links = PAGES.filter(allowed).map((page) =>
    el("li", {}, el("a", { href: `#/${page.name}`, "aria-current": page === current && "page" }, FRAME.titles[page.name])));
  document.getElementById("pages").replaceChildren(...links);
}

async function begin() {
  const who = document.getElementById("who");
  forget.hidden = !key.get();
  try {
    await learn();
    who.textContent = access.key === "local" ? FRAME.local : FRAME.known(access.key, access.scopes);
    await show();
  } catch (error) {
    who.textContent = key.get() ? FRAME.refused : FRAME.missing;
    document.getElementById("pages").replaceChildren();
    const told = error.code === "access.key" && !key.get()
      ? note("info", ...FRAME.welcome((text) => el("code", {}, text))) : note("error", inWords(error));
    main.replaceChildren(el("h1", {}, FRAME.brand), told);
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
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address after # is the page
  main.focus();
});
addEventListener("hashchange", () => show().then(() => main.focus()));
frame();
begin();
