"""Clears texts that are plainly benign by a small model, before the large ones read them."""

from __future__ import annotations

import logging

import numpy as np

from sluice.contract import FIRST_STAGE, LABELS
from sluice.errors import InferenceError, InferenceLate, InferenceUnavailable
from sluice.features import Features, Row
from sluice.inference import Arrays, Classifier, Clearance
from sluice.logits import sigmoid
from sluice.metrics import Metrics
from sluice.modalities.base import inputs_of
from sluice.modalities.scored import FirstLook

logger = logging.getLogger(__name__)

NEVER = 2.0
"""A threshold that no probability reaches."""
N_DIGITS = 4
"""Of scores, behind the point."""


class FirstStage:
    """Asks the first stage about texts that it was measured on.

    Parameters
    ----------
    classifier : Classifier
    metrics : Metrics
    """

    def __init__(self, classifier: Classifier, metrics: Metrics) -> None:
        self._classifier = classifier
        self._outcomes = {is_clear: metrics.first_stage.labels(_name(is_clear)) for is_clear in (True, False)}

    async def look(self, features: Features[Row], clearance: Clearance, deadline: float) -> FirstLook | None:
        """What it says of a text; None if it is not asked, or refuses it: then all models read the text.

        Parameters
        ----------
        clearance : Clearance
            What it said when the post's policies were asked. Where it says something else by now, it is another one.

        Raises
        ------
        InferenceLate
            The deadline came first.
        InferenceUnavailable
            It is away. To go on without it would give the same post another verdict than before.
        """
        if not may_be_asked(features, clearance):
            return None
        try:
            rows = [inputs_of(FIRST_STAGE, features.rows[0])]
            (outputs,) = await self._classifier.infer(FIRST_STAGE, rows, deadline)
        except (InferenceLate, InferenceUnavailable):
            raise
        except InferenceError as error:
            logger.error("the first stage refused a text: %s", type(error).__name__)
            return None
        if self._classifier.clearance != clearance:
            return None
        look = FirstLook(outputs["logits"], is_plainly_benign(outputs, _language_of(features), clearance))
        self._outcomes[look.is_clear].inc()
        return look


def may_be_asked(features: Features[Row], clearance: Clearance) -> bool:
    """Whether a text is read as a whole in its first row, in a language that the first stage was measured on."""
    is_one_window = features.partial is None and len(features.rows) - len(features.wider) == 1
    return is_one_window and _language_of(features) in clearance.languages


def _language_of(features: Features[Row]) -> str | None:
    """The language of a text; None where part of it is in one that is not read."""
    languages = features.languages
    return None if languages is None or languages.unread else languages.main.code


def is_plainly_benign(outputs: Arrays, language: str | None, clearance: Clearance) -> bool:
    """Whether the first stage clears a text: its suspicion is low for its language, and it expects to find no label.

    Whatever is not a number clears nothing. Scores count as verdicts have them, rounded: what is shown as a threshold
    would have reached it.
    """
    expected = np.round(sigmoid(outputs["logits"].astype(np.float64)), N_DIGITS)
    limits = np.array([clearance.thresholds.get(label, NEVER) for label in LABELS])
    least = clearance.languages.get(language or "", -np.inf)
    return bool(outputs["suspicion"][0] < least) and bool((expected < limits).all())


def _name(is_clear: bool) -> str:
    return "cleared" if is_clear else "passed"
