"""Texts as the text encoder is trained to read them: rows of word pieces, with what is marked in them, in batches."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Encoding, Tokenizer
from torch import Tensor

from sluice.features.folding import prepare
from sluice.features.text import END, START
from sluice.schema import HARMS
from sluice_models.config import TOKENIZER_FILE, TextRecipe
from sluice_models.data.bundle import Example
from sluice_models.recipes.text.composed import WHOLE_SHARE, is_harmless
from sluice_models.recipes.text.templates import SOURCE
from sluice_models.recipes.text.texts import Float32, complete_targets, find_rationales

N_HARMS = len(HARMS)
SOMEWHERE = np.nan
"""The share of a stretch of which only some words are meant: nothing is known of any one piece."""
Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True)
class TextExample:
    """A tokenised text.

    Attributes
    ----------
    ids : ndarray of int64, shape = (L,)
    marks : ndarray, shape = (L, harms)
        The evidence of each harm at each piece, in [0, 1]; NaN where nobody was asked.
    targets, weights : ndarray, shape = (labels,)
    source : str
    twin : str
        The same for a sentence and its twin; empty without one.
    """

    ids: npt.NDArray[np.int64]
    marks: Float32
    targets: Float32
    weights: Float32
    source: str
    twin: str = ""


@dataclass(frozen=True)
class TextBatch:
    """Rows padded to the longest: (B, L) twice, (B, L, harms), (B, labels) twice; their sources; twins, (pairs, 2)."""

    input_ids: Tensor
    attention_mask: Tensor
    marks: Tensor
    targets: Tensor
    weights: Tensor
    sources: tuple[str, ...]
    twins: Tensor


class Reader:
    """Tokenises texts for training: folded as in serving, and cut to the recipe's lengths.

    Parameters
    ----------
    recipe : TextRecipe
    tokenizer_file : Path
    """

    def __init__(self, recipe: TextRecipe, tokenizer_file: Path = TOKENIZER_FILE) -> None:
        self._recipe = recipe
        self._tokenizer = Tokenizer.from_file(str(tokenizer_file))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True
        self._start, self._end = (self._tokenizer.token_to_id(name) for name in (START, END))

    def read(self, examples: Sequence[Example], seed: int) -> list[TextExample]:
        """A row for each text; the same seed gives the same rows."""
        rng = random.Random(seed)
        prepared = [prepare(example.text or "") for example in examples]
        encodings = self._tokenizer.encode_batch([text for text, _ in prepared], add_special_tokens=False)
        return [
            self._read(rng, example, encoding, origin)
            for example, encoding, (_, origin) in zip(examples, encodings, prepared, strict=True)
        ]

    def _read(self, rng: random.Random, example: Example, encoding: Encoding, origin: Int32) -> TextExample:
        targets, weights = complete_targets(example, self._recipe)
        shares = share_pieces(example, encoding, origin)
        n_most = self._draw_length(rng, example) - 2
        first = find_start(rng, shares, len(encoding.ids), n_most)
        ids = np.array([self._start, *encoding.ids[first : first + n_most], self._end], np.int64)
        inner = None if shares is None else np.concatenate([[0.0], shares[first : first + n_most], [0.0]])
        marks = mark_pieces(inner, len(ids), targets)
        return TextExample(ids, marks, targets, weights, example.source, example.meta.get("twin", ""))

    def _draw_length(self, rng: random.Random, example: Example) -> int:
        is_long = "composed" in example.meta or rng.random() < self._recipe.long_share
        return self._recipe.max_long_pieces if is_long else self._recipe.max_pieces


def find_marked(example: Example) -> list[tuple[int, int, float]] | None:
    """What is marked, in characters, and how surely; empty where nothing is; None where nobody was asked."""
    meta, text = example.meta, example.text or ""
    if meta.get("spans") is not None:
        may_be_vague = meta.get("whole", False) or (example.source == SOURCE and "composed" not in meta)
        long = WHOLE_SHARE * max(len(text), 1)
        is_whole = [meta.get("whole", False) or (may_be_vague and end - start > long) for start, end in meta["spans"]]
        return [
            (int(start), int(end), SOMEWHERE if vague else 1.0)
            for (start, end), vague in zip(meta["spans"], is_whole, strict=True)
        ]
    if meta.get("rationale"):
        return list(find_rationales(text, meta))
    return [] if is_harmless(example) else None


def share_pieces(example: Example, encoding: Encoding, origin: Int32) -> Float32 | None:
    """How surely each piece is marked, shape = (L,): NaN in a stretch meant in part; None where nobody was asked."""
    marked = find_marked(example)
    if marked is None:
        return None
    offsets = np.array(encoding.offsets, np.int64).reshape(-1, 2)
    starts, ends = origin[offsets[:, 0]], origin[np.maximum(offsets[:, 1] - 1, 0)] + 1
    shares = np.zeros(len(offsets), np.float32)
    for first, last, share in marked:
        inside = (starts < last) & (ends > first) & (offsets[:, 1] > offsets[:, 0])
        shares[inside] = share if np.isnan(share) else np.fmax(shares[inside], share)
    return shares


def find_start(rng: random.Random, shares: Float32 | None, n_pieces: int, n_most: int) -> int:
    """Where a row that is too long begins: what is marked first, by shares of shape = (pieces,), stays inside."""
    hits = np.flatnonzero(np.nan_to_num(shares, nan=1.0) > 0) if shares is not None else np.zeros(0, np.int64)
    if n_pieces <= n_most or not len(hits):
        return 0
    start = int(hits[0])
    gaps = np.flatnonzero(np.diff(hits) > 1)
    end = int(hits[gaps[0]] if len(gaps) else hits[-1]) + 1
    if end <= n_most:
        return 0
    return min(rng.randint(max(0, end - n_most), max(start, end - n_most)), n_pieces - n_most)


def mark_pieces(shares: Float32 | None, n_pieces: int, targets: Float32) -> Float32:
    """Evidence per piece and harm, shape = (L, harms).

    Where something is marked, it is evidence of the harms that hold, and of no other; where nothing is, of none. Harms
    that nobody judged, and those that hold though nothing is marked, are open.
    """
    harms = targets[:N_HARMS]
    if shares is None:
        return np.full((n_pieces, N_HARMS), np.nan, np.float32)
    marks = np.zeros((n_pieces, N_HARMS), np.float32)
    is_marked = bool((np.nan_to_num(shares, nan=1.0) > 0).any())
    marks[:, harms == 1] = shares[:, None] if is_marked else np.nan
    marks[:, np.isnan(harms)] = np.nan
    return marks


def make_batches(rows: Iterable[TextExample], recipe: TextRecipe, seed: int) -> list[list[TextExample]]:
    """Batches of rows of like length, twins side by side; in random order."""
    rng = random.Random(seed)
    longest: dict[str, int] = {}
    for row in rows:
        if row.twin:
            longest[row.twin] = max(longest.get(row.twin, 0), len(row.ids))
    ordered = sorted(rows, key=lambda row: (longest.get(row.twin, len(row.ids)), row.twin or str(rng.random())))
    batches: list[list[TextExample]] = [[]]
    for row in ordered:
        current = batches[-1]
        n_padded = (len(current) + 1) * longest.get(row.twin, len(row.ids))
        is_full = len(current) >= recipe.batch_rows or n_padded > recipe.batch_pieces
        if current and is_full and not (row.twin and current[-1].twin == row.twin):
            batches.append([])
        batches[-1].append(row)
    rng.shuffle(batches)
    return [batch for batch in batches if batch]


def collate(rows: Sequence[TextExample]) -> TextBatch:
    """Pad rows to the longest of them."""
    ids, mask = pad([row.ids for row in rows])
    marks = np.full((*ids.shape, N_HARMS), np.nan, np.float32)
    for index, row in enumerate(rows):
        marks[index, : len(row.ids)] = row.marks
    return TextBatch(
        torch.from_numpy(ids),
        torch.from_numpy(mask),
        torch.from_numpy(marks),
        torch.from_numpy(np.stack([row.targets for row in rows])),
        torch.from_numpy(np.stack([row.weights for row in rows])),
        tuple(row.source for row in rows),
        pair_up(rows),
    )


def pair_up(rows: Sequence[TextExample]) -> Tensor:
    """Places of twins that stand side by side, shape = (pairs, 2)."""
    pairs = [(n, n + 1) for n in range(len(rows) - 1) if rows[n].twin and rows[n].twin == rows[n + 1].twin]
    return torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)


def pad(rows: Sequence[npt.NDArray[np.int64]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ids and mask, shape = (n, longest)."""
    ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
    mask = np.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row)], mask[index, : len(row)] = row, 1
    return ids, mask
