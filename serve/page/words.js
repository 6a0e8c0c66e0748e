// Every word of the console, and how counts, numbers and times are written: one file to translate.
//
// A function gets values, or elements that stand between words, and gives text or a list of texts and
// elements. Words that the service sends are not here, and are English: what a refusal, a rejected
// clip, a record, or a finding or notice about the records says (`detail`, `problem`, `notices`), what
// thresholds mean or why there are none (`meaning`, `undecided`), how a key was destroyed
// (`destruction`), from what a calibration was made (`data`), why a variant of the network runs
// (`variant_reason`), the API's description, and codes that this file does not know. `index.html` has a
// title and a sentence for browsers without JavaScript.

export const LANGUAGE = "en";

export const share = (value) => `${+Number((100 * value).toPrecision(3)).toFixed(6)} %`; // never 5.55e-15

export const number = (value) => value.toFixed(3).replace("-", "−");

export const day = (iso) => iso.slice(0, 10);

export const moment = (iso) => iso.slice(0, 19).replace("T", " ").concat(" UTC");

function count(many, one, several = `${one}s`) {
  return `${many.toLocaleString(LANGUAGE)} ${many === 1 ? one : several}`;
}

const frames = (many) => count(many, "frame");
const records = (many) => count(many, "record");
const templates = (many) => count(many, "template");

// What stands on more than one page.
export const COMMON = {
  kinds: { info: "Note: ", warning: "Warning: ", error: "Error: " },
  nothing: "Nothing here.", none: "none", all: "all", cancel: "Cancel", cancelled: "Cancelled.", progress: "Progress", seconds: (many) => `${many.toFixed(0)} s`, reading: "Reading the clip…", result: "Result",
  gallery: "Gallery", person: "Person", record: "Record", key: "Key", purpose: "Purpose", reason: "Reason", show: "Show", more: "Show more", download: "Download",
  consent: "Consent reference", lastDay: "Last day",
  untyped: "This key may not list galleries: type the name.",
  templates: (many) => templates(many),
  state: (gallery, revision) => `${gallery}, revision ${revision ?? "–"}`,
  type: (text) => `Type “${text}” to go on`,
};

// Around every page.
export const FRAME = {
  brand: "Gait console", skip: "Skip to the page", pages: "Pages", key: "Access key", use: "Use", forget: "Forget the key",
  titles: { search: "Search", people: "People", live: "Live", review: "Review", audit: "Audit", system: "System", reference: "API" },
  title: (page) => `${page} – gait console`,
  needs: (scopes) => `This page needs a key with the scope ${scopes.map((scope) => `${scope} (${SCOPE[scope]})`).join(" or ")}.`,
  loading: "Loading…", local: "No key is needed here.",
  known: (key, scopes) => `Key ${key}: ${scopes.join(", ") || "no scope"}`,
  refused: "The key was not taken.", missing: "A key is needed.",
  welcome: (code) => ["Give your access key above. Whoever runs the service makes keys, with ", code("python -m serve.keys new"), "."],
};

// What to do about refusals whose own words do not say it to somebody who looks at a page.
const HINT = {
  "access.key": "Give a valid access key above.",
  "access.scope": "Ask whoever runs the service for a key that may.",
  "access.gallery": "Choose a gallery that the key is for.",
  "access.rate": "Wait a little, then try again.",
  "service.busy": "Wait a few seconds, then try again.",
  "service.deadline": "Try again; the service has much to do.",
  unreachable: "Is it running, and is the network there?",
};

export function inWords(problem) {
  const said = problem.message.replace(/^./, (first) => first.toUpperCase());
  const sentence = /[.!?]$/.test(said) ? said : `${said}.`;
  const more = [HINT[problem.code], problem.code && `(${problem.code})`].filter(Boolean);
  return [sentence, ...more].join(" ");
}

// What the browser has to say of a service that does not answer as it should.
export const FAILED = {
  status: (status) => `the service answered with status ${status}`, code: (status) => `status ${status}`, unreachable: "the service cannot be reached",
};

export const SENSOR = { silhouette: "camera", range_view: "LiDAR" };

