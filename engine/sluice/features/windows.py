"""Which stretches of a text become rows: windows over all of it, and its sentences, in which a harm does not drown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sluice.contract import MAX_TEXT_ROWS, TEXT_WINDOW_TOKENS

OVERLAP_TOKENS = 32
"""Tokens that a window shares with the one before, so that nothing is cut in two in every window."""
MAX_WINDOWS = MAX_TEXT_ROWS // 2
"""The other rows are for sentences."""
CAPACITY = TEXT_WINDOW_TOKENS - 2
"""Word pieces of a row between its start and its end."""
N_HEAD_WINDOWS = 8
"""A text says first what it is about: these are read without gaps."""

_STEP = CAPACITY - OVERLAP_TOKENS

Stretch = tuple[int, int]
"""The first word piece and the one behind the last."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence that is read by itself, or some short ones of a long text together.

    Attributes
    ----------
    own : Stretch
    wider : Stretch
        With its neighbours, as far as they fit: read too if it stands out, and they may clear it.
    """

    own: Stretch
    wider: Stretch


def count_windows(n_pieces: int) -> int:
    """How many windows there are over a text."""
    return 1 + max(0, -(-(n_pieces - CAPACITY) // _STEP))


def find_windows(n_pieces: int) -> list[Stretch]:
    """Windows over a text: all, or the first ones and others spread evenly up to the last."""
    n_windows = count_windows(n_pieces)
    return [(n * _STEP, min(n * _STEP + CAPACITY, n_pieces)) for n in _choose_windows(n_windows)]


def _choose_windows(n_windows: int) -> list[int]:
    if n_windows <= MAX_WINDOWS:
        return list(range(n_windows))
    spread = np.linspace(N_HEAD_WINDOWS, n_windows - 1, MAX_WINDOWS - N_HEAD_WINDOWS)
    return [*range(N_HEAD_WINDOWS), *np.rint(spread).astype(int).tolist()]


def find_sentences_to_read(starts: Sequence[int], n_pieces: int, n_most: int) -> list[Sentence]:
    """Sentences that are worth a row of their own.

    Not those that are all of the text together with their neighbours, nor those longer than a row: windows read them as
    closely. Of a text with more sentences than rows, as many go together as have to.

    Parameters
    ----------
    starts : sequence of int
        The word pieces that sentences begin with, growing.
    n_most : int
        Rows that there is room for.
    """
    if n_most < 1:
        return []
    n_together = -(-len(starts) // n_most)
    edges = [*starts[::n_together], n_pieces]
    found = (_widen(edges, n) for n in range(len(edges) - 1))
    return [each for each in found if each.wider != (0, n_pieces) and 0 < each.own[1] - each.own[0] <= CAPACITY]


def _widen(edges: Sequence[int], n: int) -> Sentence:
    start, stop = edges[n], edges[n + 1]
    room = CAPACITY - (stop - start)
    n_before = min(start - edges[max(n - 1, 0)], max(room // 2, 0))
    n_after = min(edges[min(n + 2, len(edges) - 1)] - stop, max(room - n_before, 0))
    return Sentence((start, stop), (start - n_before, stop + n_after))
