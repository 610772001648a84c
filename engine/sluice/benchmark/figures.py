"""The usual figures of a set, with 95 % bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sluice.benchmark.formats import ANY, CHINESE_HARMS, HARMLESS, OPENAI_CATEGORIES
from sluice.benchmark.rows import Row
from sluice.intervals import Bools, Figure, Floats, draw_counts, find_interval, resample_auprc, resample_auroc
from sluice.schema import Verdict

HATE = ("hate",)
OFFENCE = ("toxicity", "hate", "harassment", "threat", "violence", "profanity")
CHAT_HARM = (*OFFENCE, "self_harm", "sexual", "weapons", "illicit")
OPENAI_LABELS = {
    "sexual": ("sexual",),
    "hate": ("hate",),
    "violence": ("violence",),
    "harassment": ("harassment",),
    "self-harm": ("self_harm",),
    "sexual/minors": ("sexual",),
    "hate/threatening": ("hate",),
    "violence/graphic": ("violence",),
    ANY: ("sexual", "hate", "violence", "harassment", "self_harm", "threat"),
}
"""Ours for each of OpenAI's categories; we have no narrower ones for the last three."""
CHINESE_LABELS = {
    "gambling": "博彩",
    "sexual": "低俗色情",
    **dict.fromkeys(OFFENCE, "谩骂引战"),
    "fraud": "欺诈",
    "spam": "黑产广告",
    "illicit": "黑产广告",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One figure of a set: of what, over how many texts."""

    measure: str
    subject: str
    n_texts: int
    figure: Figure


Judged = tuple[Sequence[Row], Sequence[Verdict]]
"""Texts and their verdicts, in the same order."""
Measures = Callable[[Sequence[Row], Sequence[Verdict]], list[Measured]]


def measure_functions(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> list[Measured]:
    """Accuracy by function and overall, AUROC of `hate`: HateCheck's figures."""
    truth, flagged = _truth(rows, ANY), _flagged(verdicts)
    return [
        *_accuracies(rows, truth == flagged),
        *_curves(truth, _scores(verdicts, HATE), ANY, ("AUROC",)),
        _f1(truth, flagged),
    ]


def measure_languages(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> list[Measured]:
    """AUROC of `hate` and macro-F1 in each language, then `measure_functions`: Multilingual HateCheck's figures."""
    found: list[Measured] = []
    for language in dict.fromkeys(row.language for row in rows):
        places = [place for place, row in enumerate(rows) if row.language == language]
        here = [verdicts[place] for place in places]
        truth = _truth([rows[place] for place in places], ANY)
        macro = _macro_f1(truth.astype(int), _flagged(here).astype(int), range(2))
        found += _curves(truth, _scores(here, HATE), language, ("AUROC",))
        found.append(Measured("macro-F1", language, macro.n_texts, macro.figure))
    return [*found, *measure_functions(rows, verdicts)]


def measure_categories(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> list[Measured]:
    """AUPRC by category, each over the texts annotated for it, and F1 of our decisions: OpenAI's figures."""
    found: list[Measured] = []
    for category in (*OPENAI_CATEGORIES.values(), ANY):
        known = [place for place, row in enumerate(rows) if category in row.truth]
        truth = _truth([rows[place] for place in known], category)
        scores = _scores([verdicts[place] for place in known], OPENAI_LABELS[category])
        found += _curves(truth, scores, category, ("AUPRC",))
    return [*found, _f1(_truth(rows, ANY), _flagged(verdicts, OPENAI_LABELS[ANY]))]


def measure_chat(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> list[Measured]:
    """Precision, recall and F1 of our decisions, AUPRC and AUROC: ToxicChat's figures."""
    truth, flagged = _truth(rows, ANY), _flagged(verdicts, CHAT_HARM)
    return [
        _share("precision", ANY, truth[flagged]),
        _share("recall", ANY, flagged[truth]),
        _f1(truth, flagged),
        *_curves(truth, _scores(verdicts, CHAT_HARM), ANY, ("AUPRC", "AUROC")),
    ]


def measure_refusals(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> list[Measured]:
    """Share of safe prompts that are flagged all the same, of unsafe ones that are, and accuracy by type: XSTest's."""
    truth, flagged = _truth(rows, ANY), _flagged(verdicts)
    return [
        _share("flagged", "safe", flagged[~truth]),
        _share("flagged", "unsafe", flagged[truth]),
        *_accuracies(rows, truth == flagged),
    ]


def measure_offence(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> list[Measured]:
    """Accuracy by fine label and overall, macro-F1, AUROC: COLD's figures."""
    truth, flagged = _truth(rows, ANY), _flagged(verdicts, OFFENCE)
    return [
        *_accuracies(rows, truth == flagged),
        _macro_f1(truth.astype(int), flagged.astype(int), range(2)),
        *_curves(truth, _scores(verdicts, OFFENCE), ANY, ("AUROC",)),
    ]


def measure_classes(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> list[Measured]:
    """F1 of every class and their mean: ChineseHarm-Bench's figures, one class per text."""
    truth = np.array([CHINESE_HARMS.index(row.group) for row in rows])
    chosen = np.array([CHINESE_HARMS.index(choose_class(verdict)) for verdict in verdicts])
    classes = range(len(CHINESE_HARMS))
    each = [_macro_f1(truth, chosen, [number], CHINESE_HARMS[number]) for number in classes]
    return [*each, _macro_f1(truth, chosen, classes)]


def choose_class(verdict: Verdict) -> str:
    """The class of the first reason that has one; the strictest come first, then those with the highest score."""
    classes = (CHINESE_LABELS.get(reason.label) for reason in verdict.reasons)
    return next((name for name in classes if name), HARMLESS)


def _truth(rows: Sequence[Row], category: str) -> Bools:
    return np.array([row.truth[category] for row in rows], np.bool_)


def _flagged(verdicts: Sequence[Verdict], labels: Sequence[str] | None = None) -> Bools:
    """Whether a label of these reached its threshold; that a language is not read flags nothing."""
    found = (any(labels is None or reason.label in labels for reason in verdict.reasons) for verdict in verdicts)
    return np.fromiter(found, np.bool_, len(verdicts))


def _scores(verdicts: Sequence[Verdict], labels: Sequence[str]) -> Floats:
    return np.array([max(verdict.scores[label] for label in labels) for verdict in verdicts], np.float32)


def _curves(truth: Bools, scores: Floats, subject: str, names: Sequence[str]) -> list[Measured]:
    measures = {"AUPRC": resample_auprc, "AUROC": resample_auroc}
    counts = draw_counts(len(truth)) if len(truth) else np.zeros((1, 0), np.float32)
    defined = len(truth) > 0 and bool(truth.any()) and not truth.all()
    return [
        Measured(name, subject, len(truth), find_interval(measures[name](scores, truth, counts)))
        for name in names
        if defined
    ]


def _accuracies(rows: Sequence[Row], right: Bools) -> list[Measured]:
    groups: Mapping[str, None] = dict.fromkeys(row.group for row in rows if row.group)
    by_group = [_share("accuracy", group, right[[row.group == group for row in rows]]) for group in groups]
    return [*by_group, _share("accuracy", "all", right)]


def _share(measure: str, subject: str, hits: Bools) -> Measured:
    counts = draw_counts(len(hits)) if len(hits) else np.full((1, 0), np.nan, np.float32)
    with np.errstate(invalid="ignore"):
        values = (counts @ hits.astype(np.float32)) / np.float32(len(hits))
    return Measured(measure, subject, len(hits), find_interval(values))


def _f1(truth: Bools, flagged: Bools) -> Measured:
    found = _macro_f1(truth.astype(int), flagged.astype(int), [1])
    return Measured("F1", ANY, found.n_texts, found.figure)


def _macro_f1(truth: Floats, chosen: Floats, classes: Sequence[int], subject: str = "") -> Measured:
    """Mean over classes of 2 TP / (2 TP + FP + FN); 0 for a class that is neither there nor chosen."""
    counts = draw_counts(len(truth))
    values = np.zeros(len(counts), np.float32)
    for number in classes:
        hits = counts @ ((truth == number) & (chosen == number)).astype(np.float32)
        total = counts @ ((truth == number).astype(np.float32) + (chosen == number).astype(np.float32))
        values += np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0)
    return Measured("F1" if subject else "macro-F1", subject or "all", len(truth), find_interval(values / len(classes)))
