// One row per label: its score as a bar, its thresholds as ticks, or as handles while others are tried.

import { find } from "./decide.js";
import { byId, formatScore, make, nameLabel } from "./dom.js";

const OFF = 1.01; // where a handle stands for no threshold at all
const KINDS = ["review", "block"];

export class ScoreList {
  #rows = new Map();
  #isAdjusting = false;

  /** `onChange(label, kind, threshold or null)` is told of handles that were moved. */
  constructor(list, onChange) {
    this.list = list;
    this.onChange = onChange;
  }

  /** Show handles instead of ticks, or ticks again. */
  set adjusting(value) {
    this.#isAdjusting = value;
    this.list.classList.toggle("with-handles", value);
    for (const row of this.#rows.values()) for (const kind of KINDS) row.handles[kind].hidden = !value;
  }

  /** Draw scores (may be empty) over thresholds by label. */
  show(thresholds, scores) {
    const labels = [...new Set([...Object.keys(thresholds), ...Object.keys(scores)])];
    if (labels.join() !== [...this.#rows.keys()].join()) this.#build(labels);
    const found = new Map(find(thresholds, scores).map((finding) => [finding.label, finding.decision]));
    for (const [label, row] of this.#rows) showRow(row, thresholds[label] ?? {}, scores[label], found.get(label));
  }

  #build(labels) {
    this.#rows = new Map(labels.map((label) => [label, this.#buildRow(label)]));
    this.list.replaceChildren(...[...this.#rows.values()].map((row) => row.element));
    this.adjusting = this.#isAdjusting;
  }

  #buildRow(label) {
    const fill = make("span", { class: "fill" });
    const ticks = Object.fromEntries(KINDS.map((kind) => [kind, make("span", { class: `tick ${kind}` })]));
    const track = make("span", { class: "track", "aria-hidden": "true" }, fill, ticks.review, ticks.block);
    const handles = Object.fromEntries(KINDS.map((kind) => [kind, this.#buildHandle(label, kind)]));
    const value = make("span", { class: "value" });
    const meaning = make("span", { class: "unseen" });
    const element = make("li", { "data-label": label }, make("span", { class: "name" }, nameLabel(label)),
      make("span", { class: "lane" }, handles.block, track, handles.review), value, meaning);
    return { element, fill, ticks, handles, value, meaning };
  }

  #buildHandle(label, kind) {
    const read = (event) => Number(event.target.value);
    return make("input", {
      type: "range", min: 0, max: OFF, step: 0.01, class: `handle ${kind}`, hidden: true,
      "aria-label": `${nameLabel(label)}: ${kind} from`,
      oninput: (event) => this.onChange(label, kind, read(event) > 1 ? null : read(event)),
    });
  }
}

function showRow(row, thresholds, score, decision) {
  row.element.dataset.decision = decision ?? "allow";
  row.fill.style.width = `${((score ?? 0) / OFF) * 100}%`;
  row.value.textContent = score === undefined ? "–" : formatScore(score);
  row.meaning.textContent = decision ? `, ${decision}` : "";
  for (const kind of KINDS) showThreshold(row, kind, thresholds[kind] ?? null);
}

function showThreshold(row, kind, threshold) {
  row.ticks[kind].hidden = threshold === null;
  row.ticks[kind].style.left = `${((threshold ?? 1) / OFF) * 100}%`;
  const handle = row.handles[kind];
  if (document.activeElement !== handle) handle.value = String(threshold ?? OFF);
  handle.setAttribute("aria-valuetext", threshold === null ? "off" : formatScore(threshold));
}

/** Keep review at or below block: the other handle gives way. */
export function moveThreshold(thresholds, kind, value) {
  const moved = { ...thresholds, [kind]: value };
  const { review = null, block = null } = moved;
  if (review === null || block === null || review <= block) return moved;
  return kind === "review" ? { ...moved, block: value } : { ...moved, review: value };
}

/** Say which labels the list has, for those who cannot see its legend. */
export function showLegend(isAdjusting) {
  byId("legend").hidden = isAdjusting;
  byId("adjusting").hidden = !isAdjusting;
}
