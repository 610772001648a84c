"""Reading the training bundle: whose rows, in which order, with which labels, and what is said where it is missing."""

import json

import numpy as np
import pytest
import zstandard

from sluice.errors import SettingsError
from sluice.schema import LABELS
from sluice_models.data.bundle import (
    read_media,
    read_source_rows,
    read_targets,
    read_texts,
    read_unused_media,
    read_unused_texts,
    text_lines,
)

pytestmark = pytest.mark.torch


def make_line(key, text, **changes):
    row = {"id": key, "split": "train", "text": text, "licence_class": "open", "source": "made", "labels": {}}
    return {**row, "lang": "en", "licence": "CC0", **changes}


def write_texts(folder, lines, ending="\n"):
    content = ending.join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
    (folder / "text.jsonl.zst").write_bytes(zstandard.compress(content.encode()))
    return folder


def write_sounds(folder, lines):
    (folder / "audio.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return folder


def keys(rows):
    return [row.key for row in rows]


def test_labels_are_in_our_order_under_our_names_and_open_where_nobody_said():
    targets = read_targets({"toxic": 1, "spam": 0, "hate": None, "hate_symbol": 1})
    assert targets.dtype == np.float32
    known = {label: value for label, value in zip(LABELS, targets.tolist(), strict=True) if not np.isnan(value)}
    assert known == {"toxicity": 1.0, "spam": 0.0}


def test_a_row_is_read_whole(tmp_path):
    line = make_line("t1", "你好", lang="zh", source="one", labels={"toxic": 0}, meta={"votes": [1]})
    (row,) = read_texts(write_texts(tmp_path, [line]), "train")
    assert (row.key, row.text, row.lang, row.source, row.meta) == ("t1", "你好", "zh", "one", {"votes": [1]})
    assert row.media is None
    assert row.targets[LABELS.index("toxicity")] == 0


@pytest.mark.parametrize("meta", [{}, {"meta": None}])
def test_a_row_without_more_to_say_has_empty_meta(tmp_path, meta):
    (row,) = read_texts(write_texts(tmp_path, [make_line("t1", "a", **meta)]), "train")
    assert row.meta == {}


def test_the_order_is_that_of_the_file(tmp_path):
    lines = [make_line(f"t{number}", f"text {number}") for number in (5, 1, 3)]
    assert keys(read_texts(write_texts(tmp_path, lines), "train")) == ["t5", "t1", "t3"]


def test_empty_lines_are_passed_over_and_odd_line_ends_are_part_of_a_text(tmp_path):
    lines = [make_line("t1", "one\u2028two\rthree"), "", make_line("t2", "b"), ""]
    write_texts(tmp_path, lines)
    assert [line["text"] for line in text_lines(tmp_path)] == ["one\u2028two\rthree", "b"]


@pytest.mark.parametrize("reader", [lambda b: read_texts(b, "val"), read_unused_texts, lambda b: list(text_lines(b))])
def test_a_bundle_that_is_not_there_is_named(tmp_path, reader):
    with pytest.raises(SettingsError, match=r"--bundle: .*text\.jsonl\.zst does not exist; unpack"):
        reader(tmp_path)


@pytest.mark.parametrize("modality", ["images", "audio"])
def test_a_bundle_without_its_media_is_named(tmp_path, modality):
    with pytest.raises(SettingsError, match=rf"{modality}\.jsonl does not exist"):
        read_media(tmp_path, modality, "train")


def test_a_repeated_training_text_is_kept_and_only_what_is_measured_on_is_dropped(tmp_path):
    lines = [
        make_line("t1", "see you"),
        make_line("t2", "See you!"),
        make_line("t3", "good bye"),
        make_line("v1", "Good bye.", split="val"),
        make_line("x1", "Until then", split="test"),
        make_line("t4", "Until then!"),
    ]
    bundle = write_texts(tmp_path, lines)
    assert keys(read_texts(bundle, "train")) == ["t1", "t2"]
    assert keys(read_texts(bundle, "val")) == ["v1"]


def test_rows_under_non_commercial_terms_are_in_no_split(tmp_path):
    lines = [make_line(f"n-{split}", split, split=split, licence_class="nc") for split in ("train", "val")]
    bundle = write_texts(tmp_path, [*lines, make_line("t1", "text")])
    assert keys(read_texts(bundle, "train")) == ["t1"]
    assert keys(read_texts(bundle, "val")) == []
    assert keys(read_unused_texts(bundle)) == ["n-train", "n-val"]
    assert keys(read_source_rows(bundle, frozenset({"made"}))) == ["t1"]


def test_rows_of_a_source_are_of_both_splits_and_of_no_other_source(tmp_path):
    lines = [
        make_line("a1", "one", source="a"),
        make_line("b1", "two", source="b"),
        make_line("a2", "three", source="a", split="val"),
    ]
    bundle = write_texts(tmp_path, lines)
    assert keys(read_source_rows(bundle, frozenset({"a"}))) == ["a1", "a2"]
    assert keys(read_source_rows(bundle, frozenset())) == []


def test_clips_are_found_beside_their_list_and_none_is_compared_by_its_content(tmp_path):
    common = {"split": "train", "licence_class": "open", "source": "made", "labels": {"scream": 1}, "lang": None}
    lines = [{"id": f"a{number}", "audio": f"audio/{number}.wav", **common} for number in range(2)]
    lines += [{**lines[0], "id": "v1", "split": "val"}, {**lines[1], "id": "n1", "licence_class": "nc"}]
    rows = read_media(write_sounds(tmp_path, lines), "audio", "train")
    assert keys(rows) == ["a0", "a1"]  # no file is opened, though there is none
    assert rows[1].media == tmp_path / "audio" / "1.wav"
    assert rows[0].text is None
    assert keys(read_unused_media(tmp_path, "audio")) == ["n1"]


def test_an_extension_is_read_after_the_bundle_with_media_from_its_own_folder(tmp_path):
    extension = tmp_path / "extension"
    extension.mkdir()
    write_texts(tmp_path, [make_line("t1", "one")])
    write_texts(extension, [make_line("x-1", "two")])
    write_sounds(tmp_path, [make_line("a1", None, audio="audio/a.ogg")])
    write_sounds(extension, [make_line("xa-1", None, audio="audio/b.ogg")])
    assert keys(read_texts(tmp_path, "train")) == ["t1", "x-1"]
    clips = read_media(tmp_path, "audio", "train")
    assert [clip.media for clip in clips] == [tmp_path / "audio/a.ogg", extension / "audio/b.ogg"]


def test_a_text_of_the_bundle_that_its_extension_measures_on_is_not_trained_on(tmp_path):
    (tmp_path / "extension").mkdir()
    write_texts(tmp_path, [make_line("t1", "Same text"), make_line("t2", "another")])
    write_texts(tmp_path / "extension", [make_line("x-1", "same text", split="val")])
    assert keys(read_texts(tmp_path, "train")) == ["t2"]


def test_an_extension_may_lack_a_file_that_the_bundle_must_have(tmp_path):
    (tmp_path / "extension").mkdir()
    write_sounds(tmp_path, [make_line("a1", None, audio="audio/a.ogg")])
    assert keys(read_media(tmp_path, "audio", "train")) == ["a1"]
    write_texts(tmp_path / "extension", [make_line("x-1", "two")])
    with pytest.raises(SettingsError, match="unpack the training bundle there"):
        read_texts(tmp_path, "train")
