"""Byte pieces: every text can be spelled, padding and end have their places, rare pairs are not worth a piece."""

import pytest
from tokenizers import Tokenizer
from typer import Typer
from typer.testing import CliRunner

from sluice.features.text import BYTE_END
from sluice_models.config import BYTE_FILE
from sluice_models.data import byte_vocabulary
from sluice_models.data.byte_vocabulary import MIN_PAIRS, N_PIECES, PAD, train_pieces

pytestmark = pytest.mark.torch
N_FIRST = 2 + 256
"""Padding, the end, and a piece for every byte."""


@pytest.fixture(scope="module")
def pieces():
    return train_pieces(["The museum opens at nine"] * (2 * MIN_PAIRS) + ["a rare zebra"], n_pieces=300)


@pytest.mark.parametrize("text", ["plain", "你好", "🐵", "ж\u0301", "\x00\x7f", "𝔣𝔞𝔫𝔠𝔶"])
def test_every_text_is_spelled_without_loss(pieces, text):
    assert pieces.decode(pieces.encode(text).ids).strip() == text


def test_padding_is_0_and_the_end_is_1(pieces):
    assert (pieces.token_to_id(PAD), pieces.token_to_id(BYTE_END)) == (0, 1)
    assert pieces.get_vocab_size() <= 300


def test_frequent_words_become_one_piece_in_lower_case_and_rare_ones_do_not(pieces):
    assert len(pieces.encode("museum").ids) == 1
    assert len(pieces.encode("zebra").ids) > 3
    assert len(pieces.encode("MUSEUM").ids) > 1  # texts are lowered before they are spelled


def test_without_frequent_pairs_there_are_bytes_alone():
    assert train_pieces(["one text"]).get_vocab_size() == N_FIRST


def test_the_same_texts_give_the_same_pieces(pieces):
    again = train_pieces(["The museum opens at nine"] * (2 * MIN_PAIRS) + ["a rare zebra"], n_pieces=300)
    assert again.to_str() == pieces.to_str()


def test_the_shipped_pieces_are_of_that_kind():
    shipped = Tokenizer.from_file(str(BYTE_FILE))
    assert (shipped.token_to_id(PAD), shipped.token_to_id(BYTE_END)) == (0, 1)
    assert N_FIRST < shipped.get_vocab_size() <= N_PIECES


def test_the_command_writes_what_can_be_read_and_names_a_missing_bundle(bundle, tmp_path):
    app, out = Typer(), tmp_path / "bytes.json"
    app.command()(byte_vocabulary.main)
    result = CliRunner().invoke(app, ["--bundle", str(bundle), "--out", str(out)])
    assert result.exit_code == 0
    assert len(Tokenizer.from_file(str(out)).encode("window").ids) == 1
    missing = CliRunner().invoke(app, ["--bundle", str(tmp_path), "--out", str(tmp_path / "none.json")])
    assert missing.exit_code == 1
    assert "unpack the training bundle" in missing.output.replace("\n", " ")
    assert not (tmp_path / "none.json").exists()
