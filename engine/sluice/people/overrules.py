"""How often people decide otherwise than the verdicts did, with intervals."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from sluice.backtest.guards import wilson_interval
from sluice.people.topic import Judged
from sluice.schema import DECISIONS

NONE = "none"
"""Instead of a language or a tenant."""


class Rate(msgspec.Struct, frozen=True):
    """Posts of one kind that people judged.

    Attributes
    ----------
    allowed, blocked : int
        What people decided.
    overruled : int
        Posts that the verdict allowed and people blocked, or the other way round. A review leaves it to people: nothing
        is overruled there.
    share, low, high : float
        Overruled of these posts, and its 95 % interval (Wilson, 1927), in [0, 1].
    """

    name: str
    posts: int
    allowed: int
    blocked: int
    overruled: int
    share: float
    low: float
    high: float


class OverruleFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What people's decisions say of the verdicts.

    Attributes
    ----------
    sampled : tuple of Rate
        Only of posts that were picked at random: what holds for all posts. The others were looked at for a reason.
    wrongly_flagged : tuple of Rate
        By label: the posts that it flagged. Overruled are those that people say are not it.
    """

    posts: int
    by_decision: tuple[Rate, ...]
    sampled: tuple[Rate, ...]
    appeals: tuple[Rate, ...]
    by_language: tuple[Rate, ...]
    by_tenant: tuple[Rate, ...]
    by_policy: tuple[Rate, ...]
    wrongly_flagged: tuple[Rate, ...]

    @property
    def surely_overruled(self) -> float:
        """Of the posts that a verdict blocked, or allowed, the larger lower end of their intervals."""
        return max((rate.low for rate in self.by_decision if rate.name != "review"), default=0.0)


def write_metrics(figures: OverruleFigures) -> str:
    """For Prometheus' node exporter, which reads such files (its textfile collector)."""
    rates = [rate for rate in figures.by_decision if rate.name != "review"]
    return "\n".join([
        "# HELP sluice_judged_posts Posts that people decided on, by the verdict.",
        "# TYPE sluice_judged_posts gauge",
        *(f'sluice_judged_posts{{verdict="{rate.name}"}} {rate.posts}' for rate in rates),
        "# HELP sluice_overruled_ratio Of these, the share that people decided the other way.",
        "# TYPE sluice_overruled_ratio gauge",
        *(f'sluice_overruled_ratio{{verdict="{rate.name}"}} {rate.share:.6f}' for rate in rates),
        "# HELP sluice_overruled_low_ratio The lower end of its 95 % interval.",
        "# TYPE sluice_overruled_low_ratio gauge",
        *(f'sluice_overruled_low_ratio{{verdict="{rate.name}"}} {rate.low:.6f}' for rate in rates),
        "",
    ])  # fmt: skip


def count_overrules(judged: Iterable[Judged]) -> OverruleFigures:
    """Count up."""
    posts = list(judged)
    return OverruleFigures(
        posts=len(posts),
        by_decision=_rates({name: [each for each in posts if each.verdict.decision == name] for name in DECISIONS}),
        sampled=_rates(_by_decision(each for each in posts if each.decision.occasion == "sample")),
        appeals=_rates(_by_decision(each for each in posts if each.decision.occasion == "appeal")),
        by_language=_rates(_grouped((_language(each), each) for each in posts)),
        by_tenant=_rates(_grouped((each.verdict.tenant or NONE, each) for each in posts)),
        by_policy=_rates(_grouped((_policy(each), each) for each in posts)),
        wrongly_flagged=tuple(_flag_rates(posts)),
    )


def is_overruled(one: Judged) -> bool:
    """Whether a person decided the opposite."""
    return {one.verdict.decision, one.decision.decision} == {"allow", "block"}


def _by_decision(posts: Iterable[Judged]) -> Mapping[str, list[Judged]]:
    return _grouped((each.verdict.decision, each) for each in posts)


def _grouped(named: Iterable[tuple[str, Judged]]) -> Mapping[str, list[Judged]]:
    groups: defaultdict[str, list[Judged]] = defaultdict(list)
    for name, each in named:
        groups[name].append(each)
    return groups


def _rates(groups: Mapping[str, list[Judged]]) -> tuple[Rate, ...]:
    ranked = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return tuple(_rate(name, posts, sum(map(is_overruled, posts))) for name, posts in ranked if posts)


def _rate(name: str, posts: list[Judged], n_overruled: int) -> Rate:
    said = Counter(each.decision.decision for each in posts)
    low, high = wilson_interval(n_overruled, len(posts))
    return Rate(name, len(posts), said["allow"], said["block"], n_overruled, n_overruled / len(posts), low, high)


def _flag_rates(posts: list[Judged]) -> Iterator[Rate]:
    flagged = _grouped((reason.label, each) for each in posts for reason in each.verdict.reasons)
    for name, group in sorted(flagged.items(), key=lambda item: (-len(item[1]), item[0])):
        known = [(each, wrong) for each in group if (wrong := _is_wrong(each, name)) is not None]
        if known:
            yield _rate(name, [each for each, _ in known], sum(wrong for _, wrong in known))


def _is_wrong(one: Judged, label: str) -> bool | None:
    """Whether people say that a label does not hold; None where they did not say."""
    if label in one.decision.labels:
        return not one.decision.labels[label]
    return True if one.decision.decision == "allow" else None


def _language(one: Judged) -> str:
    return one.verdict.language.code if one.verdict.language else NONE


def _policy(one: Judged) -> str:
    return f"{one.verdict.policy.name} {one.verdict.policy.version}"
