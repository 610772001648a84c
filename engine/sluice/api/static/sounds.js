// A clip of the post: its waveform, with the ranges where the models heard something.

import { make, nameLabel, formatTime } from "./dom.js";
import { decode } from "./wav.js";

const WIDTH = 640;
const HEIGHT = 72;
const BAR = 4; // pixels from one bar of the waveform to the next

export class SoundView {
  #durationS = null;
  #evidence = [];

  constructor(file, onRemove) {
    this.url = URL.createObjectURL(file);
    this.canvas = make("canvas", { width: WIDTH, height: HEIGHT, "aria-hidden": "true" });
    this.ranges = make("div", { class: "ranges", "aria-hidden": "true" });
    this.player = make("audio", { src: this.url, controls: true, preload: "metadata", "aria-label": `Clip: ${file.name}` });
    const remove = make("button", { type: "button", class: "remove", "aria-label": `Remove ${file.name}`, onclick: onRemove }, "×");
    const frame = make("div", { class: "wave" }, this.canvas, this.ranges);
    this.element = make("figure", { class: "sound" }, frame, this.player, make("figcaption", {}, file.name), remove);
    this.ready = this.#load(file);
  }

  /** Ranges in seconds: { start_s, end_s, label, decision }. */
  show(evidence) {
    this.#evidence = evidence;
    const whole = this.#durationS;
    if (!whole) return;
    this.ranges.replaceChildren(...evidence.map(({ start_s: start, end_s: end, label, decision }) => {
      const title = `${nameLabel(label)}, ${formatTime(start)} to ${formatTime(end)}`;
      const range = make("div", { class: "range", "data-decision": decision, "data-label": label, title });
      range.style.left = `${share(start, whole)}%`;
      range.style.width = `${share(end, whole) - share(start, whole)}%`;
      return range;
    }));
  }

  /** Play from a second on. */
  play(seconds) {
    this.player.currentTime = seconds;
    return this.player.play();
  }

  dispose() {
    this.player.pause();
    URL.revokeObjectURL(this.url);
  }

  async #load(file) {
    try {
      const sound = await decode(file);
      this.#durationS = sound.duration;
      this.#draw(sound.getChannelData(0));
      this.show(this.#evidence);
    } catch {
      this.canvas.parentElement.replaceChildren(
        make("p", { class: "unshown" }, `This browser cannot draw ${file.name}. It is scored all the same.`));
    }
  }

  #draw(samples) {
    const pen = this.canvas.getContext("2d");
    pen.fillStyle = getComputedStyle(this.canvas).color;
    const peaks = findPeaks(samples, Math.floor(WIDTH / BAR));
    const loudest = Math.max(0.05, ...peaks);
    peaks.forEach((peak, index) => {
      const height = Math.max(2, (peak / loudest) * (HEIGHT - 8));
      pen.fillRect(index * BAR, (HEIGHT - height) / 2, BAR - 1.5, height);
    });
  }
}

const share = (seconds, whole) => Math.min(100, Math.max(0, (seconds / whole) * 100));

/** The loudest sample of each of so many stretches, in [0, 1]. */
export function findPeaks(samples, count) {
  const length = Math.max(1, samples.length / count);
  return Array.from({ length: count }, (_, index) => {
    let peak = 0;
    const end = Math.min(samples.length, Math.floor((index + 1) * length));
    for (let at = Math.floor(index * length); at < end; at += 1) peak = Math.max(peak, Math.abs(samples[at]));
    return peak;
  });
}
