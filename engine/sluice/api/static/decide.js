// The policy's rule, as `sluice.verdict.policy` has it: scores and thresholds in, findings and a decision out.

export const DECISIONS = ["allow", "review", "block"];

const strictness = (decision) => DECISIONS.indexOf(decision);
const isNumber = (value) => value !== null && value !== undefined;
const LANGUAGE_NOTE = /^(its text: )?[^:]+ (is|are) not read$/;

/** Labels over a threshold, the strictest decision first, then the highest score. */
export function find(thresholds, scores) {
  const found = [];
  for (const [label, score] of Object.entries(scores)) {
    const { review, block } = thresholds[label] ?? {};
    if (isNumber(block) && score >= block) found.push({ label, score, threshold: block, decision: "block" });
    else if (isNumber(review) && score >= review) found.push({ label, score, threshold: review, decision: "review" });
  }
  return found.sort((a, b) =>
    strictness(b.decision) - strictness(a.decision) || b.score - a.score || (a.label < b.label ? -1 : 1));
}

/** What the parts of a post ask for beside the scores: one that was not scored whole, or not in its language. */
export function findGaps(modalities) {
  const gaps = { unscored: false, unread: false };
  for (const status of Object.values(modalities)) {
    if (status.startsWith("failed")) gaps.unscored = true;
    if (!status.startsWith("partial: ")) continue;
    for (const note of status.slice("partial: ".length).split("; ")) {
      if (LANGUAGE_NOTE.test(note)) gaps.unread = true;
      else gaps.unscored = true;
    }
  }
  return gaps;
}

/** The strictest decision that the findings, a part that was not scored, or an unread language ask for. */
export function decide(policy, findings, gaps) {
  const asked = findings.map((finding) => finding.decision);
  if (gaps.unscored) asked.push(policy.unscored_part);
  if (gaps.unread) asked.push(policy.unread_language);
  return strictest(asked);
}

/** The strictest of some decisions; `allow` of none. */
export function strictest(decisions) {
  return decisions.reduce((most, each) => (strictness(each) > strictness(most) ? each : most), "allow");
}
