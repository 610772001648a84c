"""Heads that leave a source out: what they train on, how it weighs, and what they say of the source."""

import json

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from sluice.schema import LABELS
from sluice_models.measure import frozen_left_out as module
from sluice_models.measure.frozen_left_out import (
    BOTH,
    MEASURED,
    OWN,
    balance,
    centre,
    find_measurable,
    gather,
    leave_out,
    measure_source,
    sample_all,
)
from tests.models.recipes.text.rows import make_example

pytestmark = pytest.mark.torch
WORDS = ("tea", "soup", "rain", "walk", "boat", "tree", "bird", "lamp")
N_EACH = 40


def make_rows(source, hate_words="awful vile", **more):
    """`N_EACH` hateful rows and as many harmless ones, all different."""
    rows = []
    for number in range(N_EACH):
        filler = f"{WORDS[number % 8]} {WORDS[number // 8]}"
        rows.append(make_example(f"{hate_words} {filler} {source} {number}", source=source, hate=1, **more))
        rows.append(make_example(f"kind {filler} {source} {number}", source=source, hate=0, **more))
    return rows


def embed(sampled):
    """Five numbers, of which the first says what the row is, and the second which source it is from."""
    rows = [row for sample in sampled.values() for row in sample.rows]
    embedded = np.random.default_rng(0).standard_normal((len(rows), 5)).astype(np.float32) * 0.1
    embedded[:, 0] += [row.targets[LABELS.index("hate")] for row in rows]
    embedded[:, 1] += [ord(row.source) for row in rows]
    return embedded


def gather_rows(*rows):
    sampled = sample_all(rows)
    return gather(sampled, embed(sampled))


@pytest.fixture
def corpus():
    return gather_rows(*make_rows("a"), *make_rows("b"), *make_rows("c"))


def test_every_source_weighs_the_same_and_in_it_either_kind():
    sources = np.array(["a"] * 5 + ["b"] * 3, object)
    positive = np.array([True, False, False, False, False, True, True, False])
    weights = balance(sources, positive)
    shares = [weights[(sources == source) & (positive == kind)].sum() for source in "ab" for kind in (True, False)]
    np.testing.assert_allclose(shares, 2.0, rtol=1e-6)
    assert weights.mean() == pytest.approx(1.0)


def test_centring_takes_away_what_tells_sources_apart_but_not_kinds():
    sources, positive = np.array(["a", "a", "b", "b", "c"], object), np.array([True, False, True, False, False])
    features = np.array([[11.0], [9.0], [-4.0], [-6.0], [7.0]], np.float32)
    assert centre(features, sources, positive).ravel().tolist() == [1.0, -1.0, 1.0, -1.0, 7.0]


def test_texts_of_the_source_are_not_trained_on_wherever_they_stand():
    repeated = make_example("AWFUL vile tea tea a, 0!", source="b", hate=1)
    corpus = gather_rows(*make_rows("a"), *make_rows("b"), repeated)
    fold = leave_out(corpus, "hate", "a")
    assert set(corpus.sources[fold.test]) == {"a"}
    assert set(corpus.sources[fold.train]) == {"b"}
    assert "awfulvileteateaa0" in corpus.texts[fold.test]
    assert "awfulvileteateaa0" not in corpus.texts[fold.train]
    assert (len(fold.test), len(fold.train)) == (2 * N_EACH, 2 * N_EACH)
    assert fold.taught.sum() == N_EACH


def test_only_sources_with_both_kinds_and_texts_in_english_are_measured():
    rows = [*make_rows("a"), *make_rows("b", lang="de"), *make_rows("c")[:9], make_example("vile", source="d", hate=1)]
    assert find_measurable(gather_rows(*rows), "hate") == ["a"]


def test_a_source_is_not_measured_where_the_others_teach_one_kind_alone():
    assert find_measurable(gather_rows(*make_rows("a"), make_example("vile", source="b", hate=1)), "hate") == []


def test_what_others_teach_is_found_and_the_base_rate_stands_beside(corpus):
    rows = {row.head: row for row in measure_source(corpus, "hate", "a")}
    assert set(rows) == {"embeddings", "n-grams", BOTH, OWN}
    assert min(row.auroc.value for row in rows.values()) > 0.97
    assert {(row.n_positives, row.n_negatives, row.base_rate) for row in rows.values()} == {(N_EACH, N_EACH, 0.5)}


def test_labels_that_say_nothing_are_not_learned_from_own_rows_either(corpus):
    index = LABELS.index("hate")
    own = np.flatnonzero(corpus.sources == "a")
    corpus.truths[own, index] = np.random.default_rng(3).permutation(corpus.truths[own, index])
    rows = {row.head: row for row in measure_source(corpus, "hate", "a")}
    assert rows[OWN].auroc.value < 0.7
    assert rows[BOTH].auroc.value < 0.7


@pytest.fixture
def run(monkeypatch, tmp_path):
    rows = [*make_rows("a"), *make_rows("b")]
    monkeypatch.setattr(module, "read_texts", lambda bundle, split: rows if split == "train" else [])
    monkeypatch.setattr(module, "embed_sources", lambda load, sources, folder: embed_all(sources))
    app = Typer()
    app.command()(module.main)
    return lambda *options: CliRunner().invoke(app, ["--bundle", "b", "--runs", str(tmp_path), *options])


def embed_all(sources):
    return {
        name: np.array([[np.nan_to_num(row.targets[LABELS.index("hate")])] for row in rows], np.float32)
        for name, rows in sources.items()
    }


def test_the_command_prints_a_line_for_each_head_of_each_source(run):
    result = run()
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("| label | source | head |")
    assert len(lines) == 2 + 2 * 4 + 3 + 4
    assert "| hate | a | both | 40 | 40 | 0.50 | 1.000 [1.000, 1.000] |" in result.stdout
    assert lines[-2] == "| hate | both | 2 | 0.50 | 1.000 | 1.000 |"


def test_the_same_as_json(run):
    rows = [json.loads(line) for line in run("--json").stdout.splitlines()]
    assert {(row["label"], row["source"]) for row in rows} == {("hate", "a"), ("hate", "b")}
    assert set(MEASURED) >= {row["label"] for row in rows}
    assert rows[0]["auroc"]["value"] == pytest.approx(1.0)
