// A clip as a moving picture: frames from the service's own sheet, at the rhythm they were taken.

import { el } from "./dom.js";
import { FILM } from "./words.js";

const ASSUMED = { silhouette: 25, range_view: 10 };

// The player of a moving picture in a reply: of a clip that was sent, or of one that is kept.
export async function film(reply, title) {
  const bytes = Uint8Array.from(atob(reply.picture), (letter) => letter.charCodeAt(0));
  const sheet = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const { size, columns, frames } = reply;
  const rate = ASSUMED[reply.modality ?? reply.clip.modality];
  const times = reply.seconds ?? Array.from({ length: frames }, (_, at) => at / rate);
  const looked = new Set(reply.used ?? times.keys());
  const whole = times.at(-1) + (frames > 1 ? (times.at(-1) - times[0]) / (frames - 1) : 1 / rate);

  const canvas = el("canvas", { width: size, height: size, role: "img", "aria-label": FILM.moving(title) });
  const pen = canvas.getContext("2d");
  const slider = el("input", { type: "range", min: 0, max: frames - 1, value: 0, "aria-label": FILM.slider(title) });
  const play = el("button", { type: "button" });
  const speed = el("select", { "aria-label": FILM.speed });
  for (const [value, text] of FILM.speeds) speed.append(new Option(text, value, false, value === "1"));
  const where = el("output", { class: "quiet" });
  let playing = false, at = 0, began = 0, asked = 0;

  function show(frame) {
    at = frame;
    slider.value = frame;
    pen.clearRect(0, 0, size, size);
    pen.drawImage(sheet, (frame % columns) * size, Math.floor(frame / columns) * size, size, size, 0, 0, size, size);
    canvas.dataset.frame = frame;
    const told = FILM.frame(frame + 1, frames, times[frame] - times[0], looked.has(frame));
    where.textContent = told;
    slider.setAttribute("aria-valuetext", told);
  }

  function step(now) {
    if (!playing || !canvas.isConnected) return;
    const passed = (((now - began) / 1000) * Number(speed.value)) % whole;
    let frame = 0;
    while (frame + 1 < frames && times[frame + 1] - times[0] <= passed) frame++;
    if (frame !== at) show(frame);
    asked = requestAnimationFrame(step);
  }

  function run(on) {
    playing = on && frames > 1;
    play.textContent = playing ? FILM.pause : FILM.play;
    cancelAnimationFrame(asked);
    if (!playing) return;
    began = performance.now() - (1000 * (times[at] - times[0])) / Number(speed.value);
    asked = requestAnimationFrame(step);
  }

  play.addEventListener("click", () => run(!playing));
  speed.addEventListener("change", () => run(playing));
  slider.addEventListener("input", () => {
    run(false);
    show(Number(slider.value));
  });
  show(0);
  // Whoever has asked for less motion starts it by hand.
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) run(false);
  else setTimeout(() => run(true));

  const rhythm = reply.seconds ? FILM.timed : FILM.assumed(rate);
  return el("figure", { class: "film" }, el("figcaption", {}, title), canvas,
    el("div", { class: "actions" }, play, speed), slider, where,
    el("small", {}, reply.used ? `${rhythm} ${FILM.compared(looked.size, frames)}` : rhythm));
}
