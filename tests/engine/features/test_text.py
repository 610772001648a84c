import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from sluice.contract import MAX_TEXT_ROWS
from sluice.errors import SettingsError
from sluice.features import TEXT_WINDOW_TOKENS, Features, TextRow
from sluice.features.text import END, MAX_WHOLE_CHARS, START, TextExtractor
from sluice.features.windows import MAX_WINDOWS, OVERLAP_TOKENS

WORDS = ["<pad>", START, END, "<unk>", "<", ">", "kill", "yo", "##u", "fi", "##ne", "hello", "s", "你", "好"]
FIRST, LAST, UNK = (WORDS.index(word) for word in (START, END, "<unk>"))
N_INNER = TEXT_WINDOW_TOKENS - 2
UNKNOWN_ID = 3
"""Of the shipped tokenizer."""


@pytest.fixture(scope="session")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer like the shipped one in kind, small enough to know every id; it truncates and pads by default."""
    vocabulary = {word: index for index, word in enumerate(WORDS + [f"w{index}" for index in range(5_000)])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(WORDS[:4])
    tokenizer.enable_truncation(TEXT_WINDOW_TOKENS)
    tokenizer.enable_padding(length=TEXT_WINDOW_TOKENS)
    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(file))
    return file


@pytest.fixture(scope="session")
def extractor(tokenizer_file: Path) -> TextExtractor:
    return TextExtractor(tokenizer_file)


def spell(text: str, row: TextRow) -> list[str]:
    return [text[start:end] for start, end in row.spans[1:-1]]


def number_words(n_words: int) -> str:
    return " ".join(f"w{index % 5_000}" for index in range(n_words))


def read_ids(features: Features[TextRow]) -> set[int]:
    return {int(token) for row in features.rows for token in row.input_ids}


def test_a_short_text_is_one_row_with_special_tokens(extractor: TextExtractor) -> None:
    row = extractor.extract("Hello you").rows[0]
    assert row.input_ids.tolist() == [FIRST, WORDS.index("hello"), WORDS.index("yo"), WORDS.index("##u"), LAST]
    assert row.attention_mask.tolist() == [1] * 5
    assert row.spans.tolist() == [[0, 0], [0, 5], [6, 8], [8, 9], [0, 0]]
    assert [part.dtype.name for part in (row.input_ids, row.attention_mask, row.spans)] == ["int64", "int64", "int32"]


def test_a_batch_gives_what_single_texts_give(extractor: TextExtractor) -> None:
    texts = ["hello", "", number_words(500), "你好", "x" * (MAX_WHOLE_CHARS + 1), "yo"]
    for batched, text in zip(extractor.extract_batch(texts), texts, strict=True):
        single = extractor.extract(text)
        assert batched.partial == single.partial
        assert [row.input_ids.tolist() for row in batched.rows] == [row.input_ids.tolist() for row in single.rows]


def test_no_texts_give_no_features(extractor: TextExtractor) -> None:
    assert extractor.extract_batch([]) == []


@pytest.mark.parametrize("text", ["", " \n", "\x00\x01", "\u200b\u202e\ufeff", "\ufe0f"])
def test_nothing_visible_is_one_row_of_special_tokens(extractor: TextExtractor, text: str) -> None:
    features = extractor.extract(text)
    assert [row.input_ids.tolist() for row in features.rows] == [[FIRST, LAST]]
    assert features.partial is None


def test_only_emoji_is_one_row_whose_words_point_at_them(extractor: TextExtractor) -> None:
    (row,) = extractor.extract("😀🎉").rows
    assert row.input_ids.tolist() == [FIRST, UNK, UNK, UNK, UNK, UNK, LAST]  # 😀 grinning 🎉 party popper
    assert row.spans[1:-1].tolist() == [[0, 1], [0, 1], [1, 2], [1, 2], [1, 2]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ki\u200bll yo", ["ki\u200bll", "yo"]),
        ("\u202ellik\u202c yo", ["llik", "yo"]),
        ("<i>ki</i>ll yo", ["ki</i>ll", "yo"]),
        ("&#107;ill&nbsp;yo", ["&#107;ill", "yo"]),
        ("ｋｉｌｌ", ["ｋｉｌｌ"]),
        ("ﬁne", ["ﬁ", "ne"]),
        ("k\u00adi\u2060ll", ["k\u00adi\u2060ll"]),
        ("你 好", ["你 ", "好"]),  # a gap inside a word belongs to what is before it
        ("x\U0001f600 kill", ["x\U0001f600", "\U0001f600", "kill"]),
    ],
)
def test_spans_point_into_the_text_as_published(extractor: TextExtractor, text: str, words: list[str]) -> None:
    assert spell(text, extractor.extract(text).rows[0]) == words


def test_a_text_cannot_spell_special_tokens(extractor: TextExtractor) -> None:
    ids = extractor.extract("kill &lt;/s&gt; yo").rows[0].input_ids.tolist()
    assert ids == [FIRST, *(WORDS.index(word) for word in ("kill", "<", "<unk>", "s", ">", "yo")), LAST]


def test_windows_overlap_and_miss_nothing(extractor: TextExtractor) -> None:
    features = extractor.extract(number_words(300))
    assert features.partial is None
    assert len(features.rows) == 3
    first, second, third = (row.input_ids[1:-1].tolist() for row in features.rows)
    assert len(first) == N_INNER
    assert first[-OVERLAP_TOKENS:] == second[:OVERLAP_TOKENS]
    assert second[-OVERLAP_TOKENS:] == third[:OVERLAP_TOKENS]
    assert first + second[OVERLAP_TOKENS:] + third[OVERLAP_TOKENS:] == [len(WORDS) + index for index in range(300)]


@pytest.mark.parametrize(("n_words", "n_rows"), [(N_INNER, 1), (N_INNER + 1, 2), (N_INNER + 94, 2), (N_INNER + 95, 3)])
def test_the_last_window_is_never_a_mere_repeat(extractor: TextExtractor, n_words: int, n_rows: int) -> None:
    assert len(extractor.extract(number_words(n_words)).rows) == n_rows


def test_of_too_many_windows_first_spread_and_last_are_read(extractor: TextExtractor) -> None:
    text = number_words(4_900)
    features = extractor.extract(text)
    assert features.partial == "32 of 52 windows read"
    assert len(features.rows) == MAX_WINDOWS
    starts = [int(row.spans[1, 0]) for row in features.rows]
    assert starts == sorted(set(starts))
    assert len(WORDS) in features.rows[0].input_ids
    assert spell(text, features.rows[-1])[-1] == "w4899"


@pytest.mark.parametrize(
    "text",
    [
        number_words(200_000)[: 2**20],
        "你好，世界！" * (2**20 // 6),
        "\u0301\u0316" * 2**19,  # marks that NFKC must sort
        "\ufdfa" * 2**20,  # each becomes 18 characters
        "\ufdfa" * MAX_WHOLE_CHARS,
        "\ud800" * 2**20,
        "\u200b" * 2**20,
        "a" * 2**20,
        "😀" * 2**20,
    ],
    ids=["words", "chinese", "marks", "ligatures", "expanding", "surrogates", "invisible", "one word", "emoji"],
)
def test_a_megabyte_is_sampled_not_read_whole(extractor: TextExtractor, text: str) -> None:
    features = extractor.extract(text)
    assert 1 <= len(features.rows) <= MAX_WINDOWS
    assert re.fullmatch(r"\d+ of about \d+ windows read", features.partial or "")
    assert all(len(row.input_ids) <= TEXT_WINDOW_TOKENS for row in features.rows)
    assert all(row.spans.min() >= 0 and row.spans.max() <= len(text) for row in features.rows)


def test_the_end_of_a_megabyte_is_read(extractor: TextExtractor) -> None:
    text = "w1 " * 2**18 + "kill"
    row = extractor.extract(text).rows[-1]
    assert row.input_ids[-2] == WORDS.index("kill")
    assert spell(text, row)[-1] == "kill"


def test_a_megabyte_is_read_from_start_to_end_in_order(extractor: TextExtractor) -> None:
    text = number_words(200_000)
    starts = [int(row.spans[1, 0]) for row in extractor.extract(text).rows]
    assert starts == sorted(starts)
    assert max(np.diff(starts)) < 2 * len(text) / 24


def test_a_missing_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone.json"):
        TextExtractor(tmp_path / "gone.json")


def test_a_tokenizer_of_another_kind_is_named(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    Tokenizer(models.WordPiece({"[CLS]": 0, "[SEP]": 1, "[UNK]": 2}, unk_token="[UNK]")).save(str(file))
    with pytest.raises(SettingsError, match=r"other\.json: its vocabulary lacks <s> or </s>"):
        TextExtractor(file)


SENTENCES = ["Hello you.", "Fine!", "Kill yo?", "Hello hello hello."]


def test_sentences_are_read_by_themselves_and_wait_with_their_neighbours(extractor: TextExtractor) -> None:
    text = " ".join(SENTENCES)
    features = extractor.extract(text)
    spelled = [" ".join(spell(text, row)) for row in features.rows]
    assert spelled[1:] == ["Hello yo u .", "Fi ne !", "Kill yo ?", "Hello hello hello ."]
    assert {n: " ".join(spell(text, row)) for n, row in features.wider.items()} == {
        1: "Hello yo u . Fi ne !",
        2: "Hello yo u . Fi ne ! Kill yo ?",
        3: "Fi ne ! Kill yo ? Hello hello hello .",
        4: "Kill yo ? Hello hello hello .",
    }
    assert features.partial is None


@pytest.mark.parametrize("text", ["Hello you.", "Hello you. Fine!", "hello you fine kill yo", "Hello you.\n\n!!!\n"])
def test_where_neighbours_are_all_there_is_the_whole_is_enough(extractor: TextExtractor, text: str) -> None:
    features = extractor.extract(text)
    assert len(features.rows) == 1
    assert not features.wider


def test_a_sentence_that_is_repeated_is_read_once(extractor: TextExtractor) -> None:
    features = extractor.extract("Kill yo! " * 20)
    spans = [row.spans[1].tolist() for row in features.rows]
    assert spans == [[0, 4], [0, 4], [9, 13]]  # the whole, and two that have other neighbours


def test_of_many_sentences_several_go_together_and_no_word_is_left_out(extractor: TextExtractor) -> None:
    text = "".join(f"W{n} hello. " for n in range(300))
    features = extractor.extract(text)
    assert features.partial is None
    assert len(features.rows) <= MAX_TEXT_ROWS
    details = [features.rows[n] for n in features.wider]
    assert sorted(start for row in details for start, _ in row.spans[1:-1].tolist()) == [
        n for n in range(len(text)) if text[n] in "Wh."
    ]


def test_the_shipped_tokenizer_reads_many_languages() -> None:
    extractor = TextExtractor()
    for text in (
        "good morning",
        "你好世界",
        "доброе утро",
        "おはようございます",
        "좋은 아침",
        "शुभ प्रभात",
        "صباح الخير",
    ):
        row = extractor.extract(text).rows[0]
        assert "".join(spell(text, row)) == text.replace(" ", "")
        assert UNKNOWN_ID not in row.input_ids


def test_a_sentence_of_a_script_without_spaces_begins_as_a_text_does() -> None:
    extractor = TextExtractor()
    first, second = "今天天气很好。", "我们去公园玩。"
    rows = extractor.extract(first + second + first + second).rows
    assert rows[2].input_ids.tolist() == extractor.extract(second).rows[0].input_ids.tolist()


@given(text=st.text(st.characters(), max_size=300))
def test_any_text_has_rows_with_spans_inside_it(extractor: TextExtractor, text: str) -> None:
    for row in extractor.extract(text).rows:
        starts, ends = row.spans[1:-1].T
        assert np.all(starts <= ends)
        assert np.all(ends <= len(text))
        assert row.input_ids[0] == FIRST
        assert row.input_ids[-1] == LAST
