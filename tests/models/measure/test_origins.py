"""Rows by source and licence, counted from the bundle's own files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import zstandard

from sluice.errors import SettingsError
from sluice_models.measure.origins import Origin, Origins, count_origins
from sluice_models.measure.report import Evaluation

pytestmark = pytest.mark.torch


def line(source: str = "one", split: str = "train", licence: str = "CC0", licence_class: str = "open") -> dict:
    return {"source": source, "split": split, "licence": licence, "licence_class": licence_class, "text": "a"}


def write_bundle(folder: Path, texts: list[dict], images: Sequence[dict] = (), audio: Sequence[dict] = ()) -> Path:
    packed = zstandard.compress("".join(json.dumps(each) + "\n" for each in texts).encode())
    (folder / "text.jsonl.zst").write_bytes(packed)
    for name, lines in (("images", images), ("audio", audio)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines), "utf-8")
    return folder


def test_rows_are_counted_by_split_and_other_splits_are_not(tmp_path: Path) -> None:
    texts = [line(), line(), line(split="val"), line(split="test")]
    assert count_origins(write_bundle(tmp_path, texts)) == [Origin("text", "one", "CC0", "open", 2, 1)]


def test_a_source_under_two_licences_is_two_origins(tmp_path: Path) -> None:
    texts = [line(), line(licence="MIT"), line(licence="MIT", licence_class="nc")]
    found = count_origins(write_bundle(tmp_path, texts))
    assert [(each.licence, each.licence_class) for each in found] == [("CC0", "open"), ("MIT", "nc"), ("MIT", "open")]


def test_texts_come_first_then_images_then_clips_each_by_name(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path, [line("b"), line("a")], [line("z")], [line("c"), line("a")])
    assert [(each.modality, each.source) for each in count_origins(bundle)] == [
        ("text", "a"), ("text", "b"), ("image", "z"), ("audio", "a"), ("audio", "c"),
    ]  # fmt: skip


def test_the_order_of_the_file_does_not_matter(tmp_path: Path) -> None:
    texts = [line(source, licence=licence) for source in "cab" for licence in ("MIT", "CC0")]
    first = count_origins(write_bundle(tmp_path, texts))
    assert count_origins(write_bundle(tmp_path, texts[::-1])) == first


def test_a_bundle_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"text\.jsonl\.zst does not exist"):
        count_origins(tmp_path)


@pytest.mark.parametrize(("licence_class", "used"), [("open", True), ("sa", True), ("nc", False)])
def test_only_non_commercial_terms_keep_a_source_out_of_training(licence_class: str, used: bool) -> None:
    assert Origin("text", "one", "-", licence_class, 1, 1).used is used


def tables(*origins: Origin) -> dict[str, list[str]]:
    made = Origins().tables(Evaluation("val", {"origins": origins}))
    return {table.name: table.markdown().splitlines()[2:] for table in made}


def test_classes_are_summed_and_sources_listed() -> None:
    shown = tables(
        Origin("text", "one", "CC0", "open", 10, 1),
        Origin("text", "two", "MIT", "open", 20, 2),
        Origin("text", "three", "CC-BY-NC", "nc", 40, 4),
        Origin("image", "four", "CC0", "open", 80, 8),
    )
    assert shown["licences"] == [
        "| image | open | 80 | 8 | yes |",
        "| text | nc | 40 | 4 | no |",
        "| text | open | 30 | 3 | yes |",
    ]
    assert [row.split(" | ")[1] for row in shown["sources"]] == ["one", "two", "four"]
