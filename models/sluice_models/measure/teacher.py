"""Scores texts as they are served on a CPU, for the first stage: the text encoder in eight bits, and the fusion."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console

from sluice.features import Languages
from sluice.features.language import LanguageIdentifier
from sluice.features.text import TextExtractor
from sluice.schema import LABELS
from sluice.triton_backend.row_quantisation import quantise_file
from sluice_models.config import TRITON_REPO, Lessons, digest_models, read_languages
from sluice_models.data.bundle import Example
from sluice_models.measure.quantisation_check import read_cpu_flags
from sluice_models.measure.score_texts import TextScorer
from sluice_models.recipes.text.drawing import Drawer
from sluice_models.recipes.text.multilingual import keep_sentences, load_languages
from sluice_models.recipes.text.noise import roughen
from sluice_models.recipes.text.taught import Float32, Taught, join_taught, load_taught
from sluice_models.recipes.text.templates import fill_templates
from sluice_models.training.bundle_encoding import sample_sources
from sluice_models.training.onnx_encoder import EncoderFileError, OnnxEncoder, read_head
from sluice_models.training.onnx_fusion import load_exported_fusion

N_CHUNK = 4096
"""Texts whose scores are kept in one file: what an interrupted run does again at most."""


class Teacher:
    """What Triton serves on a CPU, in process.

    Parameters
    ----------
    scorer : TextScorer
    languages : tuple of str
        Codes of those that the text encoder reads.
    """

    def __init__(self, scorer: TextScorer, languages: Sequence[str]) -> None:
        self._scorer = scorer
        self._languages = frozenset(languages)
        self._extractor, self._identifier = TextExtractor(), LanguageIdentifier()

    def teach(self, examples: Sequence[Example]) -> Taught:
        """Score texts; at least one."""
        texts = [example.text or "" for example in examples]
        features = self._extractor.extract_batch(texts)
        return Taught(
            [each.rows[0].input_ids.astype(np.int32) for each in features],
            np.array([each.partial is None and len(each.rows) - len(each.wider) == 1 for each in features]),
            _to_logits(self._scorer.score(texts)),
            np.stack([example.targets for example in examples]),
            np.array([_main_language(each) for each in self._identifier.identify(texts, self._languages)]),
        )


def _to_logits(probabilities: Float32) -> Float32:
    kept = probabilities.clip(1e-6, 1 - 1e-6)
    return np.asarray(np.log(kept / (1 - kept)), np.float32)


def _main_language(found: Languages) -> str:
    """Empty where a part of the text is in a language that is not read."""
    return "" if found.unread else found.main.code


def review_logits(review: Mapping[str, float]) -> Float32:
    """Thresholds of a policy as logits, shape = (labels,); infinite for a label without one."""
    return np.array(
        [math.log(review[label] / (1 - review[label])) if label in review else np.inf for label in LABELS], np.float32
    )


@contextmanager
def open_teacher(repository: Path = TRITON_REPO) -> Iterator[Teacher]:
    """The exported text encoder and fusion; raises `EncoderFileError` if one is not there."""
    file = repository / "text_encoder" / "1" / "model.onnx"
    head = read_head(file) if file.is_file() else None
    if head is None:
        raise EncoderFileError(f"{file} was not written by sluice_models.export: its head cannot be read")
    with TemporaryDirectory() as scratch:
        quantised = Path(scratch) / "model.onnx"
        quantise_file(file, quantised, read_cpu_flags())
        encoder = OnnxEncoder("text_encoder", quantised, head)
        fusion = load_exported_fusion(repository / "fusion" / "1" / "model.onnx")
        yield Teacher(TextScorer(encoder, fusion), read_languages(repository))


def gather_lessons(examples: Sequence[Example], lessons: Lessons) -> list[Example]:
    """Training texts: a sample of every source and language, and sentences of our own."""
    rng = random.Random(5)
    drawer = Drawer(keep_sentences(load_languages(), held_out=False))
    n_templates = lessons.n_drawn // 4
    drawn = [drawer.draw(rng, f"drawn-{n}") for n in range(lessons.n_drawn - n_templates)]
    return [*sample_sources(examples, lessons.per_source), *drawn, *fill_templates(n_templates, seed=5)]


def roughen_some(taught: Taught, examples: Sequence[Example], n_rough: int) -> Taught:
    """Some of the texts, written roughly, with what was said of them as they were.

    The first stage is to see through rough writing at least as well as those it stands for.
    """
    rng = random.Random(6)
    places = np.array(sorted(rng.sample(range(len(examples)), min(n_rough, len(examples)))))
    rough = [roughen(rng, examples[place].text or "") for place in places]
    chosen = taught.choose(np.isin(np.arange(len(taught)), places))
    windows = [features.rows[0].input_ids.astype(np.int32) for features in TextExtractor().extract_batch(rough)]
    return replace(chosen, ids=windows)


def teach_all(examples: Sequence[Example], folder: Path, console: Console, repository: Path = TRITON_REPO) -> Taught:
    """Score texts, or read what an earlier run left of them in `folder`; at least one.

    Raises
    ------
    EncoderFileError
        If the text encoder or the fusion is not exported.
    """
    digest = f"{digest_models(repository)}-{_digest(examples)}"
    parts = []
    with open_teacher(repository) as teacher:
        for start in range(0, len(examples), N_CHUNK):
            file = folder / f"{digest}-{start:07d}.npz"
            if not file.is_file():
                teacher.teach(examples[start : start + N_CHUNK]).save(file)
                console.print(f"{min(start + N_CHUNK, len(examples))} of {len(examples)} texts scored")
            parts.append(load_taught(file))
    return join_taught(parts)


def _digest(examples: Sequence[Example]) -> str:
    """Other texts have other files."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(f"{example.key}\0{example.text}\0".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]
