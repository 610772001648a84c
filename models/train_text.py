"""Fine-tunes the text encoder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from tokenizers import Tokenizer
from torch import Tensor

from engine.features.text import TextExtractor
from models.bundle import Example, read_texts
from models.checkpoint import build_text_encoder, load_weights, minilm_indices
from models.config import TOKENIZER_FILE, Training
from models.encoders import TextEncoder
from models.han import count_neighbours, embed_characters, place_characters
from models.losses import masked_loss, masked_mark_loss, weigh_positives
from models.text_rows import TextBatch, bucket, collate, prepare, sample_pass
from models.training import Task, fit
from models.vocabulary import is_han

MARK_WEIGHT = 0.5
KNOWN_WORD_SHARE = 0.15
"""Share of an embedding step that words known to MiniLM take: they are not to leave the space of unseen words."""
FRESH = ("queries", "to_tokens", "token_norm", "marks", "head")


def train_text(bundle: Path, training: Training, runs: Path, console: Console, further: bool = False) -> None:
    """Train and leave ``text_encoder.pt`` in `runs`; `further` goes on from the one that is there."""
    torch.manual_seed(0)
    extractor = TextExtractor(TOKENIZER_FILE)
    examples = read_texts(bundle, "train")
    encoder = build_text_encoder()
    if further:
        load_weights(encoder, "text_encoder", runs)
    else:
        place_han(encoder, examples, extractor, console)
    first = prepare(sample_pass(examples, training, 0), extractor, training)
    positive_weights = weigh_positives(np.stack([row.targets for row in first]), training.max_positive_weight)
    console.print(f"text: {len(first)} rows a pass, mean {np.mean([len(row.ids) for row in first]):.0f} tokens")
    task = Task(
        "text_encoder",
        encoder,
        parameter_groups(encoder, training),
        endless_batches(examples, extractor, training),
        lambda batch: text_loss(encoder, batch, positive_weights),
        WordBrake(encoder),
    )
    fit(task, training, runs, console)


def text_loss(encoder: TextEncoder, batch: TextBatch, positive_weights: Tensor) -> Tensor:
    """Labels, and the annotators' marks on tokens."""
    _, logits, scores = encoder(batch.input_ids, batch.attention_mask)
    labels = masked_loss(logits, batch.targets, batch.weights, positive_weights)
    return labels + MARK_WEIGHT * masked_mark_loss(scores, batch.marks)


def endless_batches(examples: list[Example], extractor: TextExtractor, training: Training) -> Iterator[TextBatch]:
    """Pass after pass, each sampled anew."""
    seed = 0
    while True:
        rows = prepare(sample_pass(examples, training, seed), extractor, training)
        yield from (collate(batch) for batch in bucket(rows, training.n_batch, seed))
        seed += 1


def parameter_groups(encoder: TextEncoder, training: Training) -> list[dict[str, object]]:
    """MiniLM's own weights learn slowly; what starts from nothing, and the word embedding, faster."""
    named = list(encoder.named_parameters())
    fresh = [weight for name, weight in named if name.startswith(FRESH)]
    words = [weight for name, weight in named if name.startswith("words")]
    known = [weight for name, weight in named if not name.startswith((*FRESH, "words"))]
    return [
        {"params": known, "lr": training.learning_rate},
        {"params": fresh, "lr": training.fresh_learning_rate},
        {"params": words, "lr": training.fresh_learning_rate * 0.5, "weight_decay": 0.0},
    ]


class WordBrake:
    """After each step, lets the words that MiniLM knows take only a small part of it."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._words = encoder.words.weight
        known, _ = minilm_indices(Tokenizer.from_file(str(TOKENIZER_FILE)).get_vocab())
        self._is_slow = torch.zeros(len(self._words), 1)
        self._is_slow[known] = 1.0
        self._is_slow[han_rows()] = 0.0  # it knows some of these, but has hardly read them
        self._before: Tensor | None = None  # taken late: a resumed run loads its weights after this

    def __call__(self) -> None:
        """Pull the step back; the first of a run is let through."""
        if self._before is None:
            self._before = self._words.detach().clone()
        share = 1.0 - self._is_slow * (1.0 - KNOWN_WORD_SHARE)
        with torch.no_grad():
            self._before += (self._words - self._before) * share
            self._words.copy_(self._before)


def han_rows() -> list[int]:
    """Ids of the Chinese characters, in ascending order."""
    vocabulary = Tokenizer.from_file(str(TOKENIZER_FILE)).get_vocab()
    return sorted(index for token, index in vocabulary.items() if len(token) == 1 and is_han(token))


def place_han(encoder: TextEncoder, examples: list[Example], extractor: TextExtractor, console: Console) -> None:
    """Start the Chinese characters from their neighbourhoods in the training texts."""
    rows = han_rows()
    number = np.full(encoder.words.num_embeddings, -1, np.int64)
    number[rows] = np.arange(len(rows))
    texts = [example.text or "" for example in examples if example.lang == "zh"]
    console.print(f"text: placing {len(rows)} characters from {len(texts)} texts")
    ids = (number[features.rows[0].input_ids] for features in extractor.extract_batch(texts))
    vectors = embed_characters(count_neighbours(ids, len(rows)), encoder.words.embedding_dim)
    place_characters(encoder.words.weight, rows, vectors)
