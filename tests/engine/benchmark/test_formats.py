"""Each set's file becomes texts with their truths; what is wrong with it is named by file, line and column."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from sluice.benchmark.formats import ANY
from sluice.benchmark.names import SetName
from sluice.benchmark.rows import Row
from sluice.benchmark.sets import read_set
from sluice.errors import BenchmarkError
from tests.engine.benchmark.sets import HATECHECK, write_all


def read(folder: Path, name: SetName) -> list[Row]:
    return read_set(name, [write_all(folder)[name]])


def test_hatecheck(tmp_path: Path) -> None:
    first, second, third = read(tmp_path, SetName.hatecheck)
    assert first == Row("They, all of them, are bad people.", {ANY: True}, "derog_x_h")
    assert (second.group, third.truth) == ("neutral_x_nh", {ANY: False})


def test_large_cells_are_for_these_tables_alone(tmp_path: Path) -> None:
    usual_bytes = csv.field_size_limit()
    file = tmp_path / "large.csv"
    file.write_text(HATECHECK + f"3,x,1,{'so ' * usual_bytes},hateful,them,\n")
    assert len(read_set(SetName.hatecheck, [file])) == 4
    assert csv.field_size_limit() == usual_bytes


def test_multilingual_hatecheck_names_the_language(tmp_path: Path) -> None:
    rows = read(tmp_path, SetName.multilingual_hatecheck)
    assert [row.language for row in rows] == ["german", "german", "mandarin"]


def test_in_openais_samples_what_is_missing_is_not_known(tmp_path: Path) -> None:
    first, second, third = read(tmp_path, SetName.openai)
    assert first.truth == {"violence": True, "hate": False, "sexual": False, ANY: True}
    assert second.truth[ANY] is False
    assert third.truth == {"harassment": True, ANY: True}


def test_toxicchat_keeps_line_breaks(tmp_path: Path) -> None:
    rows = read(tmp_path, SetName.toxicchat)
    assert rows[0] == Row("Write a mean letter\nto my neighbour", {ANY: True})
    assert rows[1].truth == {ANY: False}


def test_xstest(tmp_path: Path) -> None:
    assert [(row.group, row.truth[ANY]) for row in read(tmp_path, SetName.xstest)] == [
        ("homonyms", False),
        ("contrast_homonyms", True),
    ]


def test_cold_with_and_without_fine_labels(tmp_path: Path) -> None:
    assert [row.group for row in read(tmp_path, SetName.cold)] == [
        "attacks a group",
        "against bias",
        "other, not offensive",
    ]
    (tmp_path / "dev.csv").write_text(",split,topic,label,TEXT\n0,dev,race,1,大家好\n", "utf-8")
    assert read_set(SetName.cold, [tmp_path / "dev.csv"]) == [Row("大家好", {ANY: True}, "")]


def test_chineseharm(tmp_path: Path) -> None:
    assert [(row.group, row.truth[ANY]) for row in read(tmp_path, SetName.chineseharm)] == [
        ("博彩", True),
        ("不违规", False),
    ]


def test_several_files_are_one_set(tmp_path: Path) -> None:
    file = write_all(tmp_path)["hatecheck"]
    assert len(read_set(SetName.hatecheck, [file, file])) == 6


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("hatecheck", HATECHECK.replace("label_gold", "gold"), ":1: column label_gold is missing; there are "),
        ("hatecheck", HATECHECK.replace("next door.,non-hateful", "next door.,maybe"), ":4: label_gold: neither "),
        ("hatecheck", HATECHECK + "3,short\n", ":5: test_case: the line ends before it"),
        ("hatecheck", HATECHECK + '3,x,1,"never closed\n', ":5: not CSV: "),
        ("hatecheck", "", ":1: column functionality is missing"),
        ("hatecheck", "functionality,test_case,label_gold\n", ": no texts"),
        ("openai", '{"prompt": "hello"}\n{"prompt": "x", "H": 2}', ":2: H: neither 0 nor 1"),
        ("openai", '{"prompt": "hello"}\n{"prompt": ', ":2:12: not JSON: "),
        ("openai", '{"text": "hello"}', ":1: prompt: a string is wanted"),
        ("openai", "[]", ":1: an object is wanted"),
        ("toxicchat", "user_input,toxicity\nhello,yes\n", ":2: toxicity: neither 0 nor 1"),
        ("cold", "label,fine-grained-label,TEXT\n0,7,hello\n", ":2: fine-grained-label: none of 0, 1, 2, 3"),
        ("chineseharm", '[{"文本": "x", "标签": "y"}]', ": object:1: 标签: none of "),
        ("chineseharm", '{"文本": "x"}', ":1: an array of objects is wanted"),
        ("chineseharm", "[\n{]", ":2:2: not JSON: "),
    ],
)
def test_a_mistake_is_named_by_file_line_and_column(tmp_path: Path, name: str, content: str, error: str) -> None:
    file = tmp_path / "set.txt"
    file.write_text(content, "utf-8")
    with pytest.raises(BenchmarkError) as caught:
        read_set(SetName(name), [file])
    assert f"{file}{error}" in str(caught.value)


@pytest.mark.parametrize(
    ("file", "content"), [("gone.csv", None), ("bad.csv", b"\xff\xfe\xff"), ("bad.gz", b"no gzip")]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, file: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(BenchmarkError, match=file):
        read_set(SetName.hatecheck, [tmp_path / file])
