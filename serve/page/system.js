// The service itself: model, calibration, galleries, load, keys and limits.

import { access, ask, at, may, text } from "./api.js";
import { confirmTyped, el, facts, field, note, table } from "./dom.js";
import { evidence } from "./evidence.js";
import { names } from "./galleries.js";
import { COMMON, EVIDENCE, KEYS, LIMITS, SCOPE, SENSOR, SYSTEM, day, inWords, number, share } from "./words.js";

const EVIDENCE_DAYS = 90, MOST_GALLERIES = 50;
const code = (text) => el("code", {}, text);

export async function view() {
  const cards = await Promise.all([health(), model(), calibration(), people(), galleries(), load(), limits()].map(shown));
  return [el("h1", {}, SYSTEM.title), el("div", { class: "cards" }, cards), await shown(keys()), commands()];
}

// A card, or why there is none: one that fails leaves the others.
async function shown(promise) {
  try {
    const [title, ...content] = await promise;
    return el("section", { class: "panel" }, el("h2", {}, title), ...content.filter(Boolean));
  } catch (error) {
    return el("section", { class: "panel" }, note("error", inWords(error)));
  }
}

async function health() {
  const ready = await ask("readyz").then((reply) => [SYSTEM.ready, reply.provider]).catch((problem) => [SYSTEM.notReady(problem.message)]);
  return [SYSTEM.health, facts([[SYSTEM.service, ready[0]], [SYSTEM.version, access.version], [SYSTEM.provider, ready[1]]]),
    el("p", {}, el("a", { href: "#/reference" }, SYSTEM.reference), " · ", el("a", { href: "openapi.json" }, "openapi.json"))];
}

async function model() {
  const { models: [one] } = await ask("v1/models");
  return [SYSTEM.model, one.simulated && note("warning", SYSTEM.simulatedModel),
    facts([[SYSTEM.contract, one.contract], [SYSTEM.sensors, one.modalities.map((each) => SENSOR[each]).join(", ")], [SYSTEM.dimension, one.dimension],
      [SYSTEM.arithmetic, SYSTEM.variant(one.variant, one.variant_reason)], [SYSTEM.frames, one.frames], [SYSTEM.calibrated, one.calibrated ? SYSTEM.yes : SYSTEM.no]])];
}

async function calibration() {
  if (!may("identify")) return [SYSTEM.calibration, el("p", {}, SYSTEM.scope("identify"))];
  const replies = await Promise.all(["silhouette", "range_view"].map((probe) => ask(`v1/galleries/${at(access.gallery)}/strangers`, { query: { probe } })));
  const known = replies[0].calibration;
  const rows = replies.map((reply) => [SENSOR[reply.probe],
    reply.thresholds ? number(reply.thresholds.match.similarity) : "–", reply.thresholds?.possible ? number(reply.thresholds.possible.similarity) : "–",
    reply.undecided ?? SYSTEM.size(reply.thresholds?.gallery_size)]);
  return [SYSTEM.calibration, known
    ? facts([[SYSTEM.whose, known.whose === "gallery" ? SYSTEM.own : SYSTEM.models], [SYSTEM.people, SYSTEM.counted(known.people, known.simulated)], [SYSTEM.data, known.data], [SYSTEM.fingerprint, known.sha256.slice(0, 16)]])
    : note("warning", SYSTEM.uncalibrated),
  known?.simulated && note("warning", SYSTEM.simulated),
  table(SYSTEM.thresholds(access.gallery), SYSTEM.thresholdColumns, rows),
  el("p", { class: "quiet" }, SYSTEM.rates(access.limits.match_fpir, access.limits.possible_fpir, access.limits.match_fmr))];
}

// What people said of searches of late: it shows whether the calibration holds here.
async function people() {
  if (!may("audit:read")) return [EVIDENCE.title, el("p", {}, EVIDENCE.scope)];
  const since = new Date(Date.now() - EVIDENCE_DAYS * 86400e3).toISOString();
  return [EVIDENCE.title, ...evidence(await ask("v1/reviews/statistics", { query: { since } }))];
}

async function galleries() {
  if (!may("gallery:read")) return [SYSTEM.galleries, el("p", {}, SYSTEM.scope("gallery:read"))];
  const every = await names();
  const rows = await Promise.all(every.slice(0, MOST_GALLERIES).map(async (name) => {
    const one = await ask(`v1/galleries/${at(name)}`);
    return [el("a", { href: `#/people/${at(name)}` }, name), String(one.subjects), String(one.templates.silhouette), String(one.templates.range_view), one.ready ? SYSTEM.made : SYSTEM.unmade, String(one.gallery_revision)];
  }));
  return [SYSTEM.galleries, table(SYSTEM.galleryCount(every.length), SYSTEM.galleryColumns, rows),
    every.length > MOST_GALLERIES && note("warning", SYSTEM.firstGalleries(MOST_GALLERIES))];
}

