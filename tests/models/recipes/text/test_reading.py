"""Texts for training: word pieces, what is marked in them, and batches in which twins stand side by side."""

import random

import msgspec
import numpy as np
import pytest
from tokenizers import Tokenizer

from sluice.features.text import TextExtractor
from sluice.schema import HARMS, LABELS
from sluice_models.config import TOKENIZER_FILE, TextConfig, load_config
from sluice_models.recipes.text.reading import (
    Reader,
    TextExample,
    collate,
    find_marked,
    find_start,
    make_batches,
    mark_pieces,
    pair_up,
)
from sluice_models.recipes.text.templates import SOURCE
from tests.models.recipes.text.rows import NOTHING, label_row, make_example, make_harmless

pytestmark = pytest.mark.torch

RECIPE = load_config("text_encoder", TextConfig).rows
TOXICITY, HATE, SPAM = (LABELS.index(label) for label in ("toxicity", "hate", "spam"))
WORDS = Tokenizer.from_file(str(TOKENIZER_FILE))


@pytest.fixture(scope="module")
def reader():
    return Reader(RECIPE)


def read_one(reader, example):
    (row,) = reader.read([example], 0)
    return row


def words_of(ids):
    return [WORDS.id_to_token(int(index)).strip("▁") for index in ids]


def marked_words(row, label):
    return [word for word, mark in zip(words_of(row.ids), row.marks[:, label], strict=True) if mark == 1]


def test_training_reads_what_serving_reads(reader):
    text = "you are a f00l, см. ｗｉｄｅ 你好"
    row = read_one(reader, make_example(text, toxicity=1))
    assert row.ids.tolist() == TextExtractor().extract(text).rows[0].input_ids.tolist()


def test_spans_mark_the_pieces_that_they_touch_for_the_harms_that_hold(reader):
    row = read_one(reader, make_example(meta={"spans": [[10, 14]]}, toxicity=1, hate=0))
    assert "".join(marked_words(row, TOXICITY)) == "fool"
    assert (row.marks[:, HATE] == 0).all()
    assert np.isnan(row.marks[:, LABELS.index("profanity")]).all()


def test_rationales_mark_pieces_by_the_share_of_annotators(reader):
    meta = {"tokens": ["you", "are", "a", "fool"], "rationale": [0, 0, 0, 0.5]}
    row = read_one(reader, make_example(meta=meta, toxicity=1))
    assert row.marks[:, TOXICITY].max() == 0.5
    assert row.marks[1, TOXICITY] == 0


def test_pieces_that_nobody_was_asked_about_are_left_out(reader):
    assert np.isnan(read_one(reader, make_example(toxicity=1)).marks).all()


def test_nothing_is_evidence_in_a_harmless_text(reader):
    assert (read_one(reader, make_harmless("hello there")).marks == 0).all()


def test_a_sentence_that_is_harmful_as_a_whole_says_nothing_of_any_one_piece(reader):
    said = make_example(source=SOURCE, meta={"spans": [(0, 14)], "whole": True}, **{**NOTHING, "toxicity": 1})
    row = read_one(reader, said)
    assert np.isnan(row.marks[1:-1, TOXICITY]).all()
    assert (row.marks[:, HATE] == 0).all()
    assert row.marks[0, TOXICITY] == 0


@pytest.mark.parametrize(
    ("source", "meta", "sure"),
    [
        (SOURCE, {"spans": [(0, 4)]}, True),
        (SOURCE, {"spans": [(0, 13)]}, False),  # nearly all of it
        ("made", {"spans": [(0, 13)]}, True),  # an annotator marked it
        (SOURCE, {"spans": [(0, 13)], "composed": True}, True),
        ("made", {"spans": [(0, 4)], "composed": True, "whole": True}, False),
    ],
)
def test_marks_are_sure_unless_they_say_only_that_it_is_somewhere(source, meta, sure):
    ((_, _, share),) = find_marked(make_example(source=source, meta=meta, toxicity=1))
    assert np.isnan(share) != sure


def test_harms_that_hold_though_nothing_is_marked_are_open():
    marks = mark_pieces(np.zeros(3, np.float32), 3, label_row(toxicity=1, hate=0))
    assert np.isnan(marks[:, TOXICITY]).all()
    assert (marks[:, HATE] == 0).all()
    assert marks.shape == (3, len(HARMS))


def test_long_texts_are_cut_so_that_what_is_marked_stays(reader):
    text = "soup " * 150 + "fool " + "soup " * 150
    example = make_example(text, meta={"spans": [[750, 754]]}, toxicity=1)
    for seed in range(5):
        (row,) = Reader(msgspec.structs.replace(RECIPE, long_share=0.0)).read([example], seed)
        assert len(row.ids) == RECIPE.max_pieces
        assert "".join(marked_words(row, TOXICITY)) == "fool"


def test_composed_posts_and_some_others_may_be_longer(reader):
    text = "soup " * 400
    composed = read_one(reader, make_example(text, meta={"composed": True}, toxicity=0))
    assert len(composed.ids) == RECIPE.max_long_pieces
    lengths = {len(row.ids) for row in reader.read([make_example(text, toxicity=0)] * 100, 0)}
    assert lengths == {RECIPE.max_pieces, RECIPE.max_long_pieces}


def test_a_row_that_fits_begins_at_the_beginning():
    shares = np.array([0, 0, 1], np.float32)
    assert find_start(random.Random(0), shares, 3, 5) == 0
    assert find_start(random.Random(0), None, 9, 5) == 0


def make_row(n_pieces, twin=""):
    marks = np.zeros((n_pieces, len(HARMS)), np.float32)
    row = label_row(toxicity=0)
    return TextExample(np.arange(1, n_pieces + 1), marks, row, np.ones_like(row), f"of {n_pieces}", twin)


def test_batches_hold_every_row_once_and_no_more_than_they_may():
    rows = [make_row(n) for n in range(2, 60)] * 3
    recipe = msgspec.structs.replace(RECIPE, batch_pieces=200, batch_rows=16)
    batches = make_batches(rows, recipe, seed=0)
    assert sorted(row.source for batch in batches for row in batch) == sorted(row.source for row in rows)
    assert all(len(batch) <= 16 for batch in batches)
    assert all(len(batch) * max(len(row.ids) for row in batch) <= 200 for batch in batches)


def test_twins_are_never_parted():
    rows = [make_row(2 + n % 9, twin=f"t{n // 2}") for n in range(80)] + [make_row(n) for n in range(2, 20)]
    batches = make_batches(rows, msgspec.structs.replace(RECIPE, batch_rows=5), seed=1)
    assert sum(len(pair_up(batch)) for batch in batches) == 40


def test_shorter_rows_are_padded_and_nothing_is_known_there():
    batch = collate([make_row(3), make_row(5, "a"), make_row(4, "a")])
    assert batch.input_ids.shape == (3, 5)
    assert batch.attention_mask.sum(dim=1).tolist() == [3, 5, 4]
    assert (batch.input_ids[batch.attention_mask == 0] == 0).all()
    assert batch.marks[batch.attention_mask == 0].isnan().all()
    assert batch.twins.tolist() == [[1, 2]]
    assert batch.sources == ("of 3", "of 5", "of 4")