export const VERDICT = {
  match: {
    word: "Match", mark: "✓",
    means: "The person in the clip is like the first candidate, as strangers hardly ever are. It is a reason to look closer, and no proof of identity.",
  },
  possible: {
    word: "Possible", mark: "?",
    means: "The first candidate is like the person in the clip, but so are some strangers. A person has to look before anything is done.",
  },
  no_match: {
    word: "Nobody", mark: "–",
    means: "Nobody who is enrolled is like enough to the person in the clip. Somebody enrolled may still be missed, when seen from another side or in other clothes.",
  },
  undecided: {
    word: "Not decided", mark: "·",
    means: "Similarities only rank people here: the first one looks like a find even when the person is not enrolled.",
  },
};

// Where a similarity lies.
export const STANDING = {
  match: "match", possible: "possible", below: "below both thresholds", ranked: "ranked only",
  rates: (match, possible) => `match at a rate of ${share(match)}${possible == null ? "" : `, possible at ${share(possible)}`} of strangers`,
  simulated: (both) => `${both ? "The model and its thresholds come" : "The model comes"} from simulated people. How often it errs with real people here is not known.`,
};

export const REASON = {
  inverted: "The background is white: masks show a white person on black.",
  photograph: "It is a photograph and not a mask of the person.",
  noise: "It shows neither a mask nor a person.",
  nobody: "Some frames show nobody.",
  several_people: "Some frames show more than one person.",
  not_a_person: "The shape is not a person's.",
  upside_down: "It is a person's shape only when turned.",
  not_walking: "The figure hardly changes: does the person walk?",
  too_few_frames: "There are fewer than 10 frames.",
  under_one_cycle: "No step comes round: less than one full stride.",
  touches_border: "Head or feet touch the picture's border.",
  cut_off: "The body is cut at its side.",
  too_small: "The person is too small in the picture.",
  too_few_points: "Too few points lie on the person.",
  specks: "There were specks beside the person, which were left out.",
  ground: "Floor is left at the feet.",
  unknown_sensor: "The LiDAR's raster was not found or is coarse: name the sensor.",
};

export const DROPPED = {
  empty: "empty", too_small: "too small", cut_off: "cut at the side", damaged: "damaged",
  two_people: "more than one person", background_lit: "white background", photograph: "photograph",
  too_few_points: "too few points", outside_view: "outside the view", thinned: "more than 300 frames",
  not_sampled: "passed over",
};

