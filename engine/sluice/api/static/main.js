// The page: holds what is being scored, and lets each part show it.

import { decide, find, findGaps } from "./decide.js";
import { announce, byId, copyText, make } from "./dom.js";
import { findKind, watchForFiles } from "./files.js";
import { Marks } from "./marks.js";
import { PictureView } from "./pictures.js";
import { Recorder } from "./record.js";
import { describeReasons } from "./reasons.js";
import { ScoreList, moveThreshold, showLegend } from "./scores.js";
import { Scoring, requestPolicy } from "./scoring.js";
import { readFragment, writeFragment } from "./share.js";
import { SoundView } from "./sounds.js";
import { toUnits } from "./spans.js";
import { makeTabs } from "./tabs.js";
import { showDecision, showFacts, showNothing, showSharedFacts, showWhatIf } from "./verdict.js";
import { writeCode, writePolicy } from "./code.js";

const SAMPLES = {
  "A friendly chat": "Good morning! Shall we have lunch together on Sunday?",
  "An insult": "You are a stupid idiot and everybody hates you.",
  "A prize that is none": "CONGRATULATIONS!!! You have WON a FREE iPhone! Click here now to claim your prize!",
  "A threat, in Chinese": "我要杀了你，你等着，我会找到你家。",
};
const NO_THRESHOLDS = {};
const SCORED_NOTHING = { scores: {}, gaps: { unscored: false, unread: false } };

const state = {
  policy: null,
  thresholds: NO_THRESHOLDS, // what is tried; the policy's until a handle is moved
  files: [], // { kind, file, view }
  scored: null, // { text, files, verdict }
  shared: null, // a result that came with the link
  tab: "curl",
};
const input = byId("text");
const marks = new Marks(byId("marks"));
const scoreList = new ScoreList(byId("scores"), changeThreshold);
const scoring = new Scoring({ busy: () => setBusy(true), scored: takeVerdict, failed: showProblem, idle: forgetVerdict });

// What is scored

function readPost() {
  return { text: input.value, files: state.files };
}

function scoreAgain() {
  if (state.shared) leaveShared();
  byId("clear").hidden = !input.value && state.files.length === 0;
  marks.follow(input.value);
  scoring.schedule(readPost());
  showCode();
}

function addFiles(files) {
  hideProblem();
  const strange = files.filter((file) => findKind(file) === null);
  if (strange.length) complain(`${strange.map((file) => file.name).join(", ")}: neither a picture nor a clip.`);
  const fitting = files.filter((file) => findKind(file) !== null);
  for (const file of fitting) addFile(findKind(file), file);
  if (fitting.length) scoreAgain();
}

function addFile(kind, file) {
  const View = kind === "image" ? PictureView : SoundView;
  const entry = { kind, file };
  entry.view = new View(file, () => removeFile(entry));
  state.files.push(entry);
  byId("media").append(entry.view.element);
}

function removeFile(entry) {
  state.files = state.files.filter((each) => each !== entry);
  entry.view.dispose();
  entry.view.element.remove();
  scoreAgain();
  input.focus();
}

function clear() {
  input.value = "";
  for (const entry of state.files.splice(0)) {
    entry.view.dispose();
    entry.view.element.remove();
  }
  hideProblem();
  scoreAgain();
  input.focus();
}

// What came of it

function takeVerdict(post, verdict) {
  setBusy(false);
  hideProblem("scoring");
  state.scored = { text: post.text, files: [...post.files], verdict };
  showEvidence();
  render();
  announce(`${byId("decision").textContent}. ${byId("summary").textContent}`);
  if (!isPolicyOf(verdict)) loadPolicy();
}

function forgetVerdict() {
  setBusy(false);
  hideProblem("scoring");
  state.scored = null;
  showEvidence();
  render();
}

function showEvidence() {
  const { verdict, text = "", files = [] } = state.scored ?? {};
  const decisions = new Map(verdict ? find(servedThresholds(verdict), verdict.scores).map((f) => [f.label, f.decision]) : []);
  const items = (verdict?.reasons ?? []).flatMap((reason) =>
    reason.evidence.map((item) => ({ ...item, label: reason.label, decision: decisions.get(reason.label) ?? "review" })));
  marks.show(text, toUnits(text, items.filter((item) => item.modality === "text")));
  marks.follow(input.value);
  for (const kind of ["image", "audio"]) {
    files.filter((entry) => entry.kind === kind).forEach((entry, index) =>
      entry.view.show(items.filter((item) => item.modality === kind && item.index === index)));
  }
  byId("why").hidden = items.length === 0 && !verdict?.reasons.length;
  byId("reasons").replaceChildren(...(verdict ? describeReasons(verdict, decisions, text, playPart) : []));
}

/** The policy's thresholds; of a reason those that its verdict says, should the policy have changed since. */
function servedThresholds(verdict) {
  const policy = state.policy?.labels ?? {};
  return isPolicyOf(verdict) ? policy : Object.fromEntries(verdict.reasons.map(({ label, threshold }) => [label, { review: threshold }]));
}

const isPolicyOf = ({ policy }) => state.policy?.version === policy.version && state.policy?.name === policy.name;

function playPart(part, seconds) {
  const clips = state.scored.files.filter((entry) => entry.kind === "audio");
  clips[Number(part.split(":")[1])]?.view.play(seconds);
}

function currentResult() {
  if (state.shared) return state.shared;
  const verdict = state.scored?.verdict;
  return verdict ? { scores: verdict.scores, gaps: findGaps(verdict.modalities) } : null;
}

