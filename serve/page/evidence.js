// What people said of searches, as evidence beside the calibration.

import { el, note, table } from "./dom.js";
import { EVIDENCE, SENSOR, VERDICT, share } from "./words.js";

const sensor = (name) => SENSOR[name] ?? name;

// Cases of each pair of sensors, and how many strangers were found against what is promised.
export function evidence(statistics) {
  const { pairs, strangers } = statistics;
  const broken = strangers.some((each) => each.contradicted);
  return [
    broken && note("warning", EVIDENCE.contradicted),
    table(EVIDENCE.pairs, EVIDENCE.pairColumns, pairs.map((each) => [
      sensor(each.probe), sensor(each.enrolled_by), VERDICT[each.decision].word,
      String(each.cases), String(each.confirmed), String(each.rejected), String(each.open)]), EVIDENCE.none),
    strangers.length > 0 && table(EVIDENCE.strangers, EVIDENCE.strangerColumns, strangers.map((each) => [
      sensor(each.probe), EVIDENCE.decision[each.decision], EVIDENCE.of(each.rejected, each.searches),
      EVIDENCE.rate(share(each.rate), share(each.low), share(each.high)), share(each.promised),
      each.contradicted ? EVIDENCE.more : EVIDENCE.within])),
    el("p", { class: "quiet" }, EVIDENCE.caution),
  ].filter(Boolean);
}