// What a clip is, and how good.
export const CLIP = {
  grade: { good: "good", fair: "fair", poor: "poor", unusable: "unusable" },
  quality: (value, grade) => `Quality ${value.toFixed(2)}: ${grade}`, meter: "Quality",
  fine: "Nothing is wrong with the clip.",
  is: (sensor, format, taken, used) => `${sensor} clip (${format}), ${frames(taken)}, ${used.toLocaleString(LANGUAGE)} used`,
  leftOut: (dropped) => `; left out: ${dropped.map(([why, many]) => `${many} ${DROPPED[why] ?? why}`).join(", ")}`,
  assumed: (pairs) => `Assumed or done: ${pairs.map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`).join(", ")}.`,
};

export const SEARCH = {
  title: "Who walks like this?",
  file: "Clip or recording", fileHint: "A clip holds one walking person: frames, masks, a mask video or point clouds. Nothing of it is stored.",
  drop: "or drop it here",
  size: (mib) => `${mib.toFixed(2)} MiB`,
  tooLarge: (mib, most) => `${mib.toFixed(2)} MiB: larger than the ${most} MiB that are taken`,
  kind: "What is it?", clip: "A clip: one person", recording: "A recording: everybody in it",
  purposeHint: "Why you search. It is recorded.",
  options: "More options", candidates: "Candidates", compare: "Compare with",
  templates: [["", "all templates"], ["silhouette", "silhouettes (camera)"], ["range_view", "range views (LiDAR)"]],
  forward: "Point clouds face", found: "found from the points", unlike: "Also list those who are too unlike",
  search: "Search", sending: "Sending…", looking: "Looking for people in it, which can take minutes…", reading: "Reading and searching…",
  cancelled: "Cancelled. What had begun may be in the audit records.",
  seen: "What the service sees in it", probe: "The clip, as it is compared", noPicture: (why) => `No picture of the clip: ${why}`, about: "The clip",
  columns: ["Rank", "Person", "Similarity", "Stands", "Enrolled by"], nobody: "No candidate is like enough to be shown.",
  record: "Record and times", audit: "Audit record", decided: "Decided", model: "Model", times: "Times",
  took: (stage, ms) => `${stage} ${ms.toFixed(0)} ms`,
  people: (many, found) => many ? `${many.toLocaleString(LANGUAGE)} in the recording, ${found.toLocaleString(LANGUAGE)} to look at` : "Nobody was found in the recording",
  leftOut: (many) => `${many === 1 ? "One more person was" : `${many} more people were`} left out: send a shorter recording.`,
  track: (track) => `Person ${track}`,
  walk: (track, begins, ends, many) => `Person ${track}, ${begins.toFixed(1)} to ${ends.toFixed(1)} s, ${frames(many)}`,
  notSearched: (detail, code) => `Not searched for: ${detail} (${code})`,
};

export const SCALE = {
  title: "Similarity, and how similar strangers get",
  reading: "▲ candidates, by rank. Grey: the share of strangers who get as far, from half of them on the left.",
  unknown: "There is no calibration to say how similar strangers get.",
  threshold: (kind, similarity) => `${STANDING[kind]} from ${number(similarity)}`,
  told: (lines, candidates) => `Scale of similarity: ${lines.join(", ") || "no thresholds"}; ${candidates.join(", ") || "no candidate"}.`,
  candidate: (subject, similarity) => `${subject} at ${number(similarity)}`,
  numbers: "Strangers in numbers", caption: "So many strangers come out of a search at least so similar to somebody", columns: ["Strangers", "Similarity"],
};

export const FILM = {
  speeds: [["0.25", "¼ speed"], ["0.5", "½ speed"], ["1", "true speed"], ["2", "double"]], speed: "Speed", play: "Play", pause: "Pause",
  moving: (title) => `${title}, moving picture`, slider: (title) => `Frame of ${title}`,
  frame: (at, of, seconds, compared) => `frame ${at} of ${of}, ${number(seconds)} s${compared ? "" : ", not compared"}`,
  timed: "At the times that the file says.",
  assumed: (rate) => `The file does not say how fast: shown at ${rate} frames a second.`,
  compared: (some, all) => `${some} of ${frames(all)} ${some === 1 ? "is" : "are"} compared.`,
};

export const PICTURE = {
  none: "No picture: none was kept when this person was enrolled. Compare with the person, or with a recording you may use.",
  scope: "No picture: it needs a key with the scope gallery:read.",
  show: "Show the picture",
  alike: (template, sensor) => `template ${template} (${sensor}), the most alike`,
  other: (template, sensor) => `template ${template} (${sensor}), another clip`,
  kept: (template, sensor) => `template ${template} (${sensor})`,
  hint: "For people who have to judge a match: a short moving picture of each clip, encrypted under the person's key and erased with the person. Ask for consent to that too.",
};

export const PEOPLE = {
  title: "People", enrol: "Enrol somebody",
  blind: "This key may enrol, and not see who is enrolled.",
  sum: (many, clips) => `${count(many, "person", "people")}, ${templates(clips)}.`,
  nobodyEnds: (within) => `Nobody's authorisation ends within ${count(within, "day")}.`,
  endsSoon: "Ends soon", ending: (within, many) => `Ends within ${count(within, "day")} (${templates(many)}); then nobody finds them and they are erased`,
  endingColumns: ["Person", "Ends", "Templates"],
  find: "Find by name", go: "Find", list: "Enrolled people", columns: ["Person", "Since", "Camera clips", "LiDAR clips"],
  noName: "No name holds that.", nobody: "Nobody is enrolled yet.",
};

