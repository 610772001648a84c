"""Scored rows of sources that are never trained on: which are drawn, and which are whose."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import zstandard

from sluice.schema import LABELS
from sluice_models.data.bundle import Example
from sluice_models.measure import unused_rows
from sluice_models.measure.unused_rows import ScoredRows, score_unused_media, score_unused_texts

pytestmark = pytest.mark.torch


def example(number: int, source: str = "news", lang: str | None = "en", hate: float = 0.0) -> Example:
    targets = np.full(len(LABELS), np.nan, np.float32)
    targets[LABELS.index("hate")] = hate
    return Example(f"{source}-{number}", f"text {number}", None, lang, targets, source)


class Counts:
    """Stands for a scorer of texts: each scores what place it has among those asked for."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def score(self, texts):
        self.texts = list(texts)
        return np.tile(np.arange(len(texts), dtype=np.float32)[:, None], (1, len(LABELS)))


def write_texts(folder: Path, **n_rows: int) -> Path:
    lines = [
        {"id": f"{source}-{i}", "split": "train", "text": f"{source} {i}", "labels": {"hate": 1}, "lang": "en",
         "licence": "-", "licence_class": "nc", "source": source}
        for source, n in n_rows.items()
        for i in range(n)
    ]  # fmt: skip
    content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    (folder / "text.jsonl.zst").write_bytes(zstandard.compress(content))
    return folder


def test_without_such_sources_there_is_nothing(tmp_path: Path) -> None:
    scorer = Counts()
    assert score_unused_texts(scorer, write_texts(tmp_path), [example(0)]) is None
    assert scorer.texts == []


def test_each_source_is_sampled_and_harmless_texts_follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unused_rows, "N_TEXTS", 5)
    scorer = Counts()
    rows = score_unused_texts(scorer, write_texts(tmp_path, one=20, two=3), [example(i) for i in range(4)])
    assert [row.source for row in rows.examples] == ["one"] * 5 + ["two"] * 3 + ["news"] * 4
    assert (rows.n_unused, rows.modality) == (8, "text")
    assert scorer.texts == [row.text for row in rows.examples]
    assert rows.scores[:, 0].tolist() == list(range(12))


def test_harmless_texts_are_harmless_and_of_the_languages_that_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unused_rows, "N_HARMLESS", 2)
    validation = [example(i, lang=lang) for lang in ("en", "zh", "de") for i in range(5)]
    validation += [example(100 + i, hate=1.0) for i in range(5)]
    rows = score_unused_texts(Counts(), write_texts(tmp_path, one=1), validation)
    assert [row.lang for row in rows.examples[rows.n_unused :]] == ["en", "en", "zh", "zh"]
    assert not [row for row in rows.examples[rows.n_unused :] if (row.targets == 1).any()]


def test_the_same_rows_are_drawn_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unused_rows, "N_TEXTS", 5)
    bundle = write_texts(tmp_path, one=50)
    first, second = (score_unused_texts(Counts(), bundle, []) for _ in range(2))
    assert [row.key for row in first.examples] == [row.key for row in second.examples]


def test_rows_belong_to_their_source_and_language() -> None:
    own = [example(i, "one", lang) for lang in ("en", None) for i in range(2)]
    rows = ScoredRows("text", [*own, example(9)], np.zeros((5, len(LABELS))), n_unused=4)
    groups = {(source, language): places.tolist() for source, language, places in rows.groups()}
    assert groups == {
        ("one", "en"): [True, True, False, False, False],
        ("one", ""): [False, False, True, True, False],
    }


def test_harmless_rows_of_a_source_of_the_same_name_are_not_its_own() -> None:
    rows = ScoredRows("text", [example(0, "one"), example(1, "one")], np.zeros((2, len(LABELS))), n_unused=1)
    ((_, _, places),) = rows.groups()
    assert places.tolist() == [True, False]


def test_targets_are_those_of_the_examples() -> None:
    rows = ScoredRows("text", [example(0), example(1, hate=1.0)], np.zeros((2, len(LABELS))), n_unused=2)
    assert rows.targets[:, LABELS.index("hate")].tolist() == [0.0, 1.0]


class ReadsSome:
    """Stands for a scorer of media that can read files with an even number."""

    modality = "audio"

    def score(self, examples):
        read = [each for each in examples if int(each.key.split("-")[1]) % 2 == 0]
        return read, np.zeros((len(read), len(LABELS)), np.float32)


@pytest.mark.parametrize(("numbers", "read"), [([1, 2, 3, 4], ["clip-2", "clip-4"]), ([1, 3], None), ([], None)])
def test_media_that_cannot_be_read_are_left_out(tmp_path: Path, numbers: list[int], read: list[str] | None) -> None:
    lines = [
        {"id": f"clip-{n}", "split": "train", "audio": f"{n}.wav", "labels": {}, "lang": None, "licence": "-",
         "licence_class": "nc", "source": "one"}
        for n in numbers
    ]  # fmt: skip
    (tmp_path / "audio.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    rows = score_unused_media(ReadsSome(), tmp_path, "audio")
    assert (rows and [row.key for row in rows.examples]) == read
    assert rows is None or rows.n_unused == len(read or [])
