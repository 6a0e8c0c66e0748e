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
  admin: "make galleries and keys",
};

export const ACTION = {
  identify: "searched", verify: "compared", embed: "took embeddings", frames: "looked at a clip", picture: "looked at a kept picture",
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

export const REVIEW = { confirmed: "Same person", rejected: "Someone else", unsure: "Cannot tell" };

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
