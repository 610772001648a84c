"""Verdicts and people's labels for the same posts, from JSON lines to arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np

from sluice.errors import CalibrationError
from sluice.evidence import Share
from sluice.schema import LABELS, Id, PostKey
from sluice.verdict.calibration import Labelled
from sluice.verdict.models_used import is_cleared, versions_of


class LabelLine(msgspec.Struct, frozen=True):
    """What people say about a post; a label that is missing was not annotated. Unknown fields are ignored.

    Without a tenant it is about every tenant's post of that id of which nothing else is said.
    """

    post_id: Id
    labels: dict[str, Literal[0, 1]]
    tenant: str | None = None

    @property
    def key(self) -> PostKey:
        """Of the post."""
        return self.tenant, self.post_id


class ScoreLine(msgspec.Struct, frozen=True):
    """The part of a verdict that is needed here."""

    post_id: Id
    scores: dict[str, Share]
    models: dict[str, str]
    tenant: str | None = None

    @property
    def key(self) -> PostKey:
        """Of the post."""
        return self.tenant, self.post_id


class _DeadLetterLine(msgspec.Struct, frozen=True):
    dead_letter: dict[str, Any]


Truths = dict[PostKey, dict[str, Literal[0, 1]]]
"""By post."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Verdicts by post; of several for one post, the last counts."""

    verdicts: dict[PostKey, ScoreLine]
    n_dead_letters: int


@dataclass(frozen=True, slots=True)
class Joined:
    """Posts with both, in the order of their ids and tenants.

    Attributes
    ----------
    models : list of str
        Names and versions of the models that scored them.
    n_cleared : int
        Of those posts, the ones whose scores are those that a first stage expects.
    n_unlabelled, n_unscored, n_dead_letters
        What was left out: verdicts without labels, labels without a verdict, lines that were no posts.
    """

    posts: Labelled
    models: list[str]
    n_cleared: int
    n_unlabelled: int
    n_unscored: int
    n_dead_letters: int


def read_verdicts(raw: bytes, source: str) -> Scores:
    """Read verdicts as ``sluice score`` and ``sluice verdicts --json`` print them.

    Raises
    ------
    CalibrationError
        Naming `source` and the line that is neither a verdict with every label's score nor a dead letter.
    """
    verdicts, n_dead_letters = {}, 0
    for number, line in _number_lines(raw):
        found = _decode_verdict(line, f"{source}:{number}")
        if found is None:
            n_dead_letters += 1
        else:
            verdicts[found.key] = found
    return Scores(verdicts, n_dead_letters)


def _decode_verdict(line: bytes, where: str) -> ScoreLine | None:
    try:
        verdict = msgspec.json.decode(line, type=ScoreLine)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if _is_dead_letter(line):
            return None
        raise CalibrationError(f"{where}: not a verdict: {error}") from error
    if missing := [label for label in LABELS if label not in verdict.scores]:
        raise CalibrationError(f"{where}: no score for {', '.join(missing)}")
    return verdict


def _is_dead_letter(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=_DeadLetterLine)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def read_truths(raw: bytes, source: str) -> Truths:
    """Read labels, one post a line.

    Raises
    ------
    CalibrationError
        Naming `source` and the line that is not of that form, has an unknown label, or repeats a post.
    """
    truths: Truths = {}
    lines: dict[PostKey, int] = {}
    for number, line in _number_lines(raw):
        found = _decode_labels(line, f"{source}:{number}")
        if found.key in lines:
            raise CalibrationError(f"{source}:{number}: post {found.post_id!r} stands in line {lines[found.key]} too")
        truths[found.key], lines[found.key] = found.labels, number
    return truths


def _decode_labels(line: bytes, where: str) -> LabelLine:
    try:
        found = msgspec.json.decode(line, type=LabelLine)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CalibrationError(f"{where}: not a post's labels: {error}") from error
    if unknown := [label for label in found.labels if label not in LABELS]:
        raise CalibrationError(f"{where}: unknown label {unknown[0]!r}; known: {', '.join(LABELS)}")
    return found


def _number_lines(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Lines that are not empty, and their numbers from 1."""
    return ((number, line) for number, line in enumerate(raw.split(b"\n"), 1) if line.strip())


def _label_key(key: PostKey, truths: Truths) -> PostKey | None:
    """Under what there are labels of a post."""
    return next((each for each in (key, (None, key[1])) if each in truths), None)


def _rank(key: PostKey) -> tuple[str, str]:
    return key[1], key[0] or ""


def join(scores: Scores, truths: Truths) -> Joined:
    """Bring scores and labels of the same posts together; the order of the files does not matter.

    Raises
    ------
    CalibrationError
        If no post has both.
    """
    labelled = {key: _label_key(key, truths) for key in sorted(scores.verdicts, key=_rank)}
    pairs = [(scores.verdicts[key], truths[said]) for key, said in labelled.items() if said is not None]
    if not pairs:
        raise CalibrationError(
            f"none of the {len(truths)} labelled posts has a verdict among the {len(scores.verdicts)} scored"
        )
    used = [verdict for verdict, _ in pairs]
    return Joined(
        posts=Labelled(
            scores=np.array([[verdict.scores[label] for label in LABELS] for verdict in used]),
            truths=np.array([[known.get(label, np.nan) for label in LABELS] for _, known in pairs]),
        ),
        models=sorted(
            {f"{model} {version}" for verdict in used for model, version in versions_of(verdict.models).items()}
        ),
        n_cleared=sum(is_cleared(verdict.models) for verdict in used),
        n_unlabelled=len(scores.verdicts) - len(pairs),
        n_unscored=len(truths.keys() - set(labelled.values())),
        n_dead_letters=scores.n_dead_letters,
    )
