"""Which language a text is in: by its script where that says it, else by its n-grams, and `und` rather than a guess."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sluice.features import UND, Language, Languages
from sluice.features.ngrams import Floats, NgramModel
from sluice.features.scripts import KANA, find_words, weigh
from sluice.resources import language_file

NO_LANGUAGE = "zxx"
"""ISO 639's code for what is no language, such as a row of identifiers."""

MAX_CHARS = 16_384
"""Longer texts are sampled."""
PASSAGE_CHARS = 20
"""A text is looked at sentence by sentence, since any may be in another language; shorter ones go with the next."""
LONGEST_PASSAGE_CHARS = 640
LARGE_PART = 20
"""A language counts beside another from so many Latin letters on; below, it is a name or a greeting."""
LARGE_SHARE = 0.4
"""In a short text it counts from this share on."""

_BY_SCRIPT = {
    "Hani": "zh", "Jpan": "ja", "Hang": "ko", "Grek": "el", "Hebr": "he", "Thai": "th", "Taml": "ta", "Telu": "te",
    "Knda": "kn", "Mlym": "ml", "Gujr": "gu", "Guru": "pa", "Orya": "or", "Sinh": "si", "Laoo": "lo", "Mymr": "my",
    "Khmr": "km", "Geor": "ka", "Armn": "hy", "Ethi": "am", "Tibt": "bo", "Thaa": "dv", "Mong": "mn",
}  # fmt: skip
NAMED = 0.5
"""From this probability on a language is named; one that is known not to be read, but not by name, is ``und-Latn``."""
LEAST = 1e-4
"""What is less probable is left out."""
SURE = 0.99
"""Of a script that one language has nearly to itself."""
_KANA = re.compile(f"[{KANA}]")
_KANA_SHARE = 0.1
"""Japanese has more kana than this among its signs; Chinese borrows one now and then."""

MAX_READ = ((30, 0.05), (20, 0.02), (15, 0.01), (12, 0.003))
"""From how many letters on, and how improbable every language that is read has to be, before a passage is held to be in
another one: at most what one half of the labelled texts asks for (``python -m sluice_models.measure.languages``)."""

_SENTENCE = re.compile(r".+?(?:[.!?\n…。！？؟।]+\s*|$)", re.S)


@dataclass(frozen=True, slots=True)
class Passage:
    """Neighbouring words of one script.

    Attributes
    ----------
    script : str
        ISO 15924.
    n_letters : int
        How much it is, in Latin letters.
    n_telling : int
        How many of its letters tell the language: names, which begin with a capital, are the same in all.
    languages : tuple of str
        Those that are written in the script.
    probabilities : dict of str to float
        By language; what is improbable is left out.
    """

    script: str
    n_letters: int
    n_telling: int
    languages: tuple[str, ...]
    probabilities: Mapping[str, float]


