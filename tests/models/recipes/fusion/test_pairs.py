import numpy as np
import pytest
import torch

from sluice.schema import LABELS
from sluice_models.config import D_TOKEN, N_TOKENS, FusionNetwork
from sluice_models.measure.pair_figures import report_pairs
from sluice_models.networks.fusion import TOGETHER, Fusion
from sluice_models.networks.heads import N_LABELS
from sluice_models.recipes.fusion.encoded import Encoded, one_row_each, plain_severity
from sluice_models.recipes.fusion.pairs import CUES, PairTexts, compose_pairs, is_held_out, load_pairs, write_lines
from sluice_models.training.train_fusion import score_posts

pytestmark = pytest.mark.torch

THREAT, WEAPONS = LABELS.index("threat"), LABELS.index("weapons")


def make_part(targets, marks=0.0):
    """Rows whose first number is the row's own, so that a test can see which were chosen."""
    tokens = np.zeros((len(targets), N_TOKENS, D_TOKEN), np.float32)
    tokens[:, :, 0] = np.arange(len(targets))[:, None]
    tokens[:, :, 1] = marks
    targets = np.asarray(targets, np.float32)
    ones, severity = np.ones_like(targets), plain_severity(targets)
    return Encoded(*one_row_each(tokens), targets * 4, targets, ones, severity, ["made"] * len(targets))


def make_media(cues):
    """Four harmless rows, and four with each cue."""
    rows = np.zeros((4 + 4 * len(cues), N_LABELS), np.float32)
    for number, cue in enumerate(cues):
        rows[4 + 4 * number : 8 + 4 * number, LABELS.index(cue)] = 1
    return make_part(rows)


@pytest.fixture
def parts():
    return [make_part(np.zeros((4, N_LABELS))), make_media(["weapons", "fire"]), make_media(["gunshot", "scream"])]


def write_texts(n_rows=60):
    families = tuple(family for _, family in write_lines(n_rows, 0, held_out=False))
    return PairTexts(make_part(np.zeros((n_rows, N_LABELS))), families)


def test_families_are_sound():
    for family in load_pairs().families:
        assert set(family.cues) <= set(CUES)
        assert bool(family.labels) == bool(family.cues)
        assert set(family.labels) <= set(LABELS)
        assert any(is_held_out(sentence) for sentence in family.sentences)
        assert sum(not is_held_out(sentence) for sentence in family.sentences) >= 8


def test_lines_are_filled_half_of_them_turnable_and_the_same_each_time():
    lines = write_lines(200, 3, held_out=False)
    assert not any("{" in text for text, _ in lines)
    assert sum(bool(family.labels) for _, family in lines) == 100
    assert lines == write_lines(200, 3, held_out=False)
    assert {text for text, _ in lines}.isdisjoint(text for text, _ in write_lines(200, 3, held_out=True))


def test_labels_hold_beside_a_cue_of_the_family_and_only_there(parts):
    texts = write_texts()
    posts = next(compose_pairs(texts, parts, 300))
    rows = posts.tokens[:, 0, 0].long()
    outcomes = set()
    for post, row in enumerate(rows):
        family = texts.families[row]
        held = {label for label, target in zip(LABELS, posts.targets[post], strict=True) if target == 1}
        cues = held & set(CUES)
        wanted = set(family.labels) if cues & set(family.cues) else set()
        assert held - cues == wanted
        outcomes.add((bool(family.labels), bool(cues)))
    assert len(outcomes) == 4


def test_pairs_are_of_several_kinds_and_text_comes_first(parts):
    posts = next(compose_pairs(write_texts(), parts, 50))
    for mask, kind in zip(posts.mask, posts.kind, strict=True):
        assert 0 in kind[mask]
        assert len(kind[mask].unique()) >= 2


def test_what_overlaps_with_a_harm_that_holds_is_open(parts):
    posts = next(compose_pairs(write_texts(), parts, 300))
    threats = posts.targets[posts.targets[:, THREAT] == 1]
    assert threats[:, LABELS.index("toxicity")].isnan().all()
    assert (threats[:, LABELS.index("spam")] == 0).all()


def test_the_same_parts_give_the_same_posts(parts):
    first, second = (next(compose_pairs(write_texts(), parts, 20)) for _ in range(2))
    assert (first.tokens == second.tokens).all()


def make_reader():
    """A fusion whose picture head sees weapons in the tokens' second number."""
    torch.manual_seed(0)
    fusion = Fusion(FusionNetwork(n_layers=1, n_heads=2, d_inner=32)).eval()
    with torch.no_grad():
        fusion.evidence.weight.zero_()
        fusion.evidence.bias.fill_(-4.0)
        fusion.evidence.weight[N_LABELS + WEAPONS, 1] = 8.0
    return fusion


def test_reports_tell_what_the_whole_adds_to_the_best_part(parts):
    parts[1].tokens[4:8, :, 1] = 1.0
    fusion = make_reader()
    reports = {report.label: report for report in report_pairs(fusion, next(compose_pairs(write_texts(), parts, 400)))}
    weapons = reports["weapons"]
    assert weapons.best_part == pytest.approx(1.0)
    assert weapons.fused == pytest.approx(1.0)
    assert weapons.n_positives + weapons.n_negatives == 400
    assert reports["threat"].best_part < 0.9


def test_a_kind_alone_is_scored_without_the_others(parts):
    fusion = make_reader()
    posts = next(compose_pairs(write_texts(), parts, 30))
    fusion.shift[TOGETHER] = 9.0
    assert score_posts(fusion, posts).min() > 4
    assert score_posts(fusion, posts, kind=0).max() == pytest.approx(-4.0)
