"""Texts: short ones are extracted together, and the encoder's marks become spans."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sluice.features import Features, Language, Languages, TextRow
from sluice.modalities.extraction import ExtractionCrashed, on_threads
from sluice.modalities.marks import MAX_SPANS
from sluice.modalities.text import (
    BRIEF_CHARACTERS,
    LABELS_OF_WORDS,
    MAX_TOGETHER,
    SHARE_OF_PEAK,
    SHARE_OF_PEAK_OF_WORDS,
    SHORT_CHARACTERS,
    TextModality,
    find_spans,
)
from sluice.schema import LABELS, Post
from tests.engine.pipelines import extract_text


class Panic(BaseException):
    """As a library in Rust raises it."""


def identify(texts: list[str]) -> list[Languages]:
    return [Languages(Language("en", len(text) / 10_000)) for text in texts]


class Extractor:
    """Extracts texts on a thread that waits for `gate`; remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.texts = TextModality(self.extract_batch, on_threads(ThreadPoolExecutor(1)), identify)

    def extract_batch(self, texts: list[str]) -> list[Features[TextRow]]:
        self.batches.append(texts)
        self.gate.wait(30)
        if "bad" in texts:
            raise ValueError("bad")
        if "panic" in texts:
            raise Panic
        return [extract_text(text) for text in texts]


async def test_each_text_gets_its_own_features_in_few_batches() -> None:
    extractor = Extractor()
    texts = ["word " * n for n in range(1, 200)]
    waiting = [asyncio.create_task(extractor.texts.extract(text)) for text in texts]
    extractor.gate.set()
    features = await asyncio.gather(*waiting)
    assert [len(one.rows[0].input_ids) for one in features] == [n + 1 for n in range(1, 200)]
    assert [one.languages for one in features] == identify(texts)
    assert [len(batch) for batch in extractor.batches] == [MAX_TOGETHER] * 3 + [199 - 3 * MAX_TOGETHER]


async def test_only_what_is_brief_together_is_read_on_the_spot() -> None:
    threads: list[threading.Thread] = []

    def extract_batch(texts: list[str]) -> list[Features[TextRow]]:
        threads.append(threading.current_thread())
        return [extract_text(text) for text in texts]

    texts = TextModality(extract_batch, on_threads(ThreadPoolExecutor(1)), identify)
    brief = "a" * BRIEF_CHARACTERS
    await texts.extract(brief)
    await texts.extract(f"{brief}a")
    await asyncio.gather(texts.extract(brief), texts.extract("a"))
    assert [thread is threading.current_thread() for thread in threads] == [True, False, False]


async def test_a_long_text_goes_alone() -> None:
    extractor = Extractor()
    extractor.gate.set()
    long = "word " * SHORT_CHARACTERS
    await asyncio.gather(*(extractor.texts.extract(text) for text in ("short", long)))
    assert sorted(map(len, extractor.batches)) == [1, 1]


async def test_a_fault_is_told_and_the_next_texts_are_extracted() -> None:
    extractor = Extractor()
    extractor.gate.set()
    with pytest.raises(ValueError, match="bad"):
        await extractor.texts.extract("bad")
    assert (await extractor.texts.extract("good")).rows


@pytest.mark.parametrize(("text", "error"), [("bad", ValueError), ("panic", ExtractionCrashed)])
async def test_a_text_that_cannot_be_read_takes_no_neighbour_down(text: str, error: type[Exception]) -> None:
    extractor = Extractor()
    texts = ["first", "one", text, "three"]
    waiting = [asyncio.create_task(extractor.texts.extract(each)) for each in texts]
    extractor.gate.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Features, Features, error, Features]


async def test_a_caller_that_gave_up_does_not_disturb_the_others() -> None:
    extractor = Extractor()
    texts = (f"{word} " * BRIEF_CHARACTERS for word in ("go", "st"))
    gone, stays = (asyncio.create_task(extractor.texts.extract(text)) for text in texts)
    while not extractor.batches:
        await asyncio.sleep(0)
    gone.cancel()
    extractor.gate.set()
    assert (await stays).rows