export const PERSON = {
  back: (gallery) => `All people in ${gallery}`,
  columns: ["Template", "Sensor", "Frames", "Enrolled", "Consent", "Ends", "Picture"], eraseColumn: "Erase",
  look: (template) => `Show the picture of template ${template}`, eraseTemplate: (template) => `Erase template ${template}`, erasePicture: (template) => `Erase picture of template ${template}`, eraseKept: "Erase picture",
  add: "Add clips",
  records: "Show the records", known: "What is known about this person", knownHint: "Everything the service holds in words: templates, and every record that names this person. For a request by the person concerned.",
  erase: "Erase", eraseHint: "Destroys the key that reads this person's templates. No backup brings them back. Records of what was done stay.", erasePerson: "Erase this person",
  extend: "Extend", extendHint: "When consent is given anew, or cut short: it counts for all templates.",
  extended: (many, until, record) => `${templates(many)} now ${many === 1 ? "ends" : "end"} at ${moment(until)} (record ${record}).`, again: "Show the templates anew",
  merge: "Merge", mergeHint: "If this is somebody who is enrolled under another name: the templates move there, and this name is gone.", into: "Name that stays",
  mergeTitle: "Merge two people", merging: (name, into) => `The templates of ${name} move to ${into}. They cannot be told apart again.`,
  eraseTitle: "Erase for good", erasingAll: "Erases this person with all templates. It cannot be undone.",
  erasing: (template, last) => `Erases template ${template}${last ? ", the last, and with it the person" : ""}. It cannot be undone.`,
  pictureTitle: "Erase a picture", erasingPicture: (template) => `Erases the picture that is kept of template ${template}. The template stays, and searches find the person as before.`,
  erased: "Erased", receipt: "Download the receipt", toPeople: "Back to the people",
  receiptFile: (id) => `erasure-${id}.json`,
  told: (who, receipt, record) => [
    receipt.pictures.length ? `The picture of template ${receipt.pictures.join(", ")} of ` : `${templates(receipt.templates.length)} of `, who,
    ` erased at ${moment(receipt.erased)}. Key ${receipt.key} was destroyed (${receipt.destruction}). Record ${record}.`,
  ],
};

// All that is known about a person, as a file.
export const EXPORT = {
  file: (name) => `about-${name}.json`,
  reading: "Reading the records…", soFar: (many) => `${records(many)} so far…`,
  saved: (many, clips) => `Saved ${records(many)} and ${templates(clips)}. That you read them is recorded.`,
  more: (many) => `The file holds the first ${records(many)} that name the person, and there are more. Ask whoever runs the service for the rest.`,
  cancelled: "Cancelled: no file was saved. That some records were read is recorded.",
};

export const ENROL = {
  name: "Name or number", clips: "Clips",
  clipsHint: (most) => `One or several, at most ${most}; several walks, from several sides and by both sensors, are found best.`,
  consentHint: "Of the person's consent, or another authorisation.", lastDayHint: "From then on no search finds them, and they are erased.",
  keep: "Keep pictures", fresh: "This is a new person, whoever else looks alike",
  check: "Check the clips", store: "Enrol", nothing: "Nothing is stored before “Enrol”.",
  storing: "Enrolling…", checking: "Checking…", cancelled: "Cancelled. Look at the person: the clips may be enrolled all the same.",
  known: (many) => `This person is enrolled already, with ${templates(many)}: the clips are added.`,
  alike: (clip, who, similarity) => [`Clip ${clip} matches `, who, ` (similarity ${number(similarity)}), who is enrolled: is it the same person?`],
  duplicate: (clip, others) => [`Clip ${clip} is enrolled already under `, others, "."],
  usable: "can be enrolled", refused: (code) => `refused (${code})`, clip: (clip, words) => `Clip ${clip}: ${words}`,
  what: (sensor, many) => `${sensor}, ${frames(many)}`, quality: (value, reasons) => `${value.toFixed(2)} ${reasons.map((reason) => REASON[reason] ?? reason).join(" ")}`,
  sum: (some, all) => some ? `${some} of ${all} can be enrolled` : "None of the clips can be enrolled",
  columns: ["Clip", "Result", "What it is", "Quality", "Picture"], scope: "needs a key with the scope identify",
  stored: (many) => `${many} enrolled`, searchable: (record) => `Stored and searchable; record ${record}.`,
  clipRefused: (clip, words) => `Clip ${clip} was refused: ${words}`,
  erased: (gone) => gone.length === 1 ? `Template ${gone[0]} was erased: the person had more than are kept.` : `Templates ${gone.join(", ")} were erased: the person had more than are kept.`,
  look: (who) => ["Show ", who],
};

