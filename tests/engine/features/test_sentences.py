"""Where sentences begin, in many scripts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.features.sentences import find_sentences


def split(text: str) -> list[str]:
    starts = find_sentences(text)
    return [text[start:stop] for start, stop in zip(starts, [*starts[1:], len(text)], strict=True)]


@pytest.mark.parametrize(
    "sentences",
    [
        ["Good morning. ", "How are you? ", "Fine!"],
        ['"Come in." ', "She smiled... ", "And left"],
        ["今天天气好。", "我去公园了！", "你去吗？"],
        ["“今天天气好。”", "他这么说。"],
        ["मैं घर जा रहा हूँ। ", "तुम कहाँ हो?"],
        ["أين أنت؟ ", "أنا في البيت."],
        ["one line\n", "another line\n\n", "last line"],
        ["Hello Dr. Who and Mrs. Miller! ", "J. K. is in"],
        ["Version 3.5 of a.b is out"],
        ["Wait... ", "what?! ", "Nothing."],
        [""],
        ["..."],
    ],
)
def test_sentences(sentences: list[str]) -> None:
    assert split("".join(sentences)) == sentences


@pytest.mark.parametrize("text", ["OK. Fine with me", "See you there. ;-)", "真的！好。"])
def test_a_very_short_one_is_no_sentence_of_its_own(text: str) -> None:
    assert split(text) == [text]


@pytest.mark.parametrize("text", ["! ", " ", "\n", '."', "。", "a. ", '" '])
def test_work_grows_with_the_text_and_not_with_its_square(text: str) -> None:
    starts = find_sentences(text * 100_000)
    assert starts == sorted(set(starts))


@given(st.text(st.sampled_from("ab .!\n。？\"'1"), max_size=60))
def test_sentences_are_all_of_the_text_and_none_is_empty(text: str) -> None:
    assert "".join(split(text)) == text
    assert all(split(text)) or not text