// A few of Prometheus' lines: [name, labels, value].
async function load() {
  const lines = (await text("metrics")).split("\n").map((line) => line.match(/^(\w+)(?:\{(.*)\})? (\S+)$/)).filter(Boolean);
  const of = (name) => lines.filter((line) => line[1] === name);
  const sum = (name, part = "") => of(name).filter((line) => (line[2] ?? "").includes(part)).reduce((total, line) => total + Number(line[3]), 0);
  const failed = of("gait_requests_total").filter((line) => /status="5/.test(line[2])).reduce((total, line) => total + Number(line[3]), 0);
  const recall = of("gait_index_recall").map((line) => `${line[2].match(/gallery="([^"]*)"/)?.[1]} ${share(Number(line[3]))}`).join(", ");
  const rejected = of("gait_clip_quality_reasons_total").filter((line) => /refused="(true|yes|1)"/i.test(line[2]));
  return [SYSTEM.load, facts([[SYSTEM.requests, sum("gait_requests_total")], [SYSTEM.failed, failed],
    [SYSTEM.waiting, sum("gait_decode_waiting")], [SYSTEM.reading, sum("gait_decode_busy")], [SYSTEM.queue, sum("gait_queue_clips")],
    [SYSTEM.refusedFor, rejected.map((line) => line[2].match(/reason="([^"]*)"/)?.[1]).filter(Boolean).join(", ")],
    [SYSTEM.damaged, sum("gait_gallery_damaged_templates")], [SYSTEM.behind, SYSTEM.changes(sum("gait_gallery_revision_lag"))],
    [SYSTEM.recall, recall], [SYSTEM.reachable, sum("gait_galleries_reachable") ? SYSTEM.yes : SYSTEM.no]]),
  el("p", {}, el("button", { type: "button", onclick: () => location.reload() }, SYSTEM.again))];
}

async function limits() {
  const { limits } = access;
  return [LIMITS.title, facts([[LIMITS.clip, LIMITS.mib(limits.max_clip_mib)], [LIMITS.body, LIMITS.mib(limits.max_body_mib)], [LIMITS.clips, limits.max_clips], [LIMITS.frames, limits.max_frames],
    [LIMITS.templates, limits.max_templates ?? LIMITS.noCap], [LIMITS.search, LIMITS.modes[limits.quality_search]], [LIMITS.enrol, LIMITS.modes[limits.quality_enrol]],
    [LIMITS.perKey, limits.rate_per_key], [LIMITS.perGallery, limits.rate_per_gallery], [LIMITS.purposes, access.purposes.join(", ") || LIMITS.any]])];
}

async function keys() {
  if (access.key === "local") return [KEYS.title, el("p", {}, KEYS.local(code))];
  const own = facts([[KEYS.own, access.key], [KEYS.may, access.scopes.map((scope) => SCOPE[scope]).join(", ") || KEYS.least], [KEYS.galleries, access.galleries?.join(", ") ?? COMMON.all]]);
  if (!may("admin")) return [KEYS.title, own, el("p", {}, KEYS.others)];
  const place = el("div", {}), said = el("div", { "aria-live": "polite" });
  const show = async () => {
    const list = (await ask("v1/keys")).keys;
    place.replaceChildren(table(KEYS.count(list.length), KEYS.columns, list.map((each) => [
      each.id, el("bdi", {}, each.note || "–"), KEYS.states[each.state], each.scopes.join(", ") || COMMON.none, each.galleries?.join(", ") ?? COMMON.all, day(each.expires),
      each.state === "valid" ? el("span", { class: "actions" },
        el("button", { type: "button", "aria-label": KEYS.rotateOne(each.id), onclick: () => change(said, show, each.id, "rotate") }, KEYS.rotate),
        el("button", { type: "button", class: "danger", "aria-label": KEYS.revokeOne(each.id), onclick: () => change(said, show, each.id, "revoke") }, KEYS.revoke)) : "–"])));
  };
  await show();
  return [KEYS.title, own, said, place, newKey(said, show)];
}

async function change(said, show, id, what) {
  if (what === "revoke" && !(await confirmTyped(KEYS.revokeTitle, KEYS.revoking, id, KEYS.revoke))) return;
  try {
    if (what === "rotate") issued(said, await ask(`v1/keys/${at(id)}:rotate`, { method: "POST", json: {} }));
    else await ask(`v1/keys/${at(id)}`, { method: "DELETE" });
    await show();
  } catch (error) {
    said.replaceChildren(note("error", inWords(error)));
  }
}

function issued(said, reply) {
  said.replaceChildren(note("warning", ...KEYS.secret(reply.key.id, code(reply.token))));
}

function newKey(said, show) {
  const words = el("input", { name: "note", maxlength: 200, autocomplete: "off" });
  const days = el("input", { name: "days", type: "number", min: 1, max: 3650, value: 90 });
  const some = el("input", { name: "galleries", autocomplete: "off" });
  const boxes = Object.keys(SCOPE).map((scope) => el("label", {}, el("input", { type: "checkbox", name: "scope", value: scope }), ` ${KEYS.scope(scope)}`));
  const form = el("form", { id: "new-key" }, el("h3", {}, KEYS.make), el("fieldset", {}, el("legend", {}, KEYS.mayDo), boxes),
    el("div", { class: "row" }, field(KEYS.note, words), field(KEYS.days, days), field(KEYS.galleries, some, KEYS.some)), el("button", {}, KEYS.go));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const json = { scopes: new FormData(form).getAll("scope"), note: words.value, days: Number(days.value) };
    const named = some.value.split(",").map((each) => each.trim()).filter(Boolean);
    if (named.length) json.galleries = named;
    try {
      issued(said, await ask("v1/keys", { method: "POST", json }));
      await show();
    } catch (error) {
      said.replaceChildren(note("error", inWords(error)));
    }
  });
  return form;
}

function commands() {
  return el("section", { class: "panel" }, el("h2", {}, SYSTEM.commands), el("p", {}, SYSTEM.commandList(code)));
}
