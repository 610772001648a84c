"""The vocabulary: which pieces of e5's are kept, and that texts are still spelled with them."""

import json
from collections import Counter

import pytest
from typer import Typer
from typer.testing import CliRunner

from sluice.errors import SettingsError
from sluice_models.config import TOKENIZER_FILE
from sluice_models.data import vocabulary
from sluice_models.data.e5 import E5
from sluice_models.data.vocabulary import (
    SPECIAL,
    build_tokenizer,
    choose_pieces,
    count_pieces,
    is_common_character,
    read_words,
)

pytestmark = pytest.mark.torch
WORDS = ("▁tea", "▁soup", "s", "▁", "t", "e", "a", "o", "u", "p", "茶", "瞳", "ж")
PIECES = [*((piece, 0.0) for piece in SPECIAL), *((word, -float(n + 1)) for n, word in enumerate(WORDS))]


def place_of(piece):
    return next(place for place, (each, _) in enumerate(PIECES) if each == piece)


def test_pieces_are_counted_in_texts_as_they_are_read():
    counts = count_pieces(build_tokenizer(PIECES), ["teas", "ｔｅａ", "s0up"], weight=2.0)
    assert counts[place_of("▁tea")] == 4
    assert counts[place_of("s")] == 2
    assert counts[place_of("▁soup")] == 2


@pytest.mark.parametrize(
    ("piece", "common"), [("a", True), ("▁ж", True), ("茶", False), ("한", False), ("▁tea", False)]
)
def test_characters_of_scripts_with_few_are_common(piece, common):
    assert is_common_character(piece) is common


def test_special_pieces_characters_and_the_most_frequent_are_kept_in_their_order():
    counts = Counter({place_of("▁soup"): 9.0, place_of("▁tea"): 2.0, place_of("茶"): 1.0})
    singles = [place for place, (piece, _) in enumerate(PIECES) if piece in WORDS and len(piece.strip("▁")) == 1]
    wanted = {*range(len(SPECIAL)), *singles, place_of("▁soup")} - {place_of("瞳")}
    kept = choose_pieces(PIECES, counts, len(wanted))
    assert kept == sorted(wanted)


def test_a_tokenizer_knows_what_it_cannot_spell():
    tokenizer = build_tokenizer(PIECES)
    assert tokenizer.encode("tea", add_special_tokens=False).tokens == ["▁tea"]
    assert SPECIAL.index("<unk>") in tokenizer.encode("ß", add_special_tokens=False).ids


def test_so_many_words_of_each_language_count(tmp_path, monkeypatch):
    monkeypatch.setattr(vocabulary, "N_WORDS", {"de": 2, "en": 1})
    file = tmp_path / "words.json"
    file.write_text(json.dumps({"en": ["the", "of"], "de": ["die", "und", "der"], "xx": ["?"]}), "utf-8")
    assert list(read_words(file)) == ["die", "und", "the"]


@pytest.mark.parametrize("content", ["no json", "[]"])
def test_a_file_without_word_lists_is_refused(tmp_path, content):
    (tmp_path / "words.json").write_text(content)
    with pytest.raises(SettingsError, match="--words"):
        list(read_words(tmp_path / "words.json"))


def test_the_command_writes_a_tokenizer(tmp_path, bundle, monkeypatch):
    letters = [(letter, -9.0) for letter in "▁abcdefghijklmnopqrstuvwxyz0123456789"]
    known = [*PIECES[: len(SPECIAL)], ("▁lunch", -1.0), ("▁gone", -1.0), *letters]
    monkeypatch.setattr(vocabulary, "read_e5", lambda: E5({}, known, {}))
    monkeypatch.setattr(vocabulary, "N_PIECES", len(SPECIAL) + len(letters) + 1)
    app = Typer()
    app.command()(vocabulary.main)
    result = CliRunner().invoke(app, ["--bundle", str(bundle), "--out", str(tmp_path / "tokenizer.json")])
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "tokenizer.json").read_text("utf-8"))["model"]["type"] == "Unigram"
    assert "pieces in" in result.stderr


def test_the_shipped_tokenizer_keeps_the_special_pieces_in_front():
    content = json.loads(TOKENIZER_FILE.read_text("utf-8"))
    assert [piece for piece, _ in content["model"]["vocab"][: len(SPECIAL)]] == list(SPECIAL)
    assert len(content["model"]["vocab"]) == vocabulary.N_PIECES
