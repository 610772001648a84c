"""Trains the text encoder's towers, each by itself: MiniLM fine-tuned; the byte tower as a language model, then too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path

import msgspec
import numpy as np
import torch
from rich.console import Console
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own custom)

from sluice.features.text import TextExtractor
from sluice_models.config import TOKENIZER_FILE, TextConfig, TextSampling, Training
from sluice_models.data.bundle import Example
from sluice_models.data.vocabulary import is_han
from sluice_models.networks.heads import LabelHead, shared_head
from sluice_models.networks.text import ByteTower, TextEncoder, WordTower
from sluice_models.recipes.text.texts import TextBatch, add_noise, bucket, collate, prepare, sample_pass
from sluice_models.training.character_embeddings import count_neighbours, embed_characters, write_character_embeddings
from sluice_models.training.checkpoint import build_text_encoder, load_state, minilm_indices
from sluice_models.training.loop import Task, fit
from sluice_models.training.losses import masked_loss, masked_mark_loss, weigh_positives
from sluice_models.training.source_offsets import OFFSET_RATE, SourceOffsets, find_sources

MARK_WEIGHT = 0.5
LANGUAGE_WEIGHT = 0.2
"""Of the language-modelling loss beside the labels' (Radford et al. 2018 take 0.5)."""
LANGUAGE_EVERY = 4
"""One row in so many is also read as language while labels are learned: it is a third of a row's cost."""
KNOWN_WORD_SHARE = 0.15
"""Share of an embedding step that words known to MiniLM take: they are not to leave the space of unseen words."""
ParameterGroups = list[dict[str, object]]


class TowerClassifier(nn.Module):
    """One tower with a head of its own, in the directions that all text heads share.

    `offsets` are kept beside them and only used in training.
    """

    def __init__(self, tower: WordTower | ByteTower, sources: Iterable[str] = ()) -> None:
        super().__init__()
        self.tower = tower
        self.head: LabelHead = shared_head()
        self.offsets = SourceOffsets(sources)


def train_words(examples: list[Example], config: TextConfig, runs: Path, console: Console) -> None:
    """Train the word tower and leave ``words.pt`` in `runs`."""
    torch.manual_seed(0)
    extractor = TextExtractor()
    tower = build_text_encoder().words
    initialise_han_embeddings(tower, examples, extractor, console)
    model, weights = TowerClassifier(tower, find_sources(examples)), positive_weights(examples, config.rows)

    def loss(batch: TextBatch) -> Tensor:
        tokens, scores = tower(batch.input_ids, batch.attention_mask)
        logits = model.offsets(model.head(tokens), batch.sources)
        return label_loss(logits, batch, weights) + MARK_WEIGHT * masked_mark_loss(scores, batch.marks)

    batches = endless_batches(examples, extractor, config.rows, config.words.n_batch)
    fit(
        Task("words", model, word_parameter_groups(model, config.words), batches, loss, KnownWordDamping(tower)),
        config.words,
        runs,
        console,
    )


def train_language(examples: list[Example], config: TextConfig, runs: Path, console: Console) -> None:
    """Train the byte tower to predict each next piece of all texts and leave ``language.pt`` in `runs`."""
    torch.manual_seed(1)
    tower = build_text_encoder().bytes
    batches = language_batches(examples, TextExtractor(), config)
    groups: ParameterGroups = [{"params": list(tower.parameters()), "lr": config.language.learning_rate}]
    fit(
        Task("language", tower, groups, batches, lambda batch: language_loss(tower, tower.read(batch.byte_ids), batch)),
        config.language,
        runs,
        console,
    )


def train_bytes(examples: list[Example], config: TextConfig, runs: Path, console: Console) -> None:
    """Train the byte tower on labels, from ``language.pt``, and leave ``bytes.pt`` in `runs`."""
    torch.manual_seed(2)
    tower = build_text_encoder().bytes
    load_state(tower, "language", runs)
    model, weights = TowerClassifier(tower, find_sources(examples)), positive_weights(examples, config.rows)

    def loss(batch: TextBatch) -> Tensor:
        hidden = tower.read(batch.byte_ids)
        logits = model.offsets(model.head(tower.pool(hidden, batch.byte_mask)), batch.sources)
        return label_loss(logits, batch, weights) + LANGUAGE_WEIGHT * language_loss(
            tower, hidden, batch, LANGUAGE_EVERY
        )

    batches = endless_batches(examples, TextExtractor(), config.rows, config.bytes.n_batch, by_bytes=True)
    fit(Task("bytes", model, byte_parameter_groups(model, config.bytes), batches, loss), config.bytes, runs, console)


def label_loss(logits: Tensor, batch: TextBatch, weights: Tensor) -> Tensor:
    """Binary cross-entropy of the labels of a batch; logits (B, labels), weights (labels,)."""
    return masked_loss(logits, batch.targets, batch.weights, weights)


def language_loss(tower: ByteTower, hidden: Tensor, batch: TextBatch, every: int = 1) -> Tensor:
    """Mean negative log-likelihood of each next piece, in nats; hidden (B, M, D), one row in `every`."""
    logits = tower.predict(hidden[::every, :-1]).float()
    wanted, counts = batch.byte_ids[::every, 1:], batch.byte_mask[::every, 1:]
    losses = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none")
    return (losses * counts.flatten()).sum() / counts.sum().clamp(min=1)


