// Live: who passes the cameras that `capture.watch` follows, the newest first.

import { ask, at, may } from "./api.js";
import { el, field, select } from "./dom.js";
import { LIVE, VERDICT, inWords, moment, number } from "./words.js";

const EVERY = 2, LONGEST = 30, WHOLE_EVERY = 60, MOST = 200;
const FOUND = ["match", "possible"];

// `#/live/CAMERA/VERDICT/PERSON`; each part may be empty.
export async function view([camera = "", verdict = "", person = ""]) {
  const wanted = { camera, verdict, person };
  const shown = new Map(); // number → { each, item }, the newest first in the list
  const cameras = select("camera", []);
  const verdicts = select("verdict", [["", LIVE.everyVerdict], ["found", LIVE.found], ...Object.entries(VERDICT).map(([kind, { word }]) => [kind, word])], verdict);
  const name = el("input", { type: "search", name: "person", maxlength: 128, autocomplete: "off", value: person });
  const status = el("p", { role: "status", class: "quiet", id: "live-status" });
  const list = el("ol", { class: "passing", id: "passing", "aria-label": LIVE.list });
  const none = el("p", { class: "quiet" }, LIVE.none);
  const form = el("form", { class: "row", role: "search", id: "live-filter" },
    field(LIVE.camera, cameras), field(LIVE.verdict, verdicts), field(LIVE.person, name));
  const root = el("section", {}, el("h1", {}, LIVE.title), el("p", {}, LIVE.about), form, status, none, list);

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    Object.assign(wanted, { camera: cameras.value, verdict: verdicts.value, person: name.value });
    history.replaceState(null, "", `#/live/${at(wanted.camera, wanted.verdict, wanted.person)}`); // a reload keeps it
    filter();
  });

  function filter() {
    let visible = 0;
    for (const { each, item } of shown.values()) {
      item.hidden = !fits(each, wanted);
      visible += !item.hidden;
    }
    none.hidden = visible > 0;
  }

  // Takes a reply in; `whole` means that whoever is not in it is shown no more, such as the erased.
  function take(people, whole) {
    const fresh = new Set(people.map((each) => each.number));
    for (const each of people) {
      if (shown.has(each.number)) continue;
      const item = row(each);
      shown.set(each.number, { each, item });
      list.prepend(item);
    }
    for (const [key, { item }] of shown) {
      const gone = whole && !fresh.has(key);
      if (!gone && shown.size <= MOST) continue;
      item.remove();
      shown.delete(key);
    }
    offerCameras();
    filter();
    const newest = people.findLast((each) => FOUND.includes(each.decision) && fits(each, wanted));
    if (newest && !whole) status.textContent = LIVE.newest(VERDICT[newest.decision].word, newest.subject, newest.source);
    else if (!status.dataset.following) status.textContent = LIVE.following;
    status.dataset.following = "yes";
  }

  function offerCameras() {
    const known = [...new Set([...[...shown.values()].map(({ each }) => each.source), wanted.camera].filter(Boolean))].sort();
    const offered = [...cameras.options].slice(1).map((option) => option.value);
    if (cameras.options.length && known.join("\n") === offered.join("\n")) return;
    cameras.replaceChildren(new Option(LIVE.everyCamera, ""), ...known.map((each) => new Option(each, each)));
    cameras.value = wanted.camera;
  }

  let newest = 0, failed = 0, whole = 0;
  async function follow() {
    const all = performance.now() - whole > 1000 * WHOLE_EVERY || !newest;
    const reply = await ask("v1/live", { query: { after: all ? 0 : newest, limit: MOST } });
    if (all) whole = performance.now();
    take(reply.people, all);
    newest = reply.newest;
    failed = 0;
  }

  // Seconds until the next attempt.
  async function attempt() {
    try {
      await follow();
      return EVERY;
    } catch (error) {
      const wait = Math.min(LONGEST, EVERY * 2 ** failed++);
      status.textContent = LIVE.lost(inWords(error), wait);
      delete status.dataset.following;
      return wait;
    }
  }

  async function again() {
    if (root.isConnected) setTimeout(again, 1000 * await attempt()); // else another page is shown
  }

  offerCameras();
  filter();
  setTimeout(again, 1000 * await attempt());
  return root;
}

function fits(each, { camera, verdict, person }) {
  const kind = each.decision ?? "undecided";
  return (!camera || each.source === camera)
    && (!verdict || kind === verdict || (verdict === "found" && FOUND.includes(kind)))
    && (!person || (each.subject ?? "").toLowerCase().includes(person.toLowerCase()));
}

function row(each) {
  const kind = each.decision ?? "undecided";
  const { word, mark } = VERDICT[kind];
  const who = each.subject == null ? null : el("bdi", {}, each.subject);
  const named = who && (may("gallery:read") ? el("a", { href: `#/people/${at(each.gallery, each.subject)}` }, who) : who);
  const said = who ? [`${word}: `, named] : kind === "undecided" ? LIVE.undecided : LIVE.stranger;
  return el("li", { class: kind, "data-number": each.number },
    el("span", { class: "mark", "aria-hidden": "true" }, mark),
    el("div", {}, el("p", {}, el("strong", {}, said)),
      el("p", {}, el("time", { datetime: each.time }, moment(each.time)), ", ", el("bdi", {}, each.source)),
      el("p", { class: "quiet" }, [
        each.similarity != null && `${LIVE.similarity} ${number(each.similarity)}`, LIVE.seen(each.seen_seconds, each.windows),
        each.purpose, `${LIVE.record} ${each.audit_id}`].filter(Boolean).join(" · "))),
    each.picture && picture(each));
}

// A canvas, because the page's policy takes no picture but the service's own files.
function picture(each) {
  const canvas = el("canvas", { role: "img", "aria-label": LIVE.picture(each.subject), width: 1, height: 1 });
  const bytes = Uint8Array.from(atob(each.picture), (letter) => letter.charCodeAt(0));
  createImageBitmap(new Blob([bytes], { type: "image/jpeg" })).then((shown) => {
    Object.assign(canvas, { width: shown.width, height: shown.height });
    canvas.getContext("2d").drawImage(shown, 0, 0);
  }, () => canvas.remove());
  return canvas;
}
