// The service itself: model, calibration, galleries, load, keys and limits.

import { access, ask, at, may, text } from "./api.js";
import { confirmTyped, el, facts, field, note, table } from "./dom.js";
import { evidence } from "./evidence.js";
import { names } from "./galleries.js";
import { EVIDENCE, SCOPE, SENSOR, count, day, inWords, number, share } from "./words.js";

const EVIDENCE_DAYS = 90;

export async function view() {
  const cards = await Promise.all([health(), model(), calibration(), people(), galleries(), load(), limits()].map(shown));
  return [el("h1", {}, "System"), el("div", { class: "cards" }, cards), await shown(keys()), commands()];
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
  const ready = await ask("readyz").then((reply) => ["ready", reply.provider]).catch((problem) => [`not ready: ${problem.message}`]);
  return ["Health", facts([["Service", ready[0]], ["Version", access.version], ["Network runs on", ready[1]]]),
    el("p", {}, el("a", { href: "#/reference" }, "API reference"), " · ", el("a", { href: "openapi.json" }, "openapi.json"))];
}

async function model() {
  const { models: [one] } = await ask("v1/models");
  return ["Model", one.simulated && note("warning", "Trained on simulated people. How well it knows real people is measured by its card, not promised."),
    facts([["Contract", one.contract], ["Sensors", one.modalities.map((each) => SENSOR[each]).join(", ")], ["Numbers of an embedding", one.dimension],
      ["Arithmetic", `${one.variant}, because ${one.variant_reason}`], ["Frames looked at", one.frames], ["Calibration in its bundle", one.calibrated ? "yes" : "no"]])];
}

async function calibration() {
  if (!may("identify")) return ["Calibration", el("p", {}, "Shown to keys with the scope identify.")];
  const replies = await Promise.all(["silhouette", "range_view"].map((probe) => ask(`v1/galleries/${at(access.gallery)}/strangers`, { query: { probe } })));
  const known = replies[0].calibration;
  const rows = replies.map((reply) => [SENSOR[reply.probe],
    reply.thresholds ? number(reply.thresholds.match.similarity) : "–", reply.thresholds?.possible ? number(reply.thresholds.possible.similarity) : "–",
    reply.undecided ?? `N = ${reply.thresholds?.gallery_size}`]);
  return ["Calibration", known
    ? facts([["Whose", known.whose === "gallery" ? "this gallery's own" : "the model's, not made for this place"], ["People", `${known.people}${known.simulated ? ", simulated" : ", real"}`], ["Data", known.data], ["Fingerprint", known.sha256.slice(0, 16)]])
    : note("warning", "There is none: similarities only rank people. Make one with gallery.calibrate."),
  known?.simulated && note("warning", "The rates hold for simulated people. Make the gallery's own with gallery.calibrate."),
  table(`Thresholds in ${access.gallery}`, ["Clips of", "Match from", "Possible from", "For"], rows),
  el("p", { class: "quiet" }, `Strangers called a match: ${share(access.limits.match_fpir)}; to be looked at: ${share(access.limits.possible_fpir)}; called the one person compared with: ${share(access.limits.match_fmr)}. N counts everybody once for each sensor that enrolled them.`)];
}

// What people said of searches of late: it shows whether the calibration holds here.
async function people() {
  if (!may("audit:read")) return [EVIDENCE.title, el("p", {}, EVIDENCE.scope)];
  const since = new Date(Date.now() - EVIDENCE_DAYS * 86400e3).toISOString();
  return [EVIDENCE.title, ...evidence(await ask("v1/reviews/statistics", { query: { since } }))];
}

async function galleries() {
  if (!may("gallery:read")) return ["Galleries", el("p", {}, "Shown to keys with the scope gallery:read.")];
  const every = (await names()).slice(0, 50);
  const rows = await Promise.all(every.map(async (name) => {
    const one = await ask(`v1/galleries/${at(name)}`);
    return [el("a", { href: `#/people/${at(name)}` }, name), String(one.subjects), String(one.templates.silhouette), String(one.templates.range_view), one.ready ? "made" : "made by the next search", String(one.gallery_revision)];
  }));
  return ["Galleries", table(count(rows.length, "gallery", "galleries"), ["Gallery", "People", "Camera", "LiDAR", "Index", "Revision"], rows)];
}

