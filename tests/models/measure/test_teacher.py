"""What the first stage is taught: texts as they are served, and what is kept of an interrupted run."""

import io
from contextlib import contextmanager

import numpy as np
import pytest
from rich.console import Console

from sluice.features.text import TextExtractor
from sluice.schema import LABELS
from sluice_models.config import Lessons
from sluice_models.data.bundle import Example, read_texts
from sluice_models.measure import teacher as module
from sluice_models.measure.teacher import Teacher, gather_lessons, open_teacher, review_logits, roughen_some, teach_all
from sluice_models.training.onnx_encoder import EncoderFileError

pytestmark = pytest.mark.torch
LONG = "All of this is about the garden and the weather in it. " * 30


def make_example(text, key="one"):
    return Example(key, text, None, "en", np.full(len(LABELS), np.nan, np.float32), "made")


@pytest.fixture
def taught_by(scorer, monkeypatch, tmp_path):
    """Stands for the exported models; notes how many texts it is asked about."""
    asked = []

    class Counting(Teacher):
        def teach(self, examples):
            asked.append(len(examples))
            return super().teach(examples)

    @contextmanager
    def open_counting(repository):
        yield Counting(scorer, ("en", "de"))

    monkeypatch.setattr(module, "open_teacher", open_counting)
    monkeypatch.setattr(module, "digest_models", lambda repository: "0123")
    monkeypatch.setattr(module, "N_CHUNK", 3)
    return lambda examples: teach_all(examples, tmp_path, Console(file=io.StringIO())), asked


def test_a_text_is_taught_by_its_first_window_and_the_scores_of_all_of_it(scorer):
    texts = ["The garden is open today and the weather is fine", LONG, "สวัสดีครับ วันนี้อากาศดีมาก ขอให้มีความสุขทุกวัน"]
    taught = Teacher(scorer, ("en", "de")).teach([make_example(text) for text in texts])
    windows = [features.rows[0].input_ids for features in TextExtractor().extract_batch(texts)]
    assert [row.tolist() for row in taught.ids] == [row.tolist() for row in windows]
    assert taught.is_whole.tolist() == [True, False, True]
    assert taught.languages.tolist() == ["en", "en", ""]
    np.testing.assert_allclose(1 / (1 + np.exp(-taught.logits)), scorer.score(texts).clip(1e-6, 1), rtol=1e-3)


def test_what_was_scored_is_not_scored_again(taught_by):
    teach, asked = taught_by
    examples = [make_example(f"Number {n}", str(n)) for n in range(5)]
    first, again = teach(examples), teach(examples)
    assert asked == [3, 2]
    np.testing.assert_array_equal(first.logits, again.logits)
    teach(examples[:4])
    assert asked == [3, 2, 3, 1]


def test_lessons_are_rows_of_the_bundle_and_sentences_of_ours_that_are_not_held_out(bundle):
    rows = read_texts(bundle, "train")
    lessons = gather_lessons(rows, Lessons(per_source=10, n_drawn=6, n_rough=0))
    drawn = lessons[-6:]
    assert [example.key for example in drawn[:3]] == ["drawn-0", "drawn-1", "drawn-2"]
    assert {example.key for example in lessons[:-6]} <= {row.key for row in rows}
    assert len(lessons) == 6 + 20  # of harmless ones, and of those with rare harms


def test_rough_texts_have_the_scores_of_the_plain_ones(scorer):
    examples = [make_example(f"The museum near the river opens at {n} in the morning") for n in range(8)]
    plain = Teacher(scorer, ("en",)).teach(examples)
    rough = roughen_some(plain, examples, 3)
    assert len(rough) == 3
    known = [row.tolist() for row in plain.ids]
    assert any(row.tolist() not in known for row in rough.ids)
    assert all(any(np.array_equal(logits, one) for one in plain.logits) for logits in rough.logits)


def test_a_label_without_a_threshold_is_never_reached():
    found = review_logits({"hate": 0.5, "spam": 0.9})
    assert found[LABELS.index("hate")] == 0
    assert found[LABELS.index("spam")] == pytest.approx(np.log(9))
    assert np.isinf(found).sum() == len(LABELS) - 2


def test_without_an_exported_encoder_there_is_no_teacher(tmp_path):
    with pytest.raises(EncoderFileError, match=r"text_encoder.*sluice_models\.export"), open_teacher(tmp_path):
        pass
