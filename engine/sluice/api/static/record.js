// Records a clip from the microphone.

import { formatTime } from "./dom.js";
import { convertToWav } from "./wav.js";

const MAX_S = 60;
const SECOND_MS = 1000;

export class Recorder {
  #recorder = null;
  #count = 0;

  /** `listener`: recording(elapsed text), recorded(file), stopped(), failed(message). */
  constructor(listener) {
    this.listener = listener;
  }

  /** Whether the browser lets this page record at all. */
  static get isPossible() {
    return Boolean(navigator.mediaDevices?.getUserMedia && window.MediaRecorder);
  }

  /** Start, or stop and hand the clip on. */
  async toggle() {
    if (this.#recorder) this.#recorder.stop();
    else await this.#start();
  }

  async #start() {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      this.#record(stream);
    } catch (error) {
      const refused = error.name === "NotAllowedError";
      this.listener.failed(refused ? "The browser does not let this page use the microphone." : "No microphone was found.");
    }
  }

  #record(stream) {
    const chunks = [];
    const recorder = new MediaRecorder(stream);
    const began = performance.now();
    const elapsed = () => (performance.now() - began) / SECOND_MS;
    const tick = setInterval(() => {
      this.listener.recording(formatTime(elapsed()));
      if (elapsed() >= MAX_S) recorder.stop();
    }, SECOND_MS / 5);
    recorder.ondataavailable = (event) => chunks.push(event.data);
    recorder.onstop = () => {
      clearInterval(tick);
      stream.getTracks().forEach((track) => track.stop());
      this.#recorder = null;
      this.#finish(new Blob(chunks, { type: recorder.mimeType }));
    };
    this.#recorder = recorder;
    recorder.start();
    this.listener.recording(formatTime(0));
  }

  async #finish(recorded) {
    this.listener.stopped();
    this.#count += 1;
    try {
      this.listener.recorded(await convertToWav(recorded, `recording-${this.#count}.wav`));
    } catch {
      this.listener.failed("The recording could not be read. Was it very short?");
    }
  }
}
