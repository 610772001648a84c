"""What an evaluation's reports share is made once, when the first asks for it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sluice.resources import default_policy
from sluice.verdict.documents import load_policy
from sluice.verdict.policy import Limits, Policy, Thresholds
from sluice_models.measure import context as module
from sluice_models.measure.context import EvaluationContext, thresholds_of
from sluice_models.networks.fusion import Fusion
from sluice_models.training.onnx_encoder import OnnxEncoder

pytestmark = pytest.mark.torch


@pytest.fixture
def context(tmp_path: Path) -> EvaluationContext:
    return EvaluationContext(tmp_path / "bundle", tmp_path / "runs", "val")


@pytest.mark.parametrize(("n_texts", "n_read"), [(0, 0), (1, 1), (9, 9), (10, 10), (11, 6), (20, 10), (25, 9)])
def test_texts_are_spread_evenly_and_no_more_than_asked_for(
    context: EvaluationContext, monkeypatch: pytest.MonkeyPatch, n_texts: int, n_read: int
) -> None:
    monkeypatch.setattr(module, "N_TEXTS", 10)
    monkeypatch.setattr(module, "read_texts", lambda bundle, split: list(range(n_texts)))
    monkeypatch.setattr(module, "sample_sources", lambda rows, n_rows: rows)
    found: Any = context.examples
    assert len(found) == n_read <= 10
    gaps = {after - before for before, after in pairwise(found)}
    assert len(gaps) <= 1


def test_texts_are_read_once(context: EvaluationContext, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list = []

    def read(bundle: Path, split: str) -> list[str]:
        asked.append((bundle, split))
        return ["a text"]

    monkeypatch.setattr(module, "read_texts", read)
    monkeypatch.setattr(module, "sample_sources", lambda rows, n_rows: rows)
    assert context.examples is context.examples
    assert asked == [(context.bundle, "val")]


def test_the_thresholds_are_the_shipped_policys(context: EvaluationContext) -> None:
    policy = load_policy(default_policy())
    assert context.thresholds == thresholds_of(policy)
    assert set(context.thresholds.review) <= set(policy.labels)


def test_a_label_without_a_threshold_never_asks_for_anything() -> None:
    labels = {"hate": Thresholds(0.4, 0.9), "spam": Thresholds(0.5), "fire": Thresholds(None, 0.8)}
    found = thresholds_of(Policy(name="p", version=1, labels=labels))
    assert found.review == {"hate": 0.4, "spam": 0.5}
    assert found.block == {"hate": 0.9, "fire": 0.8}


def test_posts_of_pictures_have_what_the_policy_asks_of_pictures() -> None:
    labels = {"hate": Thresholds(0.4, 0.9), "fire": Thresholds(0.3, 0.8, Limits(0.6))}
    found = thresholds_of(Policy(name="p", version=1, labels=labels), "image")
    assert (found.review, found.block) == ({"hate": 0.4, "fire": 0.6}, {"hate": 0.9})


def test_what_was_not_trained_is_taken_as_it_is_shipped(context: EvaluationContext) -> None:
    models = context.models
    assert all(isinstance(encoder, OnnxEncoder) for encoder in (models.text, models.image, models.audio))
    assert isinstance(models.fusion, Fusion)


def test_kinds_without_unused_rows_are_left_out(context: EvaluationContext, monkeypatch: pytest.MonkeyPatch) -> None:
    context.models = module.Models(None, None, None, None)
    context.__dict__ |= {"texts": "the scorer", "examples": []}
    monkeypatch.setattr(module, "MediaScorer", lambda *_: "a scorer")
    monkeypatch.setattr(module, "score_unused_texts", lambda *_: "texts")
    found = {"images": None, "audio": "clips"}
    monkeypatch.setattr(module, "score_unused_media", lambda scorer, bundle, modality: found[modality])
    unused: Any = context.unused
    assert unused == ["texts", "clips"]
