"""Policies as one HTML file: for whom each is, from which score on it decides, and its rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sluice.report.elements import make_row, make_section, make_table, write_document
from sluice.report.html import Element, make
from sluice.verdict.policy import Limits, Policy, Rule, Selectors, Thresholds

NOTHING = "–"


def write_policies(policies: Sequence[Policy]) -> str:
    """The page as HTML; each policy with what it inherits."""
    said = f"{len(policies)} policies, each with what it inherits." if len(policies) != 1 else "With what it inherits."
    return write_document("Policies", make("p", said, class_="muted"), *map(_show, policies))


def _show(policy: Policy) -> Element:
    return make(
        "section",
        make("h2", f"{policy.name}, version {policy.version}"),
        make("p", describe_audience(policy), class_="muted"),
        make_section("Thresholds", _thresholds(policy), "From these scores on a post is reviewed, or blocked."),
        make_section("Rules", _rules(policy.rules), "All that are true count; a decision is never made milder."),
        make_section("Otherwise", _rest(policy), "The least decision for a post of this kind."),
    )


def describe_audience(policy: Policy) -> str:
    """For which posts it is, in a sentence."""
    whose = f"Posts of the tenant {policy.tenant}" if policy.tenant else "Everybody's posts"
    if policy.applies == "never":
        return "For no post by itself: others extend it."
    narrowed = list(_narrowings(policy.applies)) if isinstance(policy.applies, Selectors) else []
    return whose + (" where " + ", and ".join(narrowed) if narrowed else " that no other policy is for") + "."


def _narrowings(selectors: Selectors) -> Iterator[str]:
    for name in ("surface", "market", "author_standing", "language"):
        if wanted := getattr(selectors, name):
            yield f"{name} is {' or '.join(each or 'empty' for each in wanted)}"
    if selectors.authors:
        yield f"the author is among {selectors.authors} of all"


def _thresholds(policy: Policy) -> Element | None:
    rows = [_threshold_row(label, policy.labels[label]) for label in policy.labels]
    return make_table(["label", "review", "block", "pictures: review", "pictures: block"], rows) if rows else None


def _threshold_row(label: str, thresholds: Thresholds) -> Element:
    image = thresholds.image or Limits()
    name = f"{label} ({thresholds.alias})" if thresholds.alias else label
    return make_row(name, *map(_score, (thresholds.review, thresholds.block, image.review, image.block)))


def _score(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3g}"


def _rules(rules: Sequence[Rule]) -> Element | None:
    rows = [make_row(rule.name, make("code", rule.when), "; ".join(_asked(rule)) or NOTHING) for rule in rules]
    return make_table(["rule", "when", "asks for"], rows) if rows else None


def _asked(rule: Rule) -> Iterator[str]:
    for name in ("decision", "urgency", "queue", "webhook", "rate_limit"):
        if value := getattr(rule, name):
            yield f"{name.replace('_', ' ')}: {value}"
    if rule.tags:
        yield f"tags: {', '.join(rule.tags)}"


def _rest(policy: Policy) -> Element:
    rows = [
        make_row("a part was not scored", policy.unscored_part),
        make_row("its language is not read", policy.unread_language),
        make_row("a rule could not be evaluated", policy.failed_rule),
    ]
    return make_table(["where", "at least"], rows)