def positive_weights(examples: list[Example], rows: TextSampling) -> Tensor:
    """How much a label's positives count, shape = (labels,), by how rare they are in a pass."""
    targets = np.stack([example.targets for example in sample_pass(examples, rows, 0)])
    return weigh_positives(targets, rows.max_positive_weight)


def endless_batches(
    examples: list[Example],
    extractor: TextExtractor,
    rows: TextSampling,
    n_batch: int,
    by_bytes: bool = False,
    first_seed: int = 0,
) -> Iterator[TextBatch]:
    """Pass after pass, each sampled anew and with new spelling noise."""
    for seed in count(first_seed):
        drawn = add_noise(sample_pass(examples, rows, seed), seed)
        prepared = prepare(drawn, extractor, rows)
        yield from (collate(batch) for batch in bucket(prepared, n_batch, seed, by_bytes))


def language_batches(examples: list[Example], extractor: TextExtractor, config: TextConfig) -> Iterator[TextBatch]:
    """Every text in every pass, and templates."""
    everything = msgspec.structs.replace(config.rows, max_rows={})
    return endless_batches(examples, extractor, everything, config.language.n_batch, by_bytes=True)


def word_parameter_groups(model: TowerClassifier, training: Training) -> ParameterGroups:
    """MiniLM's own weights learn slowly; what starts from nothing, and the word embedding, faster."""
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    fresh = ("tower.pooling", "tower.marks", "head")
    return [
        offset_parameter_group(model, training),
        {
            "params": [w for n, w in named if not n.startswith((*fresh, "offsets", "tower.words"))],
            "lr": training.learning_rate,
        },
        {"params": [w for n, w in named if n.startswith(fresh)], "lr": training.fresh_learning_rate},
        {
            "params": [w for n, w in named if n.startswith("tower.words")],
            "lr": training.fresh_learning_rate * 0.5,
            "weight_decay": 0.0,
        },
    ]


def byte_parameter_groups(model: TowerClassifier, training: Training) -> ParameterGroups:
    """What the language model learned moves less than what is new."""
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    fresh = ("tower.pooling", "head")
    return [
        offset_parameter_group(model, training),
        {"params": [w for n, w in named if not n.startswith((*fresh, "offsets"))], "lr": training.learning_rate},
        {"params": [w for n, w in named if n.startswith(fresh)], "lr": training.fresh_learning_rate},
    ]


def offset_parameter_group(model: TowerClassifier, training: Training) -> dict[str, object]:
    """Fast, so that the offsets are known before the towers learn them."""
    return {
        "params": list(model.offsets.parameters()),
        "lr": training.fresh_learning_rate * OFFSET_RATE,
        "weight_decay": 0.0,
    }


class KnownWordDamping:
    """Damps each optimiser step on the embeddings of words that MiniLM knows to `KNOWN_WORD_SHARE` of its size."""

    def __init__(self, tower: WordTower) -> None:
        self._words = tower.words.weight
        known, _ = minilm_indices(Tokenizer.from_file(str(TOKENIZER_FILE)).get_vocab())
        self._is_slow = torch.zeros(len(self._words), 1)
        self._is_slow[known] = 1.0
        self._is_slow[han_token_ids()] = 0.0  # it knows some of these, but has hardly read them
        self._before: Tensor | None = None  # taken late: a resumed run loads its weights after this

    def __call__(self) -> None:
        """Undo most of the last step; the first step of a run stays whole."""
        if self._before is None:
            self._before = self._words.detach().clone()
            self._is_slow = self._is_slow.to(self._words.device)
        share = 1.0 - self._is_slow * (1.0 - KNOWN_WORD_SHARE)
        with torch.no_grad():
            self._before += (self._words - self._before) * share
            self._words.copy_(self._before)


def han_token_ids() -> list[int]:
    """Ids of the Chinese characters, in ascending order."""
    vocabulary = Tokenizer.from_file(str(TOKENIZER_FILE)).get_vocab()
    return sorted(index for token, index in vocabulary.items() if len(token) == 1 and is_han(token))


def initialise_han_embeddings(
    tower: WordTower, examples: list[Example], extractor: TextExtractor, console: Console
) -> None:
    """Start the Chinese characters from their neighbourhoods in the training texts."""
    rows = han_token_ids()
    number = np.full(tower.words.num_embeddings, -1, np.int64)
    number[rows] = np.arange(len(rows))
    texts = [example.text or "" for example in examples if example.lang == "zh"]
    console.print(f"words: placing {len(rows)} characters from {len(texts)} texts")
    ids = (number[features.rows[0].input_ids] for features in extractor.extract_batch(texts))
    vectors = embed_characters(count_neighbours(ids, len(rows)), tower.words.embedding_dim)
    write_character_embeddings(tower.words.weight, rows, vectors)


def join_towers(encoder: TextEncoder, sources: Sequence[str], runs: Path) -> SourceOffsets:
    """Fill a text encoder with both trained towers; its head, and the offsets returned, are midway between theirs."""
    models = TowerClassifier(encoder.words, sources), TowerClassifier(encoder.bytes, sources)
    for model, name in zip(models, ("words", "bytes"), strict=True):
        load_state(model, name, runs)
    with torch.no_grad():
        encoder.head.evidence.bias.copy_(torch.stack([model.head.evidence.bias for model in models]).mean(dim=0))
        offsets = SourceOffsets(sources)
        offsets.table.weight.copy_(torch.stack([model.offsets.table.weight for model in models]).mean(dim=0))
    return offsets.requires_grad_(False)
