"""Which languages the text encoder reads: ``python -m sluice_models.measure.read_languages --bundle DIR --write``.

A language is read if there are enough texts in it that nothing was trained on, and the encoder ranks the harmful among
them above the harmless well enough. Texts are validation rows, and sentences of our own that training holds out.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from sluice.intervals import Bools, Floats
from sluice_models.config import LANGUAGES_FILE, RUNS, TRITON_REPO
from sluice_models.console import report_errors
from sluice_models.data.bundle import Example, read_texts
from sluice_models.measure.everyday import N_HARMS, is_benign
from sluice_models.measure.score_texts import TextScorer
from sluice_models.measure.scores import measure_auroc
from sluice_models.recipes.text.drawing import fill_held_out
from sluice_models.recipes.text.multilingual import keep_sentences, load_languages
from sluice_models.training.bundle_encoding import sample_sources
from sluice_models.training.train_fusion import load_encoders

MIN_TEXTS, MIN_EACH = 200, 40
"""Texts of a language, and harmful and harmless ones among them."""
MIN_AUROC = 0.75
N_FILLS = 5
"""Fillings of a sentence with slots."""
PER_SOURCE = 500


@dataclass(frozen=True)
class LanguageRow:
    """How well the harmful texts of a language are told from the harmless by their highest score of any harm."""

    language: str
    n_harmful: int
    n_harmless: int
    auroc: float

    @property
    def is_read(self) -> bool:
        """Whether that is enough."""
        fewest, n_texts = min(self.n_harmful, self.n_harmless), self.n_harmful + self.n_harmless
        return n_texts >= MIN_TEXTS and fewest >= MIN_EACH and self.auroc >= MIN_AUROC


def gather_texts(examples: Sequence[Example]) -> list[Example]:
    """Validation rows that are harmful or benign, and the sentences that training holds out."""
    held_out = fill_held_out(keep_sentences(load_languages(), held_out=True), N_FILLS, seed=12)
    drawn = sample_sources(examples, PER_SOURCE)
    return [row for row in [*drawn, *held_out] if row.lang and (_is_harmful(row) or is_benign(row))]


def _is_harmful(row: Example) -> bool:
    return bool((row.targets[:N_HARMS] == 1).any())


def measure_languages(scores: Floats, rows: Sequence[Example]) -> list[LanguageRow]:
    """Every language, the best first; scores of shape = (n, labels)."""
    highest, harmful = scores[:, :N_HARMS].max(axis=1), np.array([_is_harmful(row) for row in rows])
    places: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        places[row.lang or ""].append(place)
    found = [_measure(code, highest[own], harmful[own]) for code, own in places.items()]
    return sorted(found, key=lambda row: (-np.nan_to_num(row.auroc), row.language))


def _measure(language: str, highest: Floats, harmful: Bools) -> LanguageRow:
    return LanguageRow(language, int(harmful.sum()), int((~harmful).sum()), measure_auroc(highest, harmful))


def choose_languages(measured: Iterable[LanguageRow]) -> list[str]:
    """Codes of those that are read, sorted."""
    return sorted(row.language for row in measured if row.is_read)


def main(
    bundle: Annotated[Path, typer.Option(help="The unpacked training bundle.", envvar="SLUICE_BUNDLE")],
    runs: Annotated[Path, typer.Option(help="Where the checkpoints are.")] = RUNS,
    repository: Annotated[Path, typer.Option(help="The Triton model repository.")] = TRITON_REPO,
    write: Annotated[bool, typer.Option("--write", help=f"Write {LANGUAGES_FILE} in the repository.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One language a line.")] = False,
) -> None:
    """Measure every language and say which are read."""
    with report_errors():
        rows = gather_texts(read_texts(bundle, "val"))
        scorer = TextScorer(load_encoders(runs, Console(stderr=True), repository)[0])
        measured = measure_languages(scorer.score([row.text or "" for row in rows]), rows)
        if write:
            (repository / LANGUAGES_FILE).write_text(json.dumps(choose_languages(measured)) + "\n", "utf-8")
    if as_json:
        typer.echo("\n".join(json.dumps({**asdict(row), "is_read": row.is_read}) for row in measured))
        return
    typer.echo("| language | harmful | harmless | AUROC | read |\n| --- | --- | --- | --- | --- |")
    for row in measured:
        read = "yes" if row.is_read else ""
        typer.echo(f"| {row.language} | {row.n_harmful} | {row.n_harmless} | {row.auroc:.3f} | {read} |")


if __name__ == "__main__":
    typer.run(main)
