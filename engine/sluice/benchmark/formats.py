"""The sets' own formats, by their authors' documentation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sluice.benchmark.rows import Row, read_array, read_flag, read_lines, read_table

BINARY = {"0": False, "1": True}

HATEFUL = {"hateful": True, "non-hateful": False}

OPENAI_CATEGORIES = {
    "S": "sexual",
    "H": "hate",
    "V": "violence",
    "HR": "harassment",
    "SH": "self-harm",
    "S3": "sexual/minors",
    "H2": "hate/threatening",
    "V2": "violence/graphic",
}
"""Codes in the file and what they stand for."""
ANY = "any"
"""Whether a text belongs to any category of its set."""

HARMLESS = "不违规"
CHINESE_HARMS = ("博彩", "低俗色情", "谩骂引战", "欺诈", "黑产广告", HARMLESS)
"""Gambling, sexual, abuse, fraud, illicit advertising, and none, in the order of the authors' script."""

COLD_GROUPS = {"0": "other, not offensive", "1": "attacks a person", "2": "attacks a group", "3": "against bias"}


def read_hatecheck(file: Path) -> Iterator[Row]:
    """HateCheck's ``test_suite_cases.csv`` (Röttger et al. 2021)."""
    for place, cells in read_table(file, ("functionality", "test_case", "label_gold")):
        hateful = read_flag(place, cells, "label_gold", HATEFUL)
        yield Row(cells["test_case"], {ANY: hateful}, cells["functionality"])


def read_multilingual_hatecheck(file: Path) -> Iterator[Row]:
    """The files of Multilingual HateCheck (Röttger et al. 2022): the language stands before the number of the case."""
    for place, cells in read_table(file, ("mhc_case_id", "functionality", "test_case", "label_gold")):
        hateful = read_flag(place, cells, "label_gold", HATEFUL)
        language = cells["mhc_case_id"].rpartition("-")[0]
        yield Row(cells["test_case"], {ANY: hateful}, cells["functionality"], language)


def read_openai(file: Path) -> Iterator[Row]:
    """OpenAI's ``samples-1680.jsonl.gz`` (Markov et al. 2022): a category that is missing is not known."""
    for place, cells in read_lines(file, ("prompt",)):
        known = [code for code in OPENAI_CATEGORIES if cells.get(code) is not None]
        truth = {OPENAI_CATEGORIES[code]: read_flag(place, cells, code, BINARY) for code in known}
        # As in the comparisons that are published: no harm that anybody noted is no harm.
        yield Row(cells["prompt"], {**truth, ANY: any(truth.values())})


def read_toxicchat(file: Path) -> Iterator[Row]:
    """ToxicChat's ``toxic-chat_annotation_test.csv`` (Lin et al. 2023)."""
    for place, cells in read_table(file, ("user_input", "toxicity")):
        yield Row(cells["user_input"], {ANY: read_flag(place, cells, "toxicity", BINARY)})


def read_xstest(file: Path) -> Iterator[Row]:
    """XSTest's ``xstest_prompts.csv`` (Röttger et al. 2024)."""
    for place, cells in read_table(file, ("prompt", "type", "label")):
        unsafe = read_flag(place, cells, "label", {"unsafe": True, "safe": False})
        yield Row(cells["prompt"], {ANY: unsafe}, cells["type"])


def read_cold(file: Path) -> Iterator[Row]:
    """COLD's ``test.csv`` (Deng et al. 2022), or its other parts, which lack the fine labels."""
    for place, cells in read_table(file, ("label", "TEXT")):
        offensive = read_flag(place, cells, "label", BINARY)
        fine = cells.get("fine-grained-label")
        if fine is not None and fine not in COLD_GROUPS:
            raise place.wrong("fine-grained-label", f"none of {', '.join(COLD_GROUPS)}")
        yield Row(cells["TEXT"], {ANY: offensive}, COLD_GROUPS[fine] if fine is not None else "")


def read_chineseharm(file: Path) -> Iterator[Row]:
    """ChineseHarm-Bench's ``bench.json`` (2025, arXiv:2506.10960): one class per text."""
    for place, cells in read_array(file, ("文本", "标签")):
        label = cells["标签"].strip()
        if label not in CHINESE_HARMS:
            raise place.wrong("标签", f"none of {', '.join(CHINESE_HARMS)}")
        yield Row(cells["文本"], {ANY: label != HARMLESS}, label)