export const LIVE = {
  title: "Live",
  about: "Who passes the cameras and LiDARs that capture.watch follows, the newest first. Strangers have neither name nor picture here.",
  camera: "Camera", everyCamera: "every camera",
  verdict: "Verdict", everyVerdict: "every verdict", found: "match or possible",
  person: "Person, a part of the name",
  list: "People who passed", none: "Nobody has passed, or nobody of that kind.",
  stranger: "Somebody", undecided: "Somebody, not decided",
  following: "Following.",
  lost: (problem, seconds) => `${problem} Trying again in ${count(seconds, "second")}.`,
  newest: (word, who, camera) => `${word}: ${who}, ${camera}.`,
  seen: (seconds, windows) => `seen for ${seconds.toFixed(0)} s, ${count(windows, "search", "searches")}`,
  picture: (who) => `Picture of ${who}`,
  similarity: "similarity", record: "record",
};

export const CASES = {
  title: "Review",
  statistics: "What people said",
  days: [["1", "the last day"], ["7", "the last 7 days"], ["30", "the last 30 days"]],
  period: "Searches of",
  first: (many) => `Only the first ${count(many, "case")} of these days are shown.`,
  one: "One reviewer settles a case, and a case on which reviewers disagree stays open. The service can be set to want two (two_reviewers).",
  two: "Two reviewers settle a case: they must agree, under different names and with different keys. The service counts them. A case on which reviewers disagree stays open.",
  nothing: "Nothing waits for a verdict.",
  done: "Nothing waits for a verdict any more.",
  label: "Cases that wait; keys 1, 2, 3 judge, n and p go on and back",
  heading: (at, of, verdict) => `Case ${at} of ${of}: ${verdict.toLowerCase()}`,
  when: "When", why: "Why", gallery: "Gallery", who: "Who", by: "Decided by", record: "Record",
  said: "Said so far", saidColumns: ["When", "Who", "Key", "About", "Verdict", "Reason"],
  yours: "This key has judged the case: it waits for somebody else, or until one of those who disagree says otherwise.",
  scope: "A verdict needs a key with the scope identify.",
  back: "Back", next: "Next", keys: "Keys in this list: ",
  keyWords: [["1", "same person"], ["2", "someone else"], ["3", "cannot tell"], ["n", "next"], ["p", "back"]],
  clip: "The clip, to look at",
  clipHint: "The service has not kept it. Choose the file, from whoever searched or from the camera's recording of that time.",
  clipTitle: "The clip",
  same: "This is the very file that was searched for.",
  different: "This is not the file that was searched for.",
};

export const REVIEW = { confirmed: "Same person", rejected: "Someone else", unsure: "Cannot tell" };

// What is settled of a case.
export const STATE = {
  open: "The case is still open.", confirmed: "The case is settled: the same person.", rejected: "The case is settled: someone else.",
};

// A reviewer's verdict.
export const OPINION = {
  title: "Your verdict", about: "About", who: "Who looks", whoHint: "Your name or number. It is recorded with the verdict.",
  recorded: (record, verdict, state) => `Recorded as ${record}: ${REVIEW[verdict].toLowerCase()}. ${STATE[state]}`,
};

export const EVIDENCE = {
  title: "Does the calibration hold? (90 days)",
  scope: "Shown to keys with the scope audit:read.",
  pairs: "Matches and possible ones, by sensors",
  pairColumns: ["Clip of", "Enrolled by", "Verdict of the service", "Cases", "Same person", "Someone else", "Open"],
  none: "No case in this time.",
  strangers: "Strangers who were found, against what the calibration promises",
  strangerColumns: ["Clips of", "Found as", "Found", "At least", "Promised", "So"],
  decision: { match: "match", possible: "match or possible" },
  of: (some, all) => `${some} of ${all} searches`,
  rate: (rate, low, high) => `${rate} (${low} to ${high})`,
  more: "more than promised", within: "nothing against the promise",
  contradicted: "People reject more of what the service finds than its calibration promises. Make the gallery's own with gallery.calibrate, from clips of people at these sensors.",
  caution: "Cases are no random sample of walks. Searches whose person was confirmed are not counted; cases that are open, and enrolled people who were missed, make the share too low. The range (95 %) takes all searches for independent.",
};

