// The verdict at a glance: the decision, what it rests on, and what was not read.

import { byId, capitalise, formatScore, make, nameLabel, namePart } from "./dom.js";

const URGENCIES = { concern: "Somebody may need help", urgent: "Somebody needs help now" };

/** Show a decision and the findings behind it. */
export function showDecision(decision, findings, gaps) {
  const card = byId("verdict");
  card.dataset.decision = decision;
  byId("decision").textContent = capitalise(decision);
  byId("summary").textContent = summarise(decision, findings, gaps);
}

/** Nothing is there to decide. */
export function showNothing() {
  byId("verdict").dataset.decision = "none";
  byId("decision").textContent = "Waiting for a post";
  byId("summary").textContent = "Scores move as you type.";
  byId("what-if").hidden = true;
  byId("facts").replaceChildren();
}

/** One sentence on what a decision rests on. */
export function summarise(decision, findings, gaps) {
  if (decision === "allow") return "No score reached a threshold.";
  const [top] = findings;
  if (top?.decision === decision) {
    return `${nameLabel(top.label)} ${formatScore(top.score)} reached the threshold ${formatScore(top.threshold)}.`;
  }
  if (gaps.unscored) return "A part could not be read whole.";
  return "The text is in a language that the models were not measured on.";
}

/** What other thresholds change, or nothing. */
export function showWhatIf(isChanged, served, decision) {
  const line = byId("what-if");
  line.hidden = !isChanged;
  line.textContent = served === decision
    ? `With your thresholds: ${decision}, as before.`
    : `With your thresholds: ${decision}. The policy says: ${served}.`;
}

/** Language, urgency, parts, time, policy. */
export function showFacts(verdict) {
  const facts = [
    ["Language", describeLanguage(verdict.language)],
    ["Urgency", URGENCIES[verdict.urgency]],
    ...Object.entries(verdict.modalities).map(([part, status]) => [capitalise(namePart(part)), describeStatus(status)]),
    ["Time", `${Math.round(verdict.latency_ms.total ?? 0)} ms`],
    ["Policy", `${verdict.policy.name}, version ${verdict.policy.version}`],
  ];
  draw(facts);
}

/** The facts that a shared link carries. */
export function showSharedFacts({ language, policy }) {
  draw([["Language", language ? nameLanguage(language) : null], ["Policy", `${policy.name}, version ${policy.version}`]]);
}

function draw(facts) {
  const told = facts.filter(([, value]) => value);
  byId("facts").replaceChildren(...told.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

function describeLanguage(language) {
  if (!language) return null;
  if (language.code.startsWith("und")) return "not sure";
  return `${nameLanguage(language.code)}, ${Math.round(language.probability * 100)} %`;
}

function nameLanguage(code) {
  try {
    return new Intl.DisplayNames("en", { type: "language" }).of(code);
  } catch {
    return code;
  }
}

function describeStatus(status) {
  if (status === "ok") return "read";
  const [kind, ...why] = status.split(": ");
  const said = { partial: "read in part", failed: "not read" }[kind];
  return said ? `${said}: ${why.join(": ")}` : status;
}