class LanguageIdentifier:
    """Says which languages texts are in. Safe to use from several threads at once.

    Parameters
    ----------
    file : Path, optional
        The n-gram model; that which ships by default.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._model = NgramModel(file or language_file())

    def identify(self, texts: Sequence[str], read: Container[str] | None) -> list[Languages]:
        """The languages of each text.

        Parameters
        ----------
        texts : sequence of str
            Any code points.
        read : container of str or None
            Codes of the languages that are read: a text is held to be in one of them unless that is improbable. None
            for every language.
        """
        known: Container[str] = _Every() if read is None else read
        return [decide(passages, known) for passages in self.weigh_passages(texts)]

    def weigh_passages(self, texts: Sequence[str]) -> list[list[Passage]]:
        """The passages of each text and how probable each language is for them."""
        drafts = [[draft for passage in cut_passages(text) for draft in _draft(passage)] for text in texts]
        flat = [draft for each in drafts for draft in each]
        scored = iter(self._score(flat))
        return [[next(scored) for _ in each] for each in drafts]

    def _score(self, drafts: Sequence[_Draft]) -> list[Passage]:
        places: dict[str, list[int]] = {}
        for place, draft in enumerate(drafts):
            places.setdefault(draft.script, []).append(place)
        found: dict[int, Passage] = {}
        for script, here in places.items():
            weighed = self._weigh(script, [drafts[place] for place in here])
            for place, probabilities in zip(here, weighed, strict=True):
                draft = drafts[place]
                found[place] = Passage(script, draft.n_letters, draft.n_telling, self._languages(script), probabilities)
        return [found[place] for place in range(len(drafts))]

    def _languages(self, script: str) -> tuple[str, ...]:
        return self._model.languages(script) if script in self._model.scripts else (_BY_SCRIPT[script],)

    def _weigh(self, script: str, drafts: Sequence[_Draft]) -> list[Mapping[str, float]]:
        if script not in self._model.scripts:
            return [{_BY_SCRIPT[script]: SURE}] * len(drafts)
        languages = self._model.languages(script)
        return [_likely(languages, row) for row in self._model.score(script, [draft.text for draft in drafts])]


class _Every:
    """Holds every code."""

    def __contains__(self, code: object) -> bool:
        return True


def _likely(languages: Sequence[str], row: Floats) -> Mapping[str, float]:
    return {languages[column]: float(row[column]) for column in (row > LEAST).nonzero()[0].tolist()}


def cut_passages(text: str) -> Iterator[str]:
    """Whole sentences, at least `PASSAGE_CHARS` together; of a text over `MAX_CHARS`, slices spread over it."""
    if len(text) <= 2 * PASSAGE_CHARS:
        yield text
        return
    packed = ""
    for sentence in _SENTENCE.findall(text if len(text) <= MAX_CHARS else _sample(text)):
        packed += sentence
        while len(packed) > LONGEST_PASSAGE_CHARS:
            yield packed[:LONGEST_PASSAGE_CHARS]
            packed = packed[LONGEST_PASSAGE_CHARS:]
        if len(packed) >= PASSAGE_CHARS:
            yield packed
            packed = ""
    if packed:
        yield packed


def _sample(text: str) -> str:
    """Slices spread evenly over a text, the first and the last characters among them."""
    size = LONGEST_PASSAGE_CHARS // 2
    starts = np.linspace(0, len(text) - size, MAX_CHARS // size).astype(int)
    return "\n".join(text[start : start + size] for start in starts)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A passage whose languages are not weighed yet."""

    script: str
    text: str
    n_letters: int
    n_telling: int


def _draft(passage: str) -> Iterator[_Draft]:
    for found, words in find_words(passage).items():
        script = "Jpan" if found == "Hani" and _has_kana("".join(words)) else found
        text = " ".join([word.lower() if word.isupper() else word for word in words])
        yield _Draft(script, text, weigh(script, words), weigh(script, _telling(words)))


def _has_kana(text: str) -> bool:
    """Whether Han characters are Japanese: among enough kana; a few are decoration in Chinese."""
    return len(_KANA.findall(text)) > _KANA_SHARE * len(text)


def _telling(words: Sequence[str]) -> set[str]:
    """Words that tell the language: no names, no single letters, each once; the first one only beside another."""
    shouted = not any(word[-1].islower() for word in words)
    telling = {word for word in words[1:] if len(word) > 1 and (shouted or not word[0].isupper())}
    return telling | set(words[:1]) if telling else telling


def decide(passages: Sequence[Passage], read: Container[str]) -> Languages:
    """The languages of a text, from its passages; see `LanguageIdentifier.identify`."""
    total = sum([passage.n_letters for passage in passages])
    letters: dict[str, int] = {}
    evidence: dict[str, float] = {}
    for passage in passages:
        language = _judge(passage, read)
        letters[language.code] = letters.get(language.code, 0) + passage.n_letters
        evidence[language.code] = evidence.get(language.code, 0.0) + language.probability * passage.n_letters
    if not total:
        return Languages(Language(UND, 0.0))
    ordered = sorted(letters, key=lambda code: -letters[code])
    main, large = ordered[0], min(LARGE_PART, LARGE_SHARE * total)
    unread = [code for code in ordered if code not in read and code != UND and letters[code] >= large]
    return Languages(Language(main, evidence[main] / letters[main]), tuple(unread))


def _judge(passage: Passage, read: Container[str]) -> Language:
    """The language of a passage; one that is not read only if no read one is probable."""
    best = max(passage.probabilities, key=lambda code: passage.probabilities[code], default=UND)
    probability = passage.probabilities.get(best, 0.0)
    if best in read and probability >= NAMED:
        return Language(best, probability)
    if best in read or best == NO_LANGUAGE or not _is_elsewhere(passage, read):
        return Language(UND, probability)
    return Language(best if probability >= NAMED else f"{UND}-{passage.script}", probability)


def _is_elsewhere(passage: Passage, read: Container[str]) -> bool:
    """Whether a passage is in none of the languages that are read."""
    if not any(code in read for code in passage.languages):
        return True
    possible = sum(p for code, p in passage.probabilities.items() if code in read or code == NO_LANGUAGE)
    allowed = next((most for least, most in MAX_READ if passage.n_telling >= least), -1.0)
    return possible <= allowed
