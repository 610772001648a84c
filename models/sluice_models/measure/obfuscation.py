"""Spells texts as people do who hide from filters, seeded; and what that costs.

These tricks only measure: `sluice_models.recipes.text.noise`, which adds noise to training texts, shares no code with
them. Some are of kinds that training draws too, in another way; the others it never draws.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sluice.intervals import Bools, Figure, Floats, draw_counts, find_interval, resample_auprc
from sluice.schema import LABELS
from sluice_models.data.bundle import Example
from sluice_models.measure.context import EvaluationContext
from sluice_models.measure.report import DASH, Columns, Evaluation, Report, Table, percent
from sluice_models.measure.score_texts import TextScorer

WORD_SHARE = 0.5
"""Of the words of a text that are changed; the others are left as they are."""
MIN_POSITIVES = 20
ALL_TRICKS, NEVER_TRAINED = "all tricks", "tricks of kinds never trained on"
_LEET = str.maketrans({"a": "4", "e": "3", "i": "1", "o": "0", "s": "5", "t": "7"})
_CYRILLIC = str.maketrans("aceiopsxy", "асеіорѕху")
_GREEK = str.maketrans("aeiknopuvx", "αεικηορυνχ")
_ACCENTS = str.maketrans("aceinouy", "äçéïñøůÿ")
_ARMENIAN_AND_CHEROKEE = str.maketrans("abghjlnoquw", "ɑႦցհյլոօզսա")
_MARKS = "\u0336\u0323\u0307"  # struck through, a dot below and one above
_UNSEEN = "\u200b"
_FULL_WIDTH = 0xFEE0
"""From an ASCII letter to its full-width form."""
_VOWELS = "aeiou"
Spell = Callable[[str, random.Random], str]


def _is_han(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def _widen(word: str) -> str:
    return "".join(chr(ord(c) + _FULL_WIDTH) if c.isascii() and c.isalpha() else c for c in word)


def _repeat_letter(word: str, rng: random.Random) -> str:
    position = rng.randrange(len(word))
    return word[:position] + word[position] * 4 + word[position + 1 :]


def _swap_inner(word: str, rng: random.Random) -> str:
    if len(word) < 4:
        return word[0] + word[:0:-1]
    position = rng.randrange(1, len(word) - 2)
    return word[:position] + word[position + 1] + word[position] + word[position + 2 :]


def _star_one(word: str, rng: random.Random) -> str:
    position = rng.randrange(1, max(2, len(word) - 1))
    return f"{word[:position]}*{word[position + 1 :]}"


def _drop_vowels(word: str, _: random.Random) -> str:
    return word[0] + "".join(letter for letter in word[1:] if letter.lower() not in _VOWELS)


def _pile_marks(word: str, rng: random.Random) -> str:
    return "".join(letter + rng.choice(_MARKS) for letter in word)


@dataclass(frozen=True)
class Trick:
    """A way of spelling; whether training draws the same kind, and whether there is anything to change in Chinese."""

    spell: Spell
    trained: bool
    in_chinese: bool = False


TRICKS: dict[str, Trick] = {
    "leetspeak": Trick(lambda word, _: word.lower().translate(_LEET), trained=True),
    "spacing": Trick(lambda word, _: " ".join(word), trained=True, in_chinese=True),
    "homoglyphs": Trick(lambda word, _: word.translate(_CYRILLIC), trained=True),
    "zero-width": Trick(lambda word, _: _UNSEEN.join(word), trained=False, in_chinese=True),
    "dots inside words": Trick(lambda word, _: ".".join(word), trained=True, in_chinese=True),
    "repeated letters": Trick(_repeat_letter, trained=True),
    "swapped letters": Trick(_swap_inner, trained=True),
    "one letter starred": Trick(_star_one, trained=True),
    "full-width letters": Trick(lambda word, _: _widen(word), trained=False),
    "Greek look-alikes": Trick(lambda word, _: word.lower().translate(_GREEK), trained=True),
    "accents": Trick(lambda word, _: word.lower().translate(_ACCENTS), trained=True),
    "rare look-alikes": Trick(lambda word, _: word.lower().translate(_ARMENIAN_AND_CHEROKEE), trained=False),
    "vowels left out": Trick(_drop_vowels, trained=False),
    "piled marks": Trick(_pile_marks, trained=False, in_chinese=True),
    "emoji inside words": Trick(lambda word, _: "🌸".join(word), trained=False, in_chinese=True),
}


def obfuscate(text: str, trick: str, rng: random.Random) -> str:
    """Change about half of the words of three letters and more; Chinese runs, which have no gaps, count as words."""
    spell = TRICKS[trick].spell
    words = text.split(" ")
    return " ".join(spell(word, rng) if _can_change(word) and rng.random() < WORD_SHARE else word for word in words)


def _can_change(word: str) -> bool:
    return len(word) >= 3 or (len(word) >= 2 and _is_han(word))


@dataclass(frozen=True)
class RobustnessRow:
    """AUPRC of one label on the same texts, plain and tricked; `kept` is the second over the first.

    `trained` is whether training draws tricks of this kind; None for several tricks, of which the means are given.
    """

    trick: str
    language: str
    label: str
    n_positives: int
    plain: Figure
    tricked: Figure
    drop: Figure
    kept: float
    trained: bool | None = None


def measure_robustness(
    scorer: TextScorer, examples: Sequence[Example], n_rows: int, seed: int = 0
) -> list[RobustnessRow]:
    """Every trick on a seeded sample per language, harmful and harmless texts alike; then means over tricks."""
    reports = []
    for language in ("en", "zh"):
        rows = [example for example in examples if example.lang == language]
        sample = random.Random(seed).sample(rows, min(n_rows, len(rows)))
        if sample:
            reports += _measure_language(scorer, sample, language, seed)
    return reports


def _measure_language(scorer: TextScorer, sample: Sequence[Example], language: str, seed: int) -> list[RobustnessRow]:
    texts = [example.text or "" for example in sample]
    plain = scorer.score(texts)
    tricked = {}
    for trick in tricks_of(language):
        rng = random.Random(seed)
        tricked[trick] = _score_again(scorer, texts, [obfuscate(text, trick, rng) for text in texts], plain)
    targets = np.stack([example.targets for example in sample])
    return [
        report
        for index, label in enumerate(LABELS)
        for report in _measure_label(
            language,
            label,
            targets[:, index],
            plain[:, index],
            {name: rows[:, index] for name, rows in tricked.items()},
        )
    ]


def _score_again(scorer: TextScorer, texts: Sequence[str], changed: Sequence[str], plain: Floats) -> Floats:
    """Scores of the changed texts, shape = (n, labels): of a text that is still the same, those it has."""
    scores = plain.copy()
    places = [number for number, pair in enumerate(zip(texts, changed, strict=True)) if pair[0] != pair[1]]
    if places:
        scores[places] = scorer.score([changed[position] for position in places])
    return scores


def tricks_of(language: str) -> list[str]:
    """Those that change anything in texts of a language."""
    return [name for name, trick in TRICKS.items() if trick.in_chinese or language != "zh"]


def _measure_label(
    language: str, label: str, targets: Floats, plain: Floats, tricked: dict[str, Floats]
) -> list[RobustnessRow]:
    """All tricks and their means on one label's rows, shape = (n,) each; nothing if there are too few rows."""
    known = ~np.isnan(targets)
    positive = targets[known] == 1
    if min(positive.sum(), (~positive).sum()) < MIN_POSITIVES:
        return []
    counts = draw_counts(len(positive))
    before = resample_auprc(plain[known], positive, counts)
    after = {name: resample_auprc(scores[known], positive, counts) for name, scores in tricked.items()}
    unknown = [name for name in after if not TRICKS[name].trained]
    means = {
        ALL_TRICKS: _mean(list(after.values())),
        NEVER_TRAINED: _mean([after[name] for name in unknown]),
    }
    return [_compare(name, language, label, positive, before, values) for name, values in {**after, **means}.items()]


