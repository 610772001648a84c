"""Measures how well languages are told apart: ``python -m sluice_models.measure.languages --bundle DIR --bundle DIR``.

The limits `sluice.features.language.MAX_READ` are chosen on one half of the labelled texts and everything is reported
on the other; which half a text is in depends on its content alone. Only sources count whose languages were checked or
are what their platform is: word lists, and English collections with other languages in them, are left out.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from sluice.features import UND, Languages
from sluice.features.language import MAX_READ, NO_LANGUAGE, LanguageIdentifier, Passage, decide
from sluice_models.console import report_errors
from sluice_models.data.bundle import text_lines

READ = ("en", "zh")
MIXED_SOURCES = frozenset({"surge_profanity_terms", "trac1_en_long", "convabuse", "xsafety", "multijail"})
"""Word lists, English collections with Hindi, German or Spanish in them, and translations that quote the English."""
PER_SOURCE = 1_000
"""Texts of one language from one source, or one source would be most of the figure."""
LENGTHS = (10, 20, 30, 50, 100)
"""Bounds of the classes of length, in Latin letters."""
LIMITS = (0.1, 0.05, 0.02, 0.01, 0.005, 0.003, 0.001)
SENTENCES = frozenset({"clinc150", "banking77", "sst2"})
"""English sources of whole sentences."""
MIXED, N_MIXED = "mixed", 2_000
MAX_FALSE = 0.005
"""Of texts in English that may be held to be in another language, in each class of telling letters."""


@dataclass(frozen=True)
class Labelled:
    """A text whose language is known, and what was found in it."""

    lang: str
    source: str
    passages: list[Passage]
    chosen_on: bool

    @property
    def n_letters(self) -> int:
        """In Latin letters."""
        return sum(passage.n_letters for passage in self.passages)


@dataclass(frozen=True)
class Row:
    """Shares of some texts.

    Attributes
    ----------
    right : float
        Named as labelled.
    undetermined : float
        `UND`: counted as read.
    unread : float
        Held to be, in large part, in a language that is not read.
    """

    what: str
    n_texts: int
    right: float
    undetermined: float
    unread: float


def read_labelled(bundles: Sequence[Path]) -> Iterator[tuple[str, str, str]]:
    """Language, source and text of the rows that count, at most `PER_SOURCE` of a language and source."""
    taken: dict[tuple[str, str], int] = {}
    for line in (line for bundle in bundles for line in text_lines(bundle)):
        key = (line["lang"], line["source"])
        if line["text"] and line["source"] not in MIXED_SOURCES and taken.get(key, 0) < PER_SOURCE:
            taken[key] = taken.get(key, 0) + 1
            yield (*key, line["text"])


def weigh(rows: Iterable[tuple[str, str, str]]) -> list[Labelled]:
    """The passages of every text."""
    identifier = LanguageIdentifier()
    return [
        Labelled(lang, source, identifier.weigh_passages([text])[0], _is_chosen_on(text)) for lang, source, text in rows
    ]


def _is_chosen_on(text: str) -> bool:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()[0] % 2 == 0


def compose(rows: Sequence[tuple[str, str, str]], n_texts: int = N_MIXED) -> list[tuple[str, str, str]]:
    """Texts of ours: one sentence in a language that is not read among two to eight in English."""
    rng = random.Random(0)
    english = [text.rstrip(" .") for _, source, text in rows if source in SENTENCES]
    foreign = [row for row in rows if row[1] == "tatoeba" and row[0] not in READ and len(row[2]) >= LENGTHS[2]]
    drawn = [
        (rng.choice(foreign), rng.choices(english, k=2 * rng.randint(1, 4))) for _ in range(n_texts if foreign else 0)
    ]
    return [
        (lang, MIXED, ". ".join([*around[: len(around) // 2], text.rstrip(" ."), *around[len(around) // 2 :]]))
        for (lang, _, text), around in drawn
    ]


def propose_limits(texts: Sequence[Labelled]) -> dict[int, float]:
    """For each class of telling letters the largest limit that at most `MAX_FALSE` of English passages fall below."""
    english = [passage for text in texts if text.lang == "en" for passage in text.passages if passage.script == "Latn"]
    bounds = sorted(least for least, _ in MAX_READ)
    proposed = {}
    for least, most in zip(bounds, [*bounds[1:], 10**9], strict=True):
        here = [passage for passage in english if least <= passage.n_telling < most]
        possible = np.array(
            [sum(passage.probabilities.get(code, 0.0) for code in ("en", NO_LANGUAGE)) for passage in here]
        )
        proposed[least] = next((limit for limit in LIMITS if _share(possible <= limit) <= MAX_FALSE), 0.0)
    return proposed


def _share(found: npt.NDArray[np.bool_] | Sequence[bool]) -> float:
    return float(np.mean(found)) if len(found) else 0.0


def report(texts: Sequence[Labelled]) -> list[Row]:
    """By length, for languages that are read and for others; those composed; then by language."""
    mixed, single = [t for t in texts if t.source == MIXED], [t for t in texts if t.source != MIXED]
    bounds = list(zip((0, *LENGTHS), (*LENGTHS, 10**9), strict=True))
    groups = {"read": [t for t in single if t.lang in READ], "other": [t for t in single if t.lang not in READ]}
    by_length = [
        _row(_name(group, low, high), [text for text in members if low <= text.n_letters < high])
        for group, members in groups.items()
        for low, high in bounds
    ]
    languages = sorted({text.lang for text in single})
    by_language = [_row(lang, [text for text in single if text.lang == lang]) for lang in languages]
    return [*by_length, _row("English, one sentence of another", mixed), *by_language]


def _name(group: str, low: int, high: int) -> str:
    return f"{group}, {low} to {high - 1} letters" if high < 10**9 else f"{group}, from {low} letters"


def _row(what: str, texts: Sequence[Labelled]) -> Row:
    found: list[Languages] = [decide(text.passages, READ) for text in texts]
    return Row(
        what,
        len(texts),
        _share([each.main.code == text.lang for each, text in zip(found, texts, strict=True)]),
        _share([each.main.code == UND for each in found]),
        _share([bool(each.unread) for each in found]),
    )


def main(
    bundle: Annotated[list[Path], typer.Option(help="An unpacked training bundle; may be repeated.")],
    as_json: Annotated[bool, typer.Option("--json", help="One row a line.")] = False,
) -> None:
    """Print the limits that one half of the texts asks for, and the figures of the other half."""
    with report_errors():
        rows = list(read_labelled(bundle))
        texts = weigh([*rows, *compose(rows)])
    typer.echo(f"limits asked for: {propose_limits([text for text in texts if text.chosen_on])}", err=True)
    typer.echo(f"limits in use: {dict(reversed(MAX_READ))}", err=True)
    measured = report([text for text in texts if not text.chosen_on])
    if as_json:
        typer.echo("\n".join(json.dumps(asdict(row)) for row in measured))
    else:
        typer.echo("| texts | n | right | `und` | not read |\n| --- | --- | --- | --- | --- |")
        for row in measured:
            typer.echo(f"| {row.what} | {row.n_texts} | {row.right:.3f} | {row.undetermined:.3f} | {row.unread:.4f} |")


if __name__ == "__main__":
    typer.run(main)