TEXT = "i am so glad, my dear friends, that you came here at last to see us all again"


def text_row(*words: str) -> TextRow:
    """A row of word pieces: each stands where it first occurs in `TEXT`; nothing is a special token."""
    starts = [TEXT.index(word) if word else 0 for word in words]
    spans = [(start, start + len(word)) for start, word in zip(starts, words, strict=True)]
    ids = np.ones(len(spans), np.int64)
    return TextRow(ids, ids, np.array(spans, np.int32))


def found(rows: list[TextRow], *scores: list[float], label: str = "threat") -> list[str]:
    spans = find_spans(TEXT, rows, [np.array(each) for each in scores], label)
    return [TEXT[span.start : span.end] for span in spans]


def test_neighbouring_tokens_give_one_span() -> None:
    row = text_row("", "i", "so", "glad", "dear", "friends", "here", "")
    assert found([row], [0.9, 0.1, 0.8, 0.7, 0.1, 0.1, 0.9, 0.9]) == ["so glad", "here"]


def test_a_piece_of_a_word_gives_the_whole_word() -> None:
    assert found([text_row("rien", "ag")], [0.9, 0.9]) == ["friends", "again"]


def test_special_tokens_and_lone_spaces_are_never_evidence() -> None:
    assert found([text_row("", " ", "")], [0.9, 0.9, 0.9]) == []


def test_windows_that_overlap_give_one_span() -> None:
    rows = [text_row("i", "am"), text_row("am", "so")]
    assert found(rows, [0.0, 0.9], [0.9, 0.0]) == ["am"]


def test_what_several_rows_say_of_a_token_is_averaged() -> None:
    rows = [text_row("glad", "dear"), text_row("glad", "last")]
    assert found(rows, [0.9, 0.3], [0.1, 0.9]) == ["glad", "last"]
    assert found(rows, [0.7, 0.3], [0.1, 0.9]) == ["last"]


@pytest.mark.parametrize("peak", [0.2, 0.9])
@pytest.mark.parametrize(
    ("label", "share"), [("hate", SHARE_OF_PEAK), *((each, SHARE_OF_PEAK_OF_WORDS) for each in sorted(LABELS_OF_WORDS))]
)
def test_what_comes_near_the_highest_score_is_shown(label: str, share: float, peak: float) -> None:
    scores = [peak, (share + 0.01) * peak, (share - 0.01) * peak]
    assert found([text_row("glad", "came", "last")], scores, label=label) == ["glad", "came"]


def test_only_the_strongest_spans_are_kept_in_order() -> None:
    words = TEXT.replace(",", "").split()[::2]
    assert len(words) > MAX_SPANS
    assert found([text_row(*words)], np.linspace(0.5, 0.9, len(words)).tolist()) == words[-MAX_SPANS:]


def test_a_text_that_marks_nothing_points_nowhere() -> None:
    assert found([text_row("glad")], [0.05]) == []


def test_each_label_has_evidence_of_its_own_from_the_rows_that_show_it() -> None:
    def output(logits: dict[str, float], scores: dict[str, list[float]]) -> dict[str, np.ndarray]:
        return {
            "logits": np.array([logits.get(label, -9.0) for label in LABELS]),
            "token_scores": np.array([scores.get(label, [0.0, 0.0]) for label in LABELS]),
        }

    modality = Extractor().texts
    rows = [text_row("glad", "dear"), text_row("came", "last")]
    outputs = [
        output({"threat": 3.0, "spam": -3.0}, {"threat": [0.9, 0.1], "spam": [0.9, 0.9]}),
        output({"threat": -3.0, "spam": 3.0}, {"threat": [0.9, 0.9], "spam": [0.1, 0.9]}),
    ]
    (part,) = modality.parts(Post(id="1", text=TEXT))
    spelled = {
        label: [TEXT[span.start : span.end] for span in modality.evidence(part, rows, outputs, label)]
        for label in ("threat", "spam")
    }
    assert spelled == {"threat": ["glad"], "spam": ["last"]}