def _mean(values: Sequence[Floats]) -> Floats:
    return np.asarray(np.mean(values, axis=0), np.float32)


def _compare(trick: str, language: str, label: str, positive: Bools, before: Floats, after: Floats) -> RobustnessRow:
    return RobustnessRow(
        trick=trick,
        language=language,
        label=label,
        n_positives=int(positive.sum()),
        plain=find_interval(before),
        tricked=find_interval(after),
        drop=find_interval(before - after),
        kept=float(after[0] / before[0]),
        trained=TRICKS[trick].trained if trick in TRICKS else None,
    )


class Robustness(Report[RobustnessRow]):
    """What obfuscated spelling costs."""

    name, title = "robustness", "obfuscation"

    def measure(self, context: EvaluationContext) -> Iterable[RobustnessRow]:
        """Every trick by language and label, then means over tricks."""
        return measure_robustness(context.texts, context.examples, context.n_obfuscated)

    def tables(self, evaluation: Evaluation) -> Iterator[Table[RobustnessRow]]:
        """One."""
        known = {True: "yes", False: "no", None: DASH}
        columns: Columns[RobustnessRow] = {
            "trick": lambda row: row.trick,
            "trained on its kind": lambda row: known[row.trained],
            "language": lambda row: row.language,
            "label": lambda row: row.label,
            "1": lambda row: row.n_positives,
            "AUPRC": lambda row: row.plain,
            "AUPRC obfuscated": lambda row: row.tricked,
            "drop": lambda row: row.drop,
            "kept": lambda row: percent(row.kept),
        }
        yield Table("robustness", columns, evaluation.of(Robustness))