// A few of Prometheus' lines: [name, labels, value].
async function load() {
  const lines = (await text("metrics")).split("\n").map((line) => line.match(/^(\w+)(?:\{(.*)\})? (\S+)$/)).filter(Boolean);
  const of = (name) => lines.filter((line) => line[1] === name);
  const sum = (name, part = "") => of(name).filter((line) => (line[2] ?? "").includes(part)).reduce((total, line) => total + Number(line[3]), 0);
  const failed = of("gait_requests_total").filter((line) => /status="5/.test(line[2])).reduce((total, line) => total + Number(line[3]), 0);
  const recall = of("gait_index_recall").map((line) => `${line[2].match(/gallery="([^"]*)"/)?.[1]} ${share(Number(line[3]))}`).join(", ");
  const rejected = of("gait_clip_quality_reasons_total").filter((line) => /refused="(true|yes|1)"/i.test(line[2]));
  return ["Load and record", facts([["Requests since the start", sum("gait_requests_total")], ["Failed (5xx)", failed],
    ["Clips that wait to be read", sum("gait_decode_waiting")], ["Being read", sum("gait_decode_busy")], ["Clips that wait for the network", sum("gait_queue_clips")],
    ["Refused for", rejected.map((line) => line[2].match(/reason="([^"]*)"/)?.[1]).filter(Boolean).join(", ")],
    ["Damaged templates", sum("gait_gallery_damaged_templates")], ["Index behind the record by", count(sum("gait_gallery_revision_lag"), "change")],
    ["Index finds what exact search finds", recall], ["Galleries can be reached", sum("gait_galleries_reachable") ? "yes" : "no"]]),
  el("p", {}, el("button", { type: "button", onclick: () => location.reload() }, "Look again"))];
}

async function limits() {
  const { limits } = access;
  return ["Limits", facts([["Clip file", `${limits.max_clip_mib} MiB`], ["Request", `${limits.max_body_mib} MiB`], ["Clips in one request", limits.max_clips], ["Frames of a file", limits.max_frames],
    ["Templates of a person and sensor", limits.max_templates ?? "no cap"], ["Quality of searches", limits.quality_search], ["Quality of enrolments", limits.quality_enrol],
    ["Requests of a key", limits.rate_per_key], ["Requests for a gallery", limits.rate_per_gallery], ["Purposes", access.purposes.join(", ") || "any"]])];
}

async function keys() {
  if (access.key === "local") return ["Access keys", el("p", {}, "This service has none and listens on this machine only. Make the first with ", el("code", {}, "python -m serve.keys new data/keys.json --scopes admin"), ".")];
  const own = facts([["This key", access.key], ["May", access.scopes.map((scope) => SCOPE[scope]).join(", ") || "read metrics and models"], ["Galleries", access.galleries?.join(", ") ?? "all"]]);
  if (!may("admin")) return ["Access keys", own, el("p", {}, "Others are shown to keys with the scope admin.")];
  const place = el("div", {}), said = el("div", { "aria-live": "polite" });
  const show = async () => {
    const list = (await ask("v1/keys")).keys;
    place.replaceChildren(table(count(list.length, "key"), ["Key", "Note", "State", "Scopes", "Galleries", "Expires", "Change"], list.map((each) => [
      each.id, el("bdi", {}, each.note || "–"), each.state, each.scopes.join(", ") || "none", each.galleries?.join(", ") ?? "all", day(each.expires),
      each.state === "valid" ? el("span", { class: "actions" },
        el("button", { type: "button", "aria-label": `Rotate ${each.id}`, onclick: () => change(said, show, each.id, "rotate") }, "Rotate"),
        el("button", { type: "button", class: "danger", "aria-label": `Revoke ${each.id}`, onclick: () => change(said, show, each.id, "revoke") }, "Revoke")) : "–"])));
  };
  await show();
  return ["Access keys", own, said, place, newKey(said, show)];
}

async function change(said, show, id, what) {
  if (what === "revoke" && !(await confirmTyped("Revoke a key", "It opens nothing any more, at once and for good.", id, "Revoke"))) return;
  try {
    if (what === "rotate") issued(said, await ask(`v1/keys/${at(id)}:rotate`, { method: "POST", json: {} }));
    else await ask(`v1/keys/${at(id)}`, { method: "DELETE" });
    await show();
  } catch (error) {
    said.replaceChildren(note("error", inWords(error)));
  }
}

function issued(said, reply) {
  said.replaceChildren(note("warning", `The secret of key ${reply.key.id} is shown this once: `, el("code", {}, reply.token)));
}

function newKey(said, show) {
  const words = el("input", { name: "note", maxlength: 200, autocomplete: "off" });
  const days = el("input", { name: "days", type: "number", min: 1, max: 3650, value: 90 });
  const some = el("input", { name: "galleries", autocomplete: "off" });
  const boxes = Object.entries(SCOPE).map(([scope, means]) => el("label", {}, el("input", { type: "checkbox", name: "scope", value: scope }), ` ${scope}: ${means}`));
  const form = el("form", { id: "new-key" }, el("h3", {}, "Make a key"), el("fieldset", {}, el("legend", {}, "It may"), boxes),
    el("div", { class: "row" }, field("Note", words), field("Days", days), field("Galleries", some, "Names with commas; empty for all.")), el("button", {}, "Make"));
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
  return el("section", { class: "panel" }, el("h2", {}, "On the command line only"),
    el("p", {}, "Calibrating a gallery (", el("code", {}, "gallery.calibrate"), "), backups and restoring, rotating the master key, retiring records (",
      el("code", {}, "serve.audit retire"), "), checking every template (", el("code", {}, "gallery.info"), "), settings of the service."));
}