function render() {
  const result = currentResult();
  const policy = state.shared?.policy ?? state.policy;
  scoreList.show(state.thresholds, (result ?? SCORED_NOTHING).scores);
  byId("share").hidden = !result;
  if (!result || !policy) showNothing();
  else renderResult(result, policy);
  showCode();
}

function renderResult({ scores, gaps }, policy) {
  const findings = find(state.thresholds, scores);
  const served = state.scored?.verdict.decision ?? decide(policy, find(originalThresholds(), scores), gaps);
  const decision = isChanged() ? decide(policy, findings, gaps) : served;
  showDecision(decision, findings, gaps);
  showWhatIf(isChanged(), served, decision);
  if (state.shared) showSharedFacts(state.shared);
  else showFacts(state.scored.verdict);
}

// Other thresholds

const originalThresholds = () => state.shared?.thresholds ?? state.policy?.labels ?? NO_THRESHOLDS;
const isChanged = () => state.thresholds !== originalThresholds();

function changeThreshold(label, kind, value) {
  state.thresholds = { ...state.thresholds, [label]: moveThreshold(state.thresholds[label] ?? {}, kind, value) };
  render();
}

function resetThresholds() {
  state.thresholds = originalThresholds();
  render();
}

function toggleAdjusting() {
  const isOn = byId("adjust").getAttribute("aria-pressed") !== "true";
  byId("adjust").setAttribute("aria-pressed", String(isOn));
  showLegend(isOn);
  scoreList.adjusting = isOn;
  if (!isOn) resetThresholds();
}

// Links and code

function shareResult() {
  const { scores, gaps } = currentResult();
  const language = state.shared ? state.shared.language : state.scored.verdict.language?.code ?? null;
  const policy = state.shared?.policy ?? state.policy;
  const fragment = writeFragment({ scores, gaps, language, policy, thresholds: state.thresholds });
  copyText(byId("share"), `${pageAddress()}#${fragment}`);
}

function openShared() {
  state.shared = location.hash.length > 1 ? readFragment(location.hash.slice(1)) : null;
  byId("shared").hidden = !state.shared;
  state.thresholds = originalThresholds();
  render();
}

function leaveShared() {
  history.replaceState(null, "", pageAddress());
  openShared();
  input.focus();
}

const pageAddress = () => `${location.origin}${location.pathname}`;

function writeAllCode() {
  const origin = pageAddress().replace(/\/$/, "");
  const needsKey = document.documentElement.dataset.keys === "true";
  return writeCode({ origin, post: readPost(), verdict: state.scored?.verdict ?? null, needsKey });
}

function showCode() {
  byId("code").textContent = writeAllCode()[state.tab];
}

// Signs

function setBusy(isBusy) {
  byId("verdict").setAttribute("aria-busy", String(isBusy));
}

/** Of scoring: it goes with the next verdict. */
function showProblem(message, willRetry = false) {
  setBusy(willRetry);
  complain(willRetry ? `${message} Trying again.` : message, "scoring");
}

/** Of what was entered: it stays until something else is. */
function complain(message, about = "entering") {
  const line = byId("problem");
  line.hidden = false;
  line.textContent = message;
  line.dataset.about = about;
}

function hideProblem(about = null) {
  const line = byId("problem");
  if (about === null || line.dataset.about === about) line.hidden = true;
}

function prepareRecorder() {
  const button = byId("record");
  const text = byId("record-text");
  const show = (isOn, words) => {
    button.dataset.recording = String(isOn);
    text.textContent = words;
  };
  const recorder = new Recorder({
    recording: (elapsed) => show(true, `Stop (${elapsed})`),
    stopped: () => show(false, "Record a clip"),
    recorded: (file) => addFiles([file]),
    failed: (message) => complain(message),
  });
  button.addEventListener("click", () => recorder.toggle());
  button.disabled = !Recorder.isPossible;
  if (button.disabled) button.title = "Browsers record only on https: and on localhost";
}

function prepareControls() {
  byId("sign-out").hidden = document.documentElement.dataset.keys !== "true";
  input.addEventListener("input", scoreAgain);
  byId("files").addEventListener("change", (event) => {
    addFiles([...event.target.files]);
    event.target.value = "";
  });
  byId("clear").addEventListener("click", clear);
  byId("leave-shared").addEventListener("click", leaveShared);
  byId("share").addEventListener("click", shareResult);
  byId("adjust").addEventListener("click", toggleAdjusting);
  byId("reset").addEventListener("click", resetThresholds);
  byId("copy").addEventListener("click", () => copyText(byId("copy"), byId("code").textContent));
  byId("copy-policy").addEventListener("click", () => copyText(byId("copy-policy"), writePolicy(state.policy, state.thresholds)));
  byId("samples").replaceChildren(...Object.entries(SAMPLES).map(([name, text]) =>
    make("button", { type: "button", class: "chip", onclick: () => { input.value = text; scoreAgain(); } }, name)));
  makeTabs(byId("tabs"), byId("panel"), ["curl", "Python", "Post", "Verdict"], (name) => { state.tab = name; showCode(); });
  watchForFiles(byId("drop"), addFiles);
  addEventListener("hashchange", openShared);
}

/** At the start, and when a verdict comes from another one. */
async function loadPolicy() {
  const wasChanged = isChanged();
  try {
    state.policy = await requestPolicy();
  } catch (error) {
    showProblem(error.message);
  }
  if (!wasChanged) state.thresholds = originalThresholds();
  showEvidence();
  render();
}

prepareControls();
prepareRecorder();
openShared();
loadPolicy();
if (input.value) scoreAgain(); // what the browser kept over a reload
