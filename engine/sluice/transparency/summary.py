"""How much was restricted, how much of it by machines, and how often they were wrong (Article 15(1)(e) DSA)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from sluice.people.overrules import Rate, count_overrules
from sluice.people.topic import Judged
from sluice.transparency.statements import Statement


class CalibratedPolicy(msgspec.Struct, frozen=True):
    """Which policy was calibrated."""

    name: str
    version: int


class CalibratedLabel(msgspec.Struct, frozen=True):
    """How a label does on posts that people labelled.

    Attributes
    ----------
    n_positives : int
        Posts that are it.
    review_recall, block_recall : float or None
        Share of these that its thresholds reach; None where that is not known.
    review_share, block_share : float
        Share of the benign posts that do: wrongly.
    """

    label: str
    n_positives: int
    review_recall: float | None
    block_recall: float | None
    review_share: float
    block_share: float


class Calibration(msgspec.Struct, frozen=True):
    """What was measured when the thresholds were computed: the rates of error that `sluice calibrate --json` prints.

    Attributes
    ----------
    n_posts, n_benign : int
        Posts that people labelled, and those of them that are nothing.
    review_share, block_share : float
        Of the benign ones, those that any label flags.
    """

    policy: CalibratedPolicy
    n_posts: int
    n_benign: int
    review_share: float
    block_share: float
    labels: tuple[CalibratedLabel, ...]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Of a time.

    Attributes
    ----------
    posts : int
        With a verdict.
    decisions : dict of str to int
        Verdicts, by what they decided.
    statements, fully_automated, partially_automated : int
        Posts that were restricted: without, and with a person.
    by_category, by_language : dict of str to int
        Of the statements; ``und`` where the language is not known.
    error_rates : tuple of Rate
        By the verdict, of posts that were drawn at random for people to look at, with 95 % intervals: how often people
        decided the opposite. Empty where nobody drew any: then nothing is known.
    appeals : tuple of Rate
        The same of posts that people appealed.
    wrongly_flagged : tuple of Rate
        By label, of all that people looked at.
    calibration : Calibration or None
        None where none was given.
    """

    posts: int
    decisions: dict[str, int]
    statements: int
    fully_automated: int
    partially_automated: int
    by_category: dict[str, int]
    by_language: dict[str, int]
    error_rates: tuple[Rate, ...]
    appeals: tuple[Rate, ...]
    wrongly_flagged: tuple[Rate, ...]
    calibration: Calibration | None = None


class Counting:
    """Counts while verdicts go by."""

    def __init__(self) -> None:
        self._decisions: Counter[str] = Counter()
        self._automation: Counter[str] = Counter()
        self._categories: Counter[str] = Counter()
        self._languages: Counter[str] = Counter()

    def note(self, decision: str, statement: Statement | None) -> None:
        """Count a verdict, and its statement."""
        self._decisions[decision] += 1
        if statement is not None:
            self._automation[statement.automated_decision] += 1
            self._categories[statement.category] += 1
            self._languages[statement.content_language or "und"] += 1

    def sum_up(self, judged: Iterable[Judged], calibration: Calibration | None = None) -> Summary:
        """What it comes to, beside what people decided."""
        overrules = count_overrules(judged)
        return Summary(
            posts=self._decisions.total(),
            decisions=dict(self._decisions),
            statements=self._automation.total(),
            fully_automated=self._automation["AUTOMATED_DECISION_FULLY"],
            partially_automated=self._automation["AUTOMATED_DECISION_PARTIALLY"],
            by_category=dict(self._categories.most_common()),
            by_language=dict(self._languages.most_common()),
            error_rates=overrules.sampled,
            appeals=overrules.appeals,
            wrongly_flagged=overrules.wrongly_flagged,
            calibration=calibration,
        )