export const AUDIT = {
  title: "Audit", about: "Every use of the service is a record, bound to the one before it. Reading them is recorded too.",
  whole: "Are the records whole?", kept: "Hash or record id that was kept elsewhere", keptHint: "Optional. Without one, older copies of all files put back would look whole.",
  verify: "Verify the chain", verifying: "Reading every record, which can take minutes…",
  cancelled: "Cancelled: nothing is known of the records. The service may read on for a while; it changes nothing.",
  intact: (many) => `Whole: ${records(many)}, each as it was written and in its place.`,
  broken: (findings, many) => `Not as they were written: ${count(findings, "finding")} beside ${count(many, "authentic record")}.`,
  findings: "What is wrong", findingColumns: ["Record", "Problem"],
  head: "Keep this hash on another machine", headHint: (time) => `Newest record, of ${time ? moment(time) : "no time"}. Whoever has it can prove later that no record was lost until then.`,
  headLabel: "Hash of the newest record", copy: "Copy the hash", copied: "Copied.", selected: "The browser lets no page copy here: the hash is selected, to be copied by hand.", save: "Download the hash", headFile: (time) => `audit-head-${time ? day(time) : "none"}.json`,
  records: "Records", since: "Since", what: "What was done", everything: "everything", search: "Search",
  cut: (most) => `These are the first ${records(most)} since then; later ones are not shown: choose a later day.`,
  caption: (many) => `${records(many)}, the newest first`, columns: ["Record", "Time", "What", "Key", "People", "Purpose or detail"], nothing: "No record of that.",
  done: (action, outcome) => `${ACTION[action] ?? action}, ${OUTCOME[outcome] ?? outcome}`,
  fields: {
    decision: "Decision", candidates: "Candidates", templates: "Templates", reviewer: "Reviewer", about: "About record", intent: "Intended as record",
    detail: "Detail", clips: "Clips (keyed hashes)", request: "Request", hash: "Hash",
  },
  person: "What concerns one person", personHint: "All records that name the person, and the templates as far as the key may see them, as one file. For a request by the person concerned.",
};

export const ACTION = {
  identify: "searched", verify: "compared", embed: "took embeddings", frames: "looked at a clip", "live.tell": "told who passed", "live.read": "looked at who passes", picture: "looked at a kept picture", "picture.remove": "erased a kept picture",
  enrol: "enrolled", "enrol.check": "tried an enrolment", extend: "extended", remove: "erased",
  merge: "merged", expire: "erased what ended", export: "exported", import: "imported",
  review: "reviewed", "review.read": "read reviews", "audit.read": "read records",
  "audit.verify": "verified records", "key.create": "made a key", "key.rotate": "rotated a key",
  "key.revoke": "revoked a key", "gallery.create": "made a gallery",
  "gallery.delete": "deleted a gallery", "log.begin": "began the log", "log.retire": "retired records",
};

export const OUTCOME = {
  intended: "about to happen", done: "done", refused: "refused", failed: "failed", unknown: "outcome unknown",
};

