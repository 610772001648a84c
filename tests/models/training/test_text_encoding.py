"""Texts through an encoder as they are served: rows, a second look at what stands out, and the most telling ones."""

import numpy as np
import pytest
import torch

from sluice.contract import MAX_FUSED_ROWS
from sluice.features.text import TextExtractor
from sluice.schema import LABELS
from sluice_models.config import D_TOKEN, N_TOKENS
from sluice_models.training import text_encoding as module
from sluice_models.training.text_encoding import encode_texts

pytestmark = pytest.mark.torch
EXTRACTOR = TextExtractor()
CALM = ["soup is on the table", "the train left at noon", "my cat sleeps all day", "rain again this morning"]


def make_encoder(word, loud=3.0, acquitted_by=None):
    """An encoder whose every logit says whether a word is in the row; beside another word it says less."""
    wanted, other = (
        None if each is None else int(EXTRACTOR.extract(each).rows[0].input_ids[1]) for each in (word, acquitted_by)
    )

    def encode(input_ids, attention_mask):
        found = ((input_ids == wanted) & (attention_mask == 1)).any(dim=1).float()
        excused = (input_ids == other).any(dim=1).float() if other is not None else torch.zeros_like(found)
        logits = (-5 + (loud + 5) * found * (1 - 0.9 * excused))[:, None].expand(-1, len(LABELS))
        return logits[:, None, :1].expand(-1, N_TOKENS, D_TOKEN), logits, None

    return encode


def test_a_short_text_is_one_row_and_the_rest_of_the_room_is_masked():
    found = encode_texts(make_encoder("fool"), EXTRACTOR, ["a fool", "a cat"])
    assert found.tokens.shape == (2, MAX_FUSED_ROWS * N_TOKENS, D_TOKEN)
    assert found.mask.sum(axis=1).tolist() == [N_TOKENS] * 2
    assert found.mask[:, :N_TOKENS].all()
    assert found.logits[:, 0].tolist() == [3, -5]
    assert (found.tokens[found.mask == 0] == 0).all()


def test_every_sentence_of_a_text_counts_and_no_more_rows_are_kept_than_are_fused():
    text = ". ".join(f"{said} for {number} days" for number in range(4) for said in CALM) + "."
    found = encode_texts(make_encoder("cat"), EXTRACTOR, [text])
    assert found.mask.sum() == MAX_FUSED_ROWS * N_TOKENS
    assert found.logits[0, 0] == 3


def test_a_sentence_that_stands_out_counts_with_its_neighbours():
    text = ". ".join([CALM[0], CALM[1], "you fool", "he said that", CALM[2], CALM[3]]) + "."
    rows = EXTRACTOR.extract(text)
    assert rows.wider
    meant = encode_texts(make_encoder("fool"), EXTRACTOR, [text]).logits[0, 0]
    excused = encode_texts(make_encoder("fool", acquitted_by="said"), EXTRACTOR, [text]).logits[0, 0]
    assert meant == 3
    assert excused < 0


def test_results_depend_neither_on_the_order_nor_on_how_many_go_together(monkeypatch):
    texts = [*CALM, "a fool", ". ".join(CALM)]
    encoder = make_encoder("fool")
    whole = encode_texts(encoder, EXTRACTOR, texts)
    monkeypatch.setattr(module, "N_BATCH", 3)
    monkeypatch.setattr(module, "N_CHUNK", 2)
    turned = encode_texts(encoder, EXTRACTOR, texts[::-1])
    np.testing.assert_array_equal(turned.logits[::-1], whole.logits)
    np.testing.assert_array_equal(turned.tokens[::-1], whole.tokens)
    np.testing.assert_array_equal(turned.mask[::-1], whole.mask)
