"""What the first stage clears: positives that all models would have found, by label and language, and benign texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from sluice.contract import FIRST_STAGE
from sluice.features import UND
from sluice.intervals import Bools
from sluice.schema import LABELS
from sluice_models.config import TRITON_REPO, read_languages, read_measured
from sluice_models.data.bundle import Example, read_texts
from sluice_models.measure.context import EvaluationContext
from sluice_models.measure.hard_texts import teach_hard_texts
from sluice_models.measure.report import DASH, Columns, Evaluation, Report, Table, permille
from sluice_models.measure.teacher import review_logits, teach_all
from sluice_models.recipes.text.taught import Float32, Taught
from sluice_models.training.clearing import MIN_FOUND, Clearing, Looked, choose_clearing
from sluice_models.training.onnx_encoder import open_session
from sluice_models.training.suspicion import StageFunction, read_suspicion

FOLDER = "first_stage"
"""In `runs`: what the other models said of texts."""
ALL = "all"
N_HALVES = 5
NO_STAGE = "The repository has no first stage."


@dataclass(frozen=True)
class ClearedRow:
    """Texts of one label or language.

    Attributes
    ----------
    label, language : str
        `ALL` for all of them.
    n_positives, n_found : int
        Those with the label, or any; and those that the models find under it when they all read them.
    n_positives_cleared, n_found_cleared : int
        Of each, those that the first stage clears.
    n_benign, n_benign_cleared : int
        Texts of which nobody says that they are harmful; not counted by label.
    """

    label: str
    language: str
    n_positives: int
    n_positives_cleared: int
    n_found: int
    n_found_cleared: int
    n_benign: int
    n_benign_cleared: int


@dataclass(frozen=True)
class HalfRow:
    """Threshold and languages chosen on one half of the texts, and what they do on the other.

    Attributes
    ----------
    n_found, n_found_cleared : int
        Positives of the other half that the models find, and those of them that are cleared.
    n_benign, n_benign_cleared : int
    n_flagged, n_flagged_cleared : int
        Other harmful texts of the other half that the models flag.
    """

    seed: int
    languages: str
    n_found: int
    n_found_cleared: int
    n_benign: int
    n_benign_cleared: int
    n_flagged: int
    n_flagged_cleared: int


@dataclass(frozen=True)
class HardRow:
    """Harmful texts of one kind: those that all models flag, and those of them that are cleared."""

    kind: str
    n_flagged: int
    n_flagged_cleared: int


@dataclass(frozen=True)
class Reader:
    """Reads texts with all models and the first stage.

    Attributes
    ----------
    stage : callable
    thresholds : ndarray of float32, shape = (labels,)
        Logits from which on the shipped policy asks for a review.
    """

    context: EvaluationContext
    stage: StageFunction
    thresholds: Float32

    def read_split(self) -> Looked:
        """All texts of the split."""
        return self._look(teach_all(self._examples(), self._folder, _console()))

    def read_hard(self) -> dict[str, Looked]:
        """Harmful texts of other kinds."""
        taught = teach_hard_texts(self._examples(), self._folder, _console())
        return {kind: self._look(each) for kind, each in taught.items()}

    @property
    def _folder(self) -> Path:
        return self.context.runs / FOLDER

    def _examples(self) -> list[Example]:
        return read_texts(self.context.bundle, self.context.split)

    def _look(self, taught: Taught) -> Looked:
        return Looked(taught, read_suspicion(self.stage, taught))


def _console() -> Console:
    return Console(stderr=True)


def open_reader(context: EvaluationContext) -> Reader | None:
    """None where the repository has no first stage."""
    file = TRITON_REPO / FIRST_STAGE.name / "1" / "model.onnx"
    return Reader(context, open_stage(file), review_logits(context.thresholds.review)) if file.is_file() else None


def find_benign(taught: Taught) -> Bools:
    """Texts with an annotation of which none is 1, shape = (n,)."""
    return np.asarray((taught.targets == 0).any(axis=1) & ~(taught.targets == 1).any(axis=1))


def open_stage(file: Path) -> StageFunction:
    """An exported first stage, called like ours in torch."""
    session = open_session(file)

    def look(input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        rows = {"input_ids": input_ids.numpy(), "attention_mask": attention_mask.numpy()}
        logits, suspicion = session.run(list(FIRST_STAGE.output_names), rows)
        return torch.from_numpy(logits), torch.from_numpy(suspicion)

    return look


def count_cleared(texts: Looked, thresholds: Float32, limits: Mapping[str, float]) -> Iterator[ClearedRow]:
    """By label over all languages, by language over all labels, and over both; suspicion of shape = (n,).

    Labels without a positive are left out; thresholds have shape = (labels,).
    """
    cleared = Clearing(limits).clears(texts)
    positives, found = texts.taught.targets == 1, texts.taught.found(thresholds)
    everywhere = np.ones(len(cleared), np.bool_)
    for place, label in enumerate(LABELS):
        if positives[:, place].any():
            columns = positives[:, place], found[:, place]
            yield _count(label, ALL, everywhere, *columns, np.zeros_like(everywhere), cleared)
    counted = positives.any(axis=1), found.any(axis=1), find_benign(texts.taught), cleared
    for code in (*sorted(limits), ALL):
        here = everywhere if code == ALL else texts.taught.languages == code
        yield _count(ALL, code, here, *counted)


def count_hard(kind: str, texts: Looked, thresholds: Float32, limits: Mapping[str, float]) -> HardRow:
    """Of texts that are all harmful; thresholds of shape = (labels,)."""
    flagged = texts.choose(texts.taught.flagged(thresholds))
    cleared = Clearing(limits).clears(flagged)
    return HardRow(kind, len(cleared), int(cleared.sum()))


def _count(
    label: str, language: str, here: Bools, positives: Bools, found: Bools, benign: Bools, cleared: Bools
) -> ClearedRow:
    counts = [(int((each & here).sum()), int((each & here & cleared).sum())) for each in (positives, found, benign)]
    (n_positives, lost), (n_found, found_lost), (n_benign, gained) = counts
    return ClearedRow(label, language, n_positives, lost, n_found, found_lost, n_benign, gained)


def measure_halves(
    texts: Looked, thresholds: Float32, languages: Sequence[str], harmful: Sequence[Looked], n_halves: int = N_HALVES
) -> Iterator[HalfRow]:
    """What the choice is worth on texts that it was not made on; thresholds of shape = (labels,)."""
    for seed in range(n_halves):
        (one, other), *halves = (_halve(each, seed) for each in (texts, *harmful))
        chosen = choose_clearing(one, thresholds, languages, [each for each, _ in halves], MIN_FOUND // 2)
        cleared, benign = chosen.clears(other), find_benign(other.taught)
        found = other.taught.found(thresholds).any(axis=1)
        hard = [count_hard("", each, thresholds, chosen.limits) for _, each in halves]
        counts = [int(each.sum()) for each in (found, found & cleared, benign, benign & cleared)]
        counts += [sum(row.n_flagged for row in hard), sum(row.n_flagged_cleared for row in hard)]
        yield HalfRow(seed, " ".join(chosen.limits), *counts)


def _halve(texts: Looked, seed: int) -> tuple[Looked, Looked]:
    first = np.random.default_rng(seed).random(len(texts.suspicion)) < 0.5
    return texts.choose(first), texts.choose(~first)


def _share(part: int, whole: int) -> str:
    return f"{part} ({permille(part / whole)})" if whole else DASH


class ClearedTexts(Report[ClearedRow]):
    """By label and by language, what the first stage clears."""

    name, title = "first_stage", "what the first stage clears"

    def measure(self, context: EvaluationContext) -> Iterable[ClearedRow]:
        """All texts of the split; the first time all models read them, which takes minutes."""
        reader, measured = open_reader(context), read_measured(TRITON_REPO)
        return count_cleared(reader.read_split(), reader.thresholds, measured.languages) if reader and measured else ()

    def tables(self, evaluation: Evaluation) -> Iterator[Table[ClearedRow]]:
        """Labels, and languages."""
        rows = evaluation.of(ClearedTexts)
        common: Columns[ClearedRow] = {
            "positives": lambda row: row.n_positives,
            "of these cleared": lambda row: _share(row.n_positives_cleared, row.n_positives),
            "found by all models": lambda row: row.n_found,
            "of these cleared ": lambda row: _share(row.n_found_cleared, row.n_found),
        }
        benign: Columns[ClearedRow] = {
            "benign": lambda row: row.n_benign,
            "cleared": lambda row: _share(row.n_benign_cleared, row.n_benign),
        }
        labels = [row for row in rows if row.label != ALL]
        yield Table("first-stage-labels", {"label": lambda row: row.label, **common}, labels, NO_STAGE)
        languages = [row for row in rows if row.label == ALL]
        columns: Columns[ClearedRow] = {"language": lambda row: row.language, **common, **benign}
        yield Table("first-stage-languages", columns, languages, NO_STAGE)


class ClearedHard(Report[HardRow]):
    """Harmful texts of kinds that validation has few of."""

    name, title = "first_stage_hard", "what the first stage clears of other harmful texts"

    def measure(self, context: EvaluationContext) -> Iterator[HardRow]:
        """Each kind."""
        reader, measured = open_reader(context), read_measured(TRITON_REPO)
        if reader and measured:
            for kind, texts in reader.read_hard().items():
                yield count_hard(kind, texts, reader.thresholds, measured.languages)

    def tables(self, evaluation: Evaluation) -> Iterator[Table[HardRow]]:
        """One."""
        columns: Columns[HardRow] = {
            "texts": lambda row: row.kind,
            "flagged by all models": lambda row: row.n_flagged,
            "of these cleared": lambda row: _share(row.n_flagged_cleared, row.n_flagged),
        }
        yield Table("first-stage-hard", columns, evaluation.of(ClearedHard), NO_STAGE)


class ClearedHalves(Report[HalfRow]):
    """The choice of threshold and languages made on one half of the texts, measured on the other."""

    name, title = "first_stage_halves", "what the first stage clears of texts that its threshold was not chosen on"

    def measure(self, context: EvaluationContext) -> Iterable[HalfRow]:
        """Several ways to halve the split."""
        reader = open_reader(context)
        if reader is None:
            return ()
        languages, harmful = (*read_languages(TRITON_REPO), UND), list(reader.read_hard().values())
        return measure_halves(reader.read_split(), reader.thresholds, languages, harmful)

    def tables(self, evaluation: Evaluation) -> Iterator[Table[HalfRow]]:
        """One."""
        columns: Columns[HalfRow] = {
            "halves": lambda row: row.seed + 1,
            "languages chosen": lambda row: row.languages,
            "found by all models": lambda row: row.n_found,
            "of these cleared": lambda row: _share(row.n_found_cleared, row.n_found),
            "benign": lambda row: row.n_benign,
            "cleared": lambda row: _share(row.n_benign_cleared, row.n_benign),
            "other harmful texts flagged": lambda row: row.n_flagged,
            "of these cleared ": lambda row: _share(row.n_flagged_cleared, row.n_flagged),
        }
        yield Table("first-stage-halves", columns, evaluation.of(ClearedHalves), NO_STAGE)
