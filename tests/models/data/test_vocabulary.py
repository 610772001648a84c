import json

import pytest
from tokenizers import Tokenizer

from sluice_models.config import TOKENIZER_FILE
from sluice_models.data.vocabulary import SPECIAL_TOKENS, extend_tokenizer, find_frequent, is_kept, minilm_folder
from sluice_models.recipes.text.templates import fill_templates, load_templates

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("token", ["[PAD]", "hello", "##ing", "café", "!", "7", "中"])
def test_latin_chinese_digits_and_signs_are_kept(token):
    assert is_kept(token)


@pytest.mark.parametrize("token", ["[unused5]", "привет", "##ا", "한"])
def test_other_scripts_are_dropped(token):
    assert not is_kept(token)


def test_frequent_characters_come_first_and_known_ones_not_at_all():
    assert find_frequent(["饭饭吗", "中中中 😀"], {"中"}) == ["饭", "吗", "😀", "##😀"]


def test_the_extended_tokenizer_reads_chinese_character_by_character(tmp_path):
    source = json.loads((minilm_folder() / "tokenizer.json").read_text("utf-8"))
    extended = extend_tokenizer(source, ["鑫鑫"])
    (tmp_path / "tokenizer.json").write_text(json.dumps(extended), "utf-8")
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert tokenizer.encode("鑫鑫 hello").tokens == ["[CLS]", "鑫", "鑫", "hello", "[SEP]"]


def test_the_shipped_tokenizer_neither_truncates_nor_pads_and_starts_with_padding():
    content = json.loads(TOKENIZER_FILE.read_text("utf-8"))
    assert content["truncation"] is content["padding"] is None
    tokenizer = Tokenizer.from_file(str(TOKENIZER_FILE))
    assert [tokenizer.token_to_id(token) for token in SPECIAL_TOKENS] == list(range(5))
    assert len(tokenizer.encode("word " * 500).ids) == 502
    assert "[UNK]" not in tokenizer.encode("明天中午一起吃饭吗").tokens


def test_templates_name_known_slots_and_labels_and_repeat_by_seed():
    from sluice.schema import LABELS

    assert {label for family in load_templates().families for label in family.labels} <= set(LABELS)
    rows = fill_templates(400, seed=4)
    assert not [row.text for row in rows if "{" in row.text]
    assert [row.text for row in rows] == [row.text for row in fill_templates(400, seed=4)]
    harmless = [row for row in rows if (row.targets == 0).all()]
    assert 0.35 < len(harmless) / len(rows) < 0.75
