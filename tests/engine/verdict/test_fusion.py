"""The fusion model's rows and what is read out of its outputs."""

from dataclasses import replace

import numpy as np
import pytest

from sluice.contract import MAX_FUSED_ROWS, N_TOKENS
from sluice.modalities.base import AnyModality, Part
from sluice.modalities.scored import ScoredPart
from sluice.schema import LABELS
from sluice.verdict.fusion import find_pictured, fusion_rows, highest_of, most_telling, read_scores, whole_row
from tests.engine.pipelines import Bench

N_LABELS = len(LABELS)
MODALITIES: dict[str, AnyModality] = {each.name: each for each in Bench().modalities}


def scored(name: str, n_rows: int, value: float = 1.0) -> ScoredPart:
    modality = MODALITIES[name.split(":")[0]]
    outputs = [
        {"tokens": np.full((4, 256), value, np.float32), "logits": np.full(N_LABELS, value)} for _ in range(n_rows)
    ]
    return ScoredPart(Part(modality, name, ""), [None] * n_rows, outputs)


def test_the_first_row_sees_all_and_each_other_one_part_less() -> None:
    whole, without_text, without_image = fusion_rows([scored("text", 1, 1.0), scored("image:0", 2, 2.0)])
    assert whole["tokens"].shape == (12, 256)
    assert whole["kind"].tolist() == [0] * 4 + [1] * 8
    assert whole["mask"].all()
    assert without_text["mask"].tolist() == [False] * 4 + [True] * 8
    assert without_image["mask"].tolist() == [True] * 4 + [False] * 8


@pytest.mark.parametrize("n_rows", [1, 3, MAX_FUSED_ROWS + 5])
def test_the_row_of_an_only_part_is_the_first_of_all_its_rows(n_rows: int) -> None:
    part = scored("image:0", n_rows)
    short, whole = whole_row(part), fusion_rows([part])[0]
    assert short.keys() == whole.keys()
    for name, array in whole.items():
        assert short[name].dtype == array.dtype
        assert np.array_equal(short[name], array)


def test_parts_of_one_name_are_left_out_together() -> None:
    parts = [scored("text", 1), scored("image:0", 1), replace(scored("text", 2), part=scored("image:0", 1).part)]
    whole, without_text, without_image = fusion_rows(parts)
    assert whole["mask"].all()
    assert without_text["mask"].tolist() == [False] * 4 + [True] * 12
    assert without_image["mask"].tolist() == [True] * 4 + [False] * 12
    outputs = [{"logits": np.zeros(N_LABELS), "severity": np.zeros(N_LABELS)}] * 3
    assert list(read_scores(parts, outputs).contributions("threat")) == ["text", "image:0"]


def test_labels_of_which_an_image_or_the_words_in_it_say_most_are_known() -> None:
    words = replace(scored("text", 1, 2.0), part=Part(MODALITIES["text"], "image:0", ""))
    assert find_pictured([scored("image:0", 2, 1.0)]) == set(LABELS)
    assert find_pictured([scored("text", 1, 1.0), scored("image:0", 1, 1.0)]) == set()
    assert find_pictured([scored("text", 1, 1.0), scored("image:0", 1, 0.0), words]) == set(LABELS)
    assert find_pictured([scored("text", 1)]) == find_pictured([]) == set()
    louder = scored("image:0", 1, 0.0)
    louder.outputs[0]["logits"][LABELS.index("fire")] = 1.5
    assert find_pictured([scored("text", 2), louder]) == {"fire"}
    assert highest_of([scored("text", 2), louder]).pictured == {"fire"}


def test_no_part_gives_one_row_that_is_masked_all_over() -> None:
    (row,) = fusion_rows([])
    assert not row["mask"].any()
    assert row["tokens"].shape == (N_TOKENS, 256)


def test_a_contribution_is_what_is_lost_without_the_part() -> None:
    rows = [{"logits": np.full(N_LABELS, logit), "severity": np.full(N_LABELS, 0.3)} for logit in (0.0, -2.0, 0.0)]
    scores = read_scores([scored("text", 1), scored("image:0", 1)], rows)
    assert scores.probability["threat"] == 0.5
    assert scores.severity["threat"] == 0.3
    assert scores.contributions("threat")["text"] == pytest.approx(0.5 - 1 / (1 + np.exp(2.0)), abs=1e-4)
    assert scores.contributions("threat")["image:0"] == 0.0


def test_the_encoders_own_scores_are_the_highest_of_all_rows() -> None:
    assert highest_of([scored("text", 2, -3.0), scored("image:0", 1, 0.0)]).probability["fire"] == 0.5
    assert highest_of([]).probability == dict.fromkeys(LABELS, 0.0)


def test_of_a_long_part_the_most_telling_rows_are_fused_in_their_order() -> None:
    part = scored("text", 40)
    values = [float(i % 7) + i / 100 for i in range(40)]
    outputs = [{"tokens": np.full((4, 256), value, np.float32), "logits": np.full(N_LABELS, value)} for value in values]
    (row, _) = fusion_rows([ScoredPart(part.part, part.rows, outputs)])
    fused = row["tokens"][::4, 0].tolist()
    assert len(fused) == MAX_FUSED_ROWS
    assert fused == [pytest.approx(value) for value in values if value in sorted(values)[-MAX_FUSED_ROWS:]]


def test_a_label_keeps_its_highest_row_however_loud_another_label_is() -> None:
    logits = np.full((40, N_LABELS), -5.0)
    logits[:30, LABELS.index("spam")] = np.linspace(6.0, 7.0, 30)
    logits[35, LABELS.index("threat")] = 3.0
    chosen = most_telling(logits)
    assert len(chosen) == MAX_FUSED_ROWS
    assert chosen == sorted(chosen)
    assert {29, 35} <= set(chosen)


def test_of_a_short_part_all_rows_are_fused() -> None:
    assert most_telling(np.zeros((MAX_FUSED_ROWS, N_LABELS))) == list(range(MAX_FUSED_ROWS))
