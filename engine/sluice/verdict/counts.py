"""Verdicts, findings and languages in the metrics."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from sluice.features import UND
from sluice.inference import Classifier
from sluice.metrics import Metrics
from sluice.schema import Decision, DetectedLanguage
from sluice.verdict.known import NOTHING_KNOWN, Known
from sluice.verdict.policy import Finding, Policy

OTHER = "other"
"""What the metrics call every language that is not read."""


class VerdictCounts:
    """Counts what was decided.

    Parameters
    ----------
    classifier : Classifier
        Says which languages are read.
    """

    def __init__(self, metrics: Metrics, classifier: Classifier) -> None:
        self._classifier = classifier
        self._lists, self._banks = cache(metrics.list_matches.labels), cache(metrics.bank_matches.labels)
        self._posts, self._findings, self._texts = (  # to look a series up takes longer than to count
            cache(counter.labels) for counter in (metrics.posts, metrics.findings, metrics.texts)
        )

    def add(
        self,
        decision: Decision,
        policy: Policy,
        findings: Sequence[Finding],
        language: DetectedLanguage | None,
        known: Known = NOTHING_KNOWN,
    ) -> None:
        """One post; languages that are not read are one, or there would be a series for each there is."""
        self._posts(decision, policy.name, policy.version).inc()
        for finding in findings:
            self._findings(finding.label, finding.decision).inc()
        for name, action in {(match.list, match.action) for match in known.lists}:
            self._lists(name, action).inc()
        for found in known.hashes:
            self._banks(found.bank).inc()
        if language is not None:
            is_named = language.code == UND or language.code in (self._classifier.languages or ())
            self._texts(language.code if is_named else OTHER, decision).inc()
