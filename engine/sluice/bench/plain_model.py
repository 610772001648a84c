"""The shipped models in one process, as somebody would run them without Sluice: the peers' side of the comparison.

The same files, the same features and the same policy, so that the answers are the same. What Sluice adds is left out:
evidence, contributions, language, deadlines, text in pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import onnxruntime

from sluice.bench.tensors import Reader, as_inputs, cut, make_batch
from sluice.contract import FUSION, IMAGE_ENCODER, LABELS, MODALITIES, MODELS, TEXT_ENCODER, ModelSpec
from sluice.features import Features
from sluice.inference import Arrays
from sluice.logits import sigmoid
from sluice.modalities.parts import find_outstanding, is_cleared
from sluice.resources import default_policy, triton_repository
from sluice.schema import Decision, Post, decode_post
from sluice.triton_backend.sessions import quantise_once, read_cpu_flags
from sluice.verdict.documents import load_policy
from sluice.verdict.fusion import most_telling
from sluice.verdict.policy import decide, find

Precision = Literal["8bit", "32bit"]
N_ROWS = 32
KINDS = {f"{name}_encoder": kind for kind, name in enumerate(MODALITIES)}


class Answer(msgspec.Struct, frozen=True):
    """What a peer sends for a post: fields of a verdict."""

    post_id: str
    decision: Decision
    scores: dict[str, float]


@dataclass(frozen=True)
class _Part:
    post: int
    model: ModelSpec
    features: Features[Any]


class PlainModel:
    """Bytes of posts in, bytes of answers out, on the calling thread.

    Parameters
    ----------
    precision : {"8bit", "32bit"}
        The weights as Triton on a CPU runs them, or as they are.
    """

    def __init__(self, precision: Precision = "8bit") -> None:
        self._reader = Reader()
        self._policy = load_policy(default_policy())
        self._sessions = {spec.name: onnxruntime.InferenceSession(str(find_model(spec, precision))) for spec in MODELS}

    def score(self, messages: Sequence[bytes]) -> list[bytes]:
        """Answers as JSON, in order; raises `InvalidPost`."""
        return [msgspec.json.encode(answer) for answer in self.score_posts([decode_post(each) for each in messages])]

    def score_posts(self, posts: Sequence[Post]) -> list[Answer]:
        """Answers, in order; raises `PartFailed` for media that cannot be read."""
        parts = list(self._read(posts))
        outputs = self._encode(parts)
        of_posts = [[(part, outputs[n]) for n, part in enumerate(parts) if part.post == i] for i in range(len(posts))]
        fused = self._run(FUSION, [_fusion_row(each) for each in of_posts])
        return [self._judge(*each) for each in zip(posts, fused, map(_find_pictured, of_posts), strict=True)]

    def _read(self, posts: Sequence[Post]) -> Iterator[_Part]:
        for i, features in enumerate(self._reader.read_texts(posts)):
            if features.rows:
                yield _Part(i, TEXT_ENCODER, features)
            for _, spec, found in self._reader.read_media(posts[i]):
                yield _Part(i, spec, found)

    def _encode(self, parts: Sequence[_Part]) -> list[list[Arrays]]:
        """Outputs of each part's rows; details are read once more with what is around them, as Sluice does."""
        first = self._encode_rows([(part.model, list(part.features.rows)) for part in parts])
        again = [find_outstanding(part.features, rows) for part, rows in zip(parts, first, strict=True)]
        wider = self._encode_rows([(p.model, list(rows.values())) for p, rows in zip(parts, again, strict=True)])
        for outputs, numbers, closer in zip(first, again, wider, strict=True):
            for n, row in zip(numbers, closer, strict=True):
                if is_cleared(outputs[n]["logits"], row["logits"]):
                    outputs[n] = row
        return first

    def _encode_rows(self, wanted: Sequence[tuple[ModelSpec, list[Any]]]) -> list[list[Arrays]]:
        found: list[list[Arrays]] = [[] for _ in wanted]
        for model in dict.fromkeys(spec for spec, _ in wanted):
            places = [n for n, (spec, rows) in enumerate(wanted) if spec is model for _ in rows]
            rows = [row for spec, rows in wanted if spec is model for row in as_inputs(model, rows)]
            for n, outputs in zip(places, self._run(model, rows), strict=True):
                found[n].append(outputs)
        return found

    def _run(self, spec: ModelSpec, rows: Sequence[Arrays]) -> list[Arrays]:
        """Outputs of each row, from batches in the order given."""
        names = list(spec.output_names)
        found: list[Arrays] = []
        for group in cut(rows, N_ROWS):
            outputs = self._sessions[spec.name].run(names, make_batch(spec, group))
            found += [dict(zip(names, row, strict=True)) for row in zip(*outputs, strict=True)]
        return found

    def _judge(self, post: Post, fused: Arrays, pictured: set[str]) -> Answer:
        probability = np.round(sigmoid(fused["logits"].astype(np.float64)), 4)
        scores: Mapping[str, float] = dict(zip(LABELS, probability.tolist(), strict=True))
        decision = decide(self._policy, find(self._policy, scores, pictured), True, True)
        return Answer(post.id, decision, dict(scores))


def find_model(spec: ModelSpec, precision: Precision) -> Path:
    """The file of a model, in eight bits if Triton on a CPU serves it so."""
    folder = triton_repository() / spec.name
    model = folder / "1" / "model.onnx"
    is_quantised = '"rows8"' in (folder / "configs" / "cpu.pbtxt").read_text()
    return quantise_once(model, read_cpu_flags()) if precision == "8bit" and is_quantised else model


def _find_pictured(parts: Sequence[tuple[_Part, Sequence[Arrays]]]) -> set[str]:
    """Labels of which a picture says most."""
    own, others = (
        [row["logits"] for part, rows in parts if (part.model is IMAGE_ENCODER) is is_own for row in rows]
        for is_own in (True, False)
    )
    if not own:
        return set()
    is_highest = np.max(own, axis=0) > (np.max(others, axis=0) if others else -np.inf)
    return {label for label, highest in zip(LABELS, is_highest, strict=True) if highest}


def _fusion_row(parts: Sequence[tuple[_Part, Sequence[Arrays]]]) -> Arrays:
    """One row of the fusion model: the most telling tokens of every part of a post."""
    tokens, kinds = [], []
    for part, outputs in parts:
        chosen = most_telling(np.stack([row["logits"] for row in outputs]))
        tokens += [outputs[n]["tokens"] for n in chosen]
        kinds += [KINDS[part.model.name]] * sum(len(outputs[n]["tokens"]) for n in chosen)
    joined = np.concatenate(tokens)
    return {"tokens": joined, "mask": np.ones(len(joined), bool), "kind": np.array(kinds, np.int64)}
