// A result as the fragment of a link: scores and thresholds, never the content. Fragments are not sent to servers.

import { DECISIONS } from "./decide.js";

const isShare = (value) => typeof value === "number" && value >= 0 && value <= 1;
const isName = (value) => typeof value === "string" && /^[\p{L}\p{N} ._-]{1,64}$/u.test(value);
const round = (value) => Math.round(value * 1e6) / 1e6;
const DIGITS = { "+": "-", "/": "_", "=": "" };

/** A result → the fragment, without its `#`. */
export function writeFragment({ scores, thresholds, gaps, language, policy }) {
  const packed = {
    scores: mapValues(scores, round),
    thresholds: mapValues(thresholds, ({ review, block }) => [review ?? null, block ?? null]),
    gaps: [gaps.unscored, gaps.unread],
    asks: [policy.unscored_part, policy.unread_language],
    policy: [policy.name.replace(/[^\p{L}\p{N} ._-]/gu, "_").slice(0, 64), policy.version],
    language,
  };
  const bytes = new TextEncoder().encode(JSON.stringify(packed));
  return btoa(String.fromCharCode(...bytes)).replace(/[+/=]/g, (digit) => DIGITS[digit]);
}

/** A fragment → the result, or null if it is none: a link may come from anybody. */
export function readFragment(fragment) {
  try {
    return unpack(JSON.parse(decode(fragment)));
  } catch {
    return null;
  }
}

function decode(fragment) {
  const binary = atob(fragment.replaceAll("-", "+").replaceAll("_", "/"));
  return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(binary, (digit) => digit.charCodeAt(0)));
}

function unpack({ scores, thresholds, gaps, asks, policy, language }) {
  const [name, version] = policy;
  const read = {
    scores: mapValues(scores, (score) => require(isShare, score)),
    thresholds: mapValues(thresholds, ([review, block]) => ({ review: unpackThreshold(review), block: unpackThreshold(block) })),
    gaps: { unscored: Boolean(gaps[0]), unread: Boolean(gaps[1]) },
    language: language === null ? null : require(isName, language),
    policy: {
      name: require(isName, name),
      version: require(Number.isInteger, version),
      unscored_part: require((each) => DECISIONS.includes(each), asks[0]),
      unread_language: require((each) => DECISIONS.includes(each), asks[1]),
    },
  };
  require((labels) => labels.length > 0, Object.keys(read.scores));
  require((labels) => labels.every(isName), Object.keys({ ...read.scores, ...read.thresholds }));
  return read;
}

const unpackThreshold = (value) => (value === null ? null : require(isShare, value));

function require(test, value) {
  if (!test(value)) throw new TypeError("no result");
  return value;
}

function mapValues(object, change) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));
}
