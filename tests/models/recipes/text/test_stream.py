"""The stream of texts: the same chunk each time, of everything in its share."""

import msgspec
import pytest

from sluice.schema import LABELS
from sluice_models.config import TextConfig, load_config
from sluice_models.recipes.text.multilingual import keep_sentences, load_languages
from sluice_models.recipes.text.stream import Mixer
from sluice_models.recipes.text.templates import SOURCE
from tests.models.recipes.text.rows import make_example, make_harmless

pytestmark = pytest.mark.torch
RECIPE = msgspec.structs.replace(load_config("text_encoder", TextConfig).rows, chunk_rows=600)
THREAT = LABELS.index("threat")


@pytest.fixture(scope="module")
def rows():
    harmful = [make_example(f"you fool {n}", toxicity=1, threat=n % 2) for n in range(150)]
    return harmful + [make_harmless(f"hello there {n}") for n in range(150)]


@pytest.fixture(scope="module")
def chunk(rows):
    return Mixer(rows, RECIPE).chunk(3)


def test_a_chunk_depends_on_its_number_alone(rows, chunk):
    again, other = Mixer(rows, RECIPE), Mixer(rows, RECIPE).chunk(4)
    again.chunk(0)  # whatever was made before
    assert [row.text for row in again.chunk(3)] == [row.text for row in chunk]
    assert [row.text for row in other] != [row.text for row in chunk]


def test_a_chunk_has_about_its_rows_of_every_kind(chunk):
    assert 0.9 < len(chunk) / RECIPE.chunk_rows < 1.15
    kinds = [
        "composed" if "composed" in row.meta else "twin" if "twin" in row.meta else row.meta.get("kind", "")
        for row in chunk
    ]
    assert kinds.count("composed") == round(RECIPE.chunk_rows * RECIPE.shares.composed)
    assert kinds.count("twin") % 2 == 0
    assert kinds.count("twin") > 0
    assert kinds.count("reported") > 0
    assert len({row.lang for row in chunk}) > 12
    assert sum(row.source == "made" for row in chunk) > RECIPE.chunk_rows * 0.3


def test_some_rows_are_written_roughly_and_lose_their_marks_and_twins_do_not(rows):
    plain, rough = (Mixer(rows, msgspec.structs.replace(RECIPE, noisy_share=share)).chunk(1) for share in (0.0, 1.0))
    kept = {row.text for row in plain}
    marked = [row for row in rough if row.meta and "twin" not in row.meta and "composed" not in row.meta]
    assert marked == []
    assert all(row.text in kept for row in rough if "twin" in row.meta)
    assert sum(row.text not in kept for row in rough) > len(rough) / 3


def test_rows_of_the_bundle_go_round_before_any_comes_twice(rows):
    mixer = Mixer(rows, msgspec.structs.replace(RECIPE, noisy_share=0.0))
    seen = mixer._rows(0, 200) + mixer._rows(0, 300)[200:]
    assert sorted(row.text for row in seen) == sorted(row.text for row in rows)


def test_nothing_that_is_held_out_is_in_a_chunk(chunk):
    held_out = {
        (language.lang, sentence)
        for language in keep_sentences(load_languages(), held_out=True)
        for kind in language.families
        for sentence in kind.sentences
        if "{" not in sentence
    }
    assert not {(row.lang, row.text) for row in chunk if row.source == SOURCE} & held_out
