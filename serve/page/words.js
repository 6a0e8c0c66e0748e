// What the service's codes mean, in words for people: one place to translate.

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

export const ACTION = {
  identify: "searched", verify: "compared", embed: "took embeddings", frames: "looked at a clip", "live.tell": "told who passed", "live.read": "looked at who passes", picture: "looked at a kept picture",
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

export const PICTURE = {
  none: "No picture: none was kept when this person was enrolled. Compare with the person, or with a recording you may use.",
  scope: "No picture: it needs a key with the scope gallery:read.",
  show: "Show the picture",
  alike: (template, sensor) => `template ${template} (${sensor}), the most alike`,
  other: (template, sensor) => `template ${template} (${sensor}), another clip`,
  kept: (template, sensor) => `template ${template} (${sensor})`,
  hint: "For people who have to judge a match: a short moving picture of each clip, encrypted under the person's key and erased with the person. Ask for consent to that too.",
};

export const CASES = {
  title: "Review",
  statistics: "What people said",
  days: [["1", "the last day"], ["7", "the last 7 days"], ["30", "the last 30 days"]],
  period: "Searches of",
  first: (many) => `Only the first ${many.toLocaleString("en")} cases of these days are shown.`,
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

export const REVIEW = { confirmed: "Same person", rejected: "Someone else", unsure: "Cannot tell" };

// What is settled of a case.
export const STATE = {
  open: "The case is still open.", confirmed: "The case is settled: the same person.", rejected: "The case is settled: someone else.",
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

export const share = (value) => `${+(100 * value).toPrecision(3)} %`;

export const number = (value) => value.toFixed(3).replace("-", "−");

export const day = (iso) => iso.slice(0, 10);

export const moment = (iso) => iso.slice(0, 19).replace("T", " ").concat(" UTC");

export function count(many, one, several = `${one}s`) {
  return `${many.toLocaleString("en")} ${many === 1 ? one : several}`;
}

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
