"""What a backtest found, as plain structures for JSON, tables and the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from sluice.backtest.changes import Changes, Example, Turns
from sluice.backtest.guards import Guard, wilson_interval
from sluice.schema import DECISIONS


class TurnFigure(msgspec.Struct, frozen=True):
    """Posts of one decision that would have another one.

    Attributes
    ----------
    share, low, high : float
        Of all posts, and its 95 % interval, in [0, 1].
    """

    was: str
    would_be: str
    posts: int
    share: float
    low: float
    high: float


class GroupFigure(msgspec.Struct, frozen=True):
    """Posts of one label, language or tenant.

    Attributes
    ----------
    posts, changed : int
        How many there are, and how many of them turn.
    share, low, high : float
        Changed of these posts, and its 95 % interval, in [0, 1].
    turns : dict of str to int
        As ``review>allow`` to posts, where something changes.
    """

    name: str
    posts: int
    changed: int
    share: float
    low: float
    high: float
    turns: dict[str, int]


class ExampleFigure(msgspec.Struct, frozen=True):
    """A post that would be decided otherwise: by its id, without what it says."""

    post_id: str
    was: str
    would_be: str
    labels: tuple[str, ...]
    rules: tuple[str, ...]


class GuardFigure(msgspec.Struct, frozen=True):
    """A limit, and what was measured, in percent; None where there was none before."""

    guard: str
    measured: float | None
    broken: bool


class BacktestFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A whole backtest.

    Attributes
    ----------
    policies : tuple of str
        Name, version and the start of the hash of those that were tried.
    cleared : int
        Posts whose scores are those that a first stage expects: too few of them reach lower thresholds.
    """

    policies: tuple[str, ...]
    posts: int
    changed: int
    repeated: int
    without_basis: int
    cleared: int
    failed_rules: int
    decisions: dict[str, tuple[int, int]]
    turns: tuple[TurnFigure, ...]
    by_label: tuple[GroupFigure, ...]
    by_language: tuple[GroupFigure, ...]
    by_tenant: tuple[GroupFigure, ...]
    by_rule: dict[str, int]
    examples: tuple[ExampleFigure, ...]
    guards: tuple[GuardFigure, ...]

    @property
    def is_broken(self) -> bool:
        """Whether a guard is."""
        return any(guard.broken for guard in self.guards)


def make_figures(changes: Changes, policies: tuple[str, ...], guards: tuple[Guard, ...] = ()) -> BacktestFigures:
    """Count up; `policies` are the names of those that were tried."""
    return BacktestFigures(
        policies=policies,
        posts=changes.n_posts,
        changed=changes.n_changed,
        repeated=changes.n_repeated,
        without_basis=changes.n_without_basis,
        cleared=changes.n_cleared,
        failed_rules=changes.n_failed_rules,
        decisions={decision: changes.count(decision) for decision in DECISIONS},
        turns=tuple(_turns(changes)),
        by_label=tuple(_groups(changes.by_label)),
        by_language=tuple(_groups(changes.by_language)),
        by_tenant=tuple(_groups(changes.by_tenant)),
        by_rule=dict(sorted(changes.by_rule.items(), key=lambda entry: (-entry[1], entry[0]))),
        examples=tuple(map(_example, changes.examples())),
        guards=tuple(_guard(each, changes) for each in guards),
    )


def _turns(changes: Changes) -> Iterator[TurnFigure]:
    for (was, would_be), n_posts in sorted(changes.turns.items(), key=lambda entry: (-entry[1], entry[0])):
        low, high = wilson_interval(n_posts, changes.n_posts)
        yield TurnFigure(was, would_be, n_posts, n_posts / changes.n_posts, low, high)


def _groups(counted: Mapping[str, Turns]) -> Iterator[GroupFigure]:
    for name, turns in sorted(counted.items(), key=lambda entry: (-entry[1].total(), entry[0])):
        ranked = sorted(turns.items(), key=lambda entry: (-entry[1], entry[0]))
        moved = {f"{was}>{would_be}": n for (was, would_be), n in ranked if was != would_be}
        n_posts, n_changed = turns.total(), sum(moved.values())
        low, high = wilson_interval(n_changed, n_posts)
        yield GroupFigure(name, n_posts, n_changed, n_changed / n_posts, low, high, moved)


def _example(example: Example) -> ExampleFigure:
    verdict, said = example.verdict, example.said
    return ExampleFigure(
        post_id=verdict.post_id,
        was=verdict.decision,
        would_be=said.decision,
        labels=said.labels or tuple(reason.label for reason in verdict.reasons),
        rules=said.rules,
    )


def _guard(guard: Guard, changes: Changes) -> GuardFigure:
    measured = guard.measure(changes)
    return GuardFigure(guard.spelling, None if measured == float("inf") else measured, guard.is_broken(changes))
