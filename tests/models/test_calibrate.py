"""The default policy's thresholds, from made-up scores: no bundle, no checkpoints."""

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from sluice.schema import LABELS
from sluice.verdict.calibration import Labelled
from sluice.verdict.documents import load_policy, parse_policy
from sluice_models import calibrate
from sluice_models.calibrate import FLOORS, REVIEW_FLOOR, SOUND_FLOORS, Traffic
from sluice_models.measure.everyday import PER_GROUP
from sluice_models.recipes.fusion.encoded import Encoded, one_row_each
from sluice_models.training.checkpoint import build_fusion

pytestmark = pytest.mark.torch
TOXICITY, SPAM, FIRE = (LABELS.index(label) for label in ("toxicity", "spam", "fire"))


def make_part(targets, weights=None):
    logits = np.zeros_like(targets)
    weights = np.ones_like(targets) if weights is None else weights
    tokens = one_row_each(np.zeros((len(targets), 4, 256)))
    return Encoded(*tokens, logits, targets, weights, logits, ["x"] * len(targets))


def make_targets(rows):
    targets = np.full((len(rows), len(LABELS)), np.nan, np.float32)
    for row, annotated in enumerate(rows):
        for label, value in annotated.items():
            targets[row, label] = value
    return targets


def test_zeros_that_nobody_annotated_do_not_count():
    targets = make_targets([{TOXICITY: 0, SPAM: 0}, {TOXICITY: 0}])
    weights = np.ones_like(targets)
    weights[:, TOXICITY] = 0.3
    posts = calibrate.label_part(build_fusion().eval(), make_part(targets, weights), 0, np.arange(2))
    assert posts.benign.tolist() == [True, False]


def test_rows_are_scored_in_the_order_in_which_they_were_chosen():
    targets = make_targets([{TOXICITY: n % 2} for n in range(4)])
    posts = calibrate.label_part(build_fusion().eval(), make_part(targets), 0, np.array([3, 0, 3]))
    assert posts.truths[:, TOXICITY].tolist() == [1, 0, 1]
    assert ((posts.scores >= 0) & (posts.scores <= 1)).all()


@pytest.fixture
def everyday(monkeypatch):
    """Benign texts and toxic ones, images and clips; scores that tell them apart well."""
    rng = np.random.default_rng(0)
    truths = {
        "text": make_targets([{TOXICITY: row % 4 == 0} for row in range(2000)]),
        "image": make_targets([{FIRE: 0}] * 50),
        "audio": make_targets([{FIRE: 0}] * 50),
    }
    posts = {}
    for name, part in truths.items():
        scores = rng.beta(1, 9, part.shape).astype(np.float32)
        scores[part == 1] = rng.beta(9, 1, (part == 1).sum())
        scores[:, [label for label in range(len(LABELS)) if label != TOXICITY]] *= 0.01
        posts[name] = Labelled(scores, part)
    traffic = Traffic(posts, {"text": 7, "image": 2, "audio": 1})
    monkeypatch.setattr(calibrate, "find_fusion", lambda _runs: None)
    monkeypatch.setattr(calibrate, "load_encoders", lambda *_: [])
    monkeypatch.setattr(calibrate, "gather_traffic", lambda *_: traffic)
    return traffic


@pytest.fixture
def run():
    app = Typer()
    app.command()(calibrate.main)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_policy_is_written_where_it_is_asked_for_and_says_on_what_it_was_made(everyday, run, tmp_path):
    result = run("--bundle", tmp_path, "--out", tmp_path / "policy.yaml")
    assert (result.exit_code, result.stdout) == (0, "")
    policy, shipped = load_policy(tmp_path / "policy.yaml"), load_policy(calibrate.DEFAULT_POLICY)
    assert (policy.name, policy.version) == ("default", shipped.version + 1)
    assert policy.labels["toxicity"] != shipped.labels["toxicity"]
    assert policy.labels["toxicity"].review >= np.asarray(FLOORS.review)[TOXICITY] == REVIEW_FLOOR
    assert policy.labels["fire"] == shipped.labels["fire"]
    assert "audio" in result.stderr
    said = (tmp_path / "policy.yaml").read_text("utf-8")
    assert f"groups of {PER_GROUP} posts that weigh the same, 7 of text, 2 of image, 1 of audio" in said


def test_sounds_need_more_for_a_review_than_other_labels():
    floors = dict(zip(LABELS, FLOORS.review, strict=True))
    assert {label: floor for label, floor in floors.items() if floor > REVIEW_FLOOR} == SOUND_FLOORS


def test_self_harm_alone_never_blocks(everyday, run, tmp_path):
    assert run("--bundle", tmp_path, "--out", tmp_path / "policy.yaml").exit_code == 0
    assert load_policy(tmp_path / "policy.yaml").labels["self_harm"].block is None


def test_posts_of_all_kinds_are_calibrated_on_together(everyday):
    assert len(everyday.all.scores) == len(everyday.all.truths) == 2100
    assert everyday.all.benign.sum() == 1600


def test_without_a_file_the_policy_is_printed(everyday, run, tmp_path):
    result = run("--bundle", tmp_path)
    (tmp_path / "printed.yaml").write_text(result.stdout)
    assert load_policy(tmp_path / "printed.yaml").name == "default"


def test_pictures_are_held_to_what_is_asked_of_pictures():
    posts = Labelled(np.full((4, len(LABELS)), 0.5), make_targets([{FIRE: 0}] * 4))
    policy = parse_policy("name: a\nversion: 1\nlabels: {fire: {review: 0.4, image: {review: 0.6}}}")
    assert [calibrate.measure_modality(policy, posts, kind)[1] for kind in ("text", "image")] == [1.0, 0.0]


def test_without_a_bundle_it_says_so(run, tmp_path):
    result = run("--bundle", tmp_path, "--runs", tmp_path)
    assert result.exit_code == 1
    assert "bundle" in result.stderr
