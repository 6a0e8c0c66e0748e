// People: who is enrolled, under which authorisation and until when; enrolling, merging, erasing.

import { access, ask, at, may } from "./api.js";
import { el, field, note, table } from "./dom.js";
import { chooser } from "./galleries.js";
import { enrolForm } from "./enrolling.js";
import { person } from "./person.js";
import { COMMON, PEOPLE, day } from "./words.js";

const PAGE = 50, SOON = 30;

// `#/people`, `#/people/GALLERY`, `#/people/GALLERY/NAME`, `…/GALLERY//enrol`, `…/GALLERY//find/PART`.
export async function view([gallery = access.gallery, name = "", what = "", part = ""]) {
  if (what === "enrol") return [el("h1", {}, PEOPLE.enrol), await enrolForm(gallery, name)];
  if (name) return person(gallery, name);
  const choose = await chooser(gallery);
  choose.querySelector("select, input").addEventListener("change", (event) => (location.hash = `#/people/${at(event.target.value)}`));
  const enrol = may("enrol") && el("p", { class: "actions" }, el("a", { class: "button", href: `#/people/${at(gallery)}//enrol` }, PEOPLE.enrol));
  const head = [el("h1", {}, PEOPLE.title), el("div", { class: "row" }, choose)];
  if (!may("gallery:read")) {
    return [...head, note("info", PEOPLE.blind), enrol];
  }
  const [facts, ending, list] = await Promise.all([
    ask(`v1/galleries/${at(gallery)}`), endsSoon(gallery), browse(gallery, part)]);
  const clips = Object.values(facts.templates).reduce((sum, each) => sum + each, 0);
  return [...head, el("p", {}, PEOPLE.sum(facts.subjects, clips)), enrol, ending, list].filter(Boolean);
}

async function endsSoon(gallery) {
  const before = new Date(Date.now() + SOON * 86400e3).toISOString().slice(0, 10);
  const reply = await ask(`v1/galleries/${at(gallery)}/ending`, { query: { before, limit: 20 } });
  if (!reply.ending.length) return el("p", { class: "quiet" }, PEOPLE.nobodyEnds(SOON));
  const rows = reply.ending.map((each) => [link(gallery, each.subject), day(each.expires), String(each.templates)]);
  return el("section", { class: "panel", id: "ending" }, el("h2", {}, PEOPLE.endsSoon),
    table(PEOPLE.ending(SOON, reply.templates), PEOPLE.endingColumns, rows));
}

async function browse(gallery, part) {
  const find = el("input", { type: "search", maxlength: 128, autocomplete: "off", value: part });
  const list = el("div", { "aria-live": "polite" });
  const form = el("form", { class: "row", role: "search", id: "find" }, field(PEOPLE.find, find), el("p", { class: "actions" }, el("button", {}, PEOPLE.go)));
  const load = async (cursor, before = []) => {
    const page = await ask(`v1/galleries/${at(gallery)}/subjects`, { query: { limit: PAGE, contains: find.value, cursor } });
    const every = [...before, ...page.subjects];
    const rows = every.map((each) => [link(gallery, each.subject), day(each.created), String(each.templates.silhouette), String(each.templates.range_view)]);
    const more = page.next_cursor && el("button", { type: "button", onclick: () => load(page.next_cursor, every) }, COMMON.more);
    list.replaceChildren(...[table(PEOPLE.list, PEOPLE.columns, rows, find.value ? PEOPLE.noName : PEOPLE.nobody), more].filter(Boolean));
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    history.replaceState(null, "", `#/people/${at(gallery)}//find/${at(find.value)}`); // a reload keeps it
    load();
  });
  await load();
  return el("section", {}, form, list);
}

const link = (gallery, name) => el("a", { href: `#/people/${at(gallery, name)}` }, el("bdi", {}, name));
