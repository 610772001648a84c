// Why: each reason with what every part adds to it, and where it was seen or heard.

import { capitalise, formatScore, formatTime, make, nameLabel, namePart } from "./dom.js";
import { toUnits } from "./spans.js";

const MAX_QUOTE = 80;
const percent = (share) => `${Math.round(share * 100)} %`;

/** Elements for a verdict's reasons. `play(part, seconds)` lets a range be heard. */
export function describeReasons(verdict, decisions, text, play) {
  return verdict.reasons.map((reason) => {
    const decision = decisions.get(reason.label) ?? "review";
    const head = make("div", { class: "reason-head" }, make("h3", {}, nameLabel(reason.label)),
      make("span", { class: "pill", "data-decision": decision }, decision),
      make("span", { class: "muted" }, `${formatScore(reason.score)}, threshold ${formatScore(reason.threshold)}`));
    return make("li", {}, head, describeContributions(reason), describeEvidence(reason, text, play));
  });
}

function describeContributions({ contributions }) {
  const entries = Object.entries(contributions);
  if (entries.length === 0) return null;
  const bars = entries.map(([part, share]) => {
    const bar = make("span", { class: "bar-fill", "data-sign": share < 0 ? "less" : "more" });
    bar.style.width = `${Math.min(1, Math.abs(share)) * 100}%`;
    const amount = `${share < 0 ? "−" : "+"}${formatScore(Math.abs(share))}`;
    return make("li", {}, make("span", { class: "name" }, capitalise(namePart(part))),
      make("span", { class: "bar-track", "aria-hidden": "true" }, bar), make("span", { class: "value" }, amount));
  });
  return make("ul", { class: "contributions", "aria-label": "What each part adds to the score" }, ...bars);
}

function describeEvidence({ evidence, label }, text, play) {
  if (evidence.length === 0) return null;
  const list = evidence.map((item) => make("li", {}, describeItem(item, text, play)));
  return make("ul", { class: "evidence", "aria-label": `Where: ${nameLabel(label)}` }, ...list);
}

function describeItem(item, text, play) {
  if (item.modality === "text") return make("q", {}, quote(text, item));
  if (item.modality === "audio") {
    const span = `${formatTime(item.start_s)} to ${formatTime(item.end_s)}`;
    const start = () => play(`audio:${item.index}`, item.start_s);
    return make("button", { type: "button", class: "quiet", onclick: start }, `▶ Clip ${item.index + 1}, ${span}`);
  }
  const [left, top, right, bottom] = item.box;
  return make("span", {}, `Picture ${item.index + 1}: ${percent(left)} to ${percent(right)} from the left, ${percent(top)} to ${percent(bottom)} from the top`);
}

function quote(text, span) {
  const [found] = toUnits(text, [span]);
  const words = found ? text.slice(found.start, found.end) : "";
  return words.length > MAX_QUOTE ? `${words.slice(0, MAX_QUOTE)}…` : words;
}
