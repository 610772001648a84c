"""What the served models say of texts: what the first stage learns from, and is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sluice.intervals import Bools

Int32 = npt.NDArray[np.int32]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Taught:
    """Texts by their first windows, and the scores of their posts.

    Attributes
    ----------
    ids : list of ndarray of int32, shape = (length,)
        The first window of each text.
    is_whole : ndarray of bool, shape = (n,)
        Whether the window holds all of the text.
    logits : ndarray of float32, shape = (n, labels)
        As text encoder and fusion give them, all rows of the text read.
    targets : ndarray of float32, shape = (n, labels)
        What people said: 1, 0 or NaN.
    languages : ndarray of str, shape = (n,)
        Codes, as the worker identifies them; empty where part of the text is in a language that is not read.
    """

    ids: list[Int32]
    is_whole: Bools
    logits: Float32
    targets: Float32
    languages: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.ids)

    def found(self, thresholds: Float32) -> Bools:
        """Positives that the served models find under their own label, shape = (n, labels).

        Parameters
        ----------
        thresholds : ndarray, shape = (labels,)
            Logits from which on a policy asks for a review.
        """
        return np.asarray((self.targets == 1) & (self.logits >= thresholds))

    def flagged(self, thresholds: Float32) -> Bools:
        """Texts that the served models flag under any label, shape = (n,)."""
        return np.asarray((self.logits >= thresholds).any(axis=1))

    def choose(self, chosen: Bools) -> Taught:
        """Some of the texts, shape = (n,), in their order."""
        return Taught(
            [self.ids[place] for place in np.flatnonzero(chosen)],
            self.is_whole[chosen],
            self.logits[chosen],
            self.targets[chosen],
            self.languages[chosen],
        )

    def save(self, file: Path) -> None:
        """Write all of it; the file is whole or not there."""
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        with part.open("wb") as out:
            np.savez_compressed(
                out,
                ids=np.concatenate(self.ids),
                ends=np.cumsum([0, *map(len, self.ids)]),
                is_whole=self.is_whole,
                logits=self.logits,
                targets=self.targets,
                languages=self.languages,
            )
        part.replace(file)


def load_taught(file: Path) -> Taught:
    """What `Taught.save` wrote."""
    with np.load(file) as stored:
        ids = stored["ids"]
        return Taught(
            [ids[start:end] for start, end in pairwise(stored["ends"].tolist())],
            *(stored[name] for name in ("is_whole", "logits", "targets", "languages")),
        )


def join_taught(parts: Sequence[Taught]) -> Taught:
    """All texts of several, in order; at least one."""
    names = ("is_whole", "logits", "targets", "languages")
    columns = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    return Taught([row for part in parts for row in part.ids], *columns)