export const SYSTEM = {
  title: "System", yes: "yes", no: "no", scope: (scope) => `Shown to keys with the scope ${scope}.`,
  health: "Health", service: "Service", ready: "ready", notReady: (why) => `not ready: ${why}`, version: "Version", provider: "Network runs on", reference: "API reference",
  model: "Model", simulatedModel: "Trained on simulated people. How well it knows real people is measured by its card, not promised.",
  contract: "Contract", sensors: "Sensors", dimension: "Numbers of an embedding", arithmetic: "Arithmetic", variant: (variant, why) => `${variant}, because ${why}`,
  frames: "Frames looked at", calibrated: "Calibration in its bundle",
  calibration: "Calibration", whose: "Whose", own: "this gallery's own", models: "the model's, not made for this place", people: "People", data: "Data", fingerprint: "Fingerprint",
  counted: (many, simulated) => `${many.toLocaleString(LANGUAGE)}, ${simulated ? "simulated" : "real"}`,
  uncalibrated: "There is none: similarities only rank people. Make one with gallery.calibrate.",
  simulated: "The rates hold for simulated people. Make the gallery's own with gallery.calibrate.",
  thresholds: (gallery) => `Thresholds in ${gallery}`, thresholdColumns: ["Clips of", "Match from", "Possible from", "For"], size: (many) => `N = ${many}`,
  rates: (match, possible, compared) => `Strangers called a match: ${share(match)}; to be looked at: ${share(possible)}; called the one person compared with: ${share(compared)}. N counts everybody once for each sensor that enrolled them.`,
  galleries: "Galleries", galleryCount: (many) => count(many, "gallery", "galleries"), galleryColumns: ["Gallery", "People", "Camera", "LiDAR", "Index", "Revision"],
  made: "made", unmade: "made by the next search", firstGalleries: (most) => `Only the first ${most} galleries are shown.`,
  load: "Load and record", requests: "Requests since the start", failed: "Failed (5xx)", waiting: "Clips that wait to be read", reading: "Being read", queue: "Clips that wait for the network",
  refusedFor: "Refused for", damaged: "Damaged templates", behind: "Index behind the record by", changes: (many) => count(many, "change"),
  recall: "Index finds what exact search finds", reachable: "Galleries can be reached", again: "Look again",
  commands: "On the command line only",
  commandList: (code) => ["Calibrating a gallery (", code("gallery.calibrate"), "), backups and restoring, rotating the master key, retiring records (", code("serve.audit retire"),
    "), checking every template (", code("gallery.info"), "), settings of the service."],
};

export const LIMITS = {
  title: "Limits", mib: (many) => `${many} MiB`, clip: "Clip file", body: "Request", clips: "Clips in one request", frames: "Frames of a file", templates: "Templates of a person and sensor", noCap: "no cap",
  search: "Quality of searches", enrol: "Quality of enrolments", modes: { off: "any", standard: "not unusable (0.1 and more)", strict: "not poor (0.5 and more)" },
  perKey: "Requests of a key", perGallery: "Requests for a gallery", purposes: "Purposes", any: "any",
};

export const KEYS = {
  title: "Access keys", local: (code) => ["This service has none and listens on this machine only. Make the first with ", code("python -m serve.keys new data/keys.json --scopes admin"), "."],
  own: "This key", may: "May", least: "read metrics and models", galleries: "Galleries", others: "Others are shown to keys with the scope admin.",
  count: (many) => count(many, "key"), columns: ["Key", "Note", "State", "Scopes", "Galleries", "Expires", "Change"], states: { valid: "valid", expired: "expired", revoked: "revoked" },
  rotate: "Rotate", rotateOne: (key) => `Rotate ${key}`, revoke: "Revoke", revokeOne: (key) => `Revoke ${key}`,
  revokeTitle: "Revoke a key", revoking: "It opens nothing any more, at once and for good.",
  secret: (key, code) => [`The secret of key ${key} is shown this once: `, code],
  make: "Make a key", mayDo: "It may", scope: (scope) => `${scope}: ${SCOPE[scope]}`, note: "Note", days: "Days", some: "Names with commas; empty for all.", go: "Make",
};

export const SCOPE = {
  identify: "search for people",
  verify: "compare with one person",
  enrol: "enrol and merge people",
  "gallery:read": "see who is enrolled",
  "gallery:delete": "erase people",
  embed: "take embeddings out",
  "audit:read": "read the audit records",
  "live:read": "see who passes the cameras",
  admin: "make galleries and keys",
};

export const REFERENCE = {
  title: "API", find: "Find a request", hint: "find a request", programs: (title, version, link) => [`${title} ${version}. `, link, " is for programs."],
  fields: "Fields", fieldColumns: ["Name", "In", "Must", "What it is"], needed: "needed", optional: "optional", form: "form", json: "JSON",
  replies: "Replies", replyColumns: ["Status", "When"],
};
