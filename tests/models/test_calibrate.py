"""The default policy's thresholds, from made-up scores: no bundle, no checkpoints."""

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from sluice.schema import LABELS
from sluice.verdict.policy import load_policy
from sluice_models import calibrate
from sluice_models.recipes.fusion.encoded import Encoded

pytestmark = pytest.mark.torch
TOXICITY, SPAM, FIRE = (LABELS.index(label) for label in ("toxicity", "spam", "fire"))


def make_part(targets, weights=None):
    logits = np.zeros_like(targets)
    weights = np.ones_like(targets) if weights is None else weights
    return Encoded(np.zeros((len(targets), 4, 256), np.float32), logits, targets, weights, logits, ["x"] * len(targets))


def make_targets(rows):
    targets = np.full((len(rows), len(LABELS)), np.nan, np.float32)
    for row, annotated in enumerate(rows):
        for label, value in annotated.items():
            targets[row, label] = value
    return targets


def test_texts_that_nobody_judged_for_toxicity_are_not_benign():
    text = make_part(make_targets([{TOXICITY: 0}, {SPAM: 0}, {SPAM: 1}, {TOXICITY: 0, SPAM: 1}]))
    image = make_part(make_targets([{FIRE: 0}, {FIRE: 1}]))
    audio = make_part(make_targets([{}]))
    posts = calibrate.label_rows([text, image, audio], [part.logits for part in (text, image, audio)])
    assert posts.benign.tolist() == [True, False, False, False, True, False, False]
    assert posts.truths[2, SPAM] == 1


def test_zeros_that_nobody_annotated_do_not_count():
    targets = make_targets([{TOXICITY: 0, SPAM: 0}])
    weights = np.ones_like(targets)
    weights[0, TOXICITY] = 0.3
    posts = calibrate.label_rows([make_part(targets, weights)], [np.zeros_like(targets)])
    assert not posts.benign.any()


@pytest.fixture
def validation(monkeypatch):
    """Benign texts and toxic ones, images and clips; scores that tell them apart well."""
    rng = np.random.default_rng(0)
    targets = [make_targets([{TOXICITY: row % 4 == 0} for row in range(2000)]), *[make_targets([{FIRE: 0}] * 50)] * 2]
    parts = [make_part(part) for part in targets]
    scores = [rng.beta(1, 9, part.shape).astype(np.float32) for part in targets]
    scores[0][::4, TOXICITY] = rng.beta(9, 1, 500)
    for part in scores:
        part[:, [label for label in range(len(LABELS)) if label != TOXICITY]] *= 0.01
    monkeypatch.setattr(calibrate, "encode_validation", lambda _bundle, _runs, _console: (parts, scores))


@pytest.fixture
def run():
    app = Typer()
    app.command()(calibrate.main)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_policy_is_written_where_it_is_asked_for(validation, run, tmp_path):
    result = run("--bundle", tmp_path, "--out", tmp_path / "policy.yaml")
    assert (result.exit_code, result.stdout) == (0, "")
    policy, shipped = load_policy(tmp_path / "policy.yaml"), load_policy(calibrate.DEFAULT_POLICY)
    assert (policy.name, policy.version) == ("default", shipped.version + 1)
    assert policy.labels["toxicity"] != shipped.labels["toxicity"]
    assert policy.labels["fire"] == shipped.labels["fire"]
    assert "audio" in result.stderr


def test_without_a_file_the_policy_is_printed(validation, run, tmp_path):
    result = run("--bundle", tmp_path)
    (tmp_path / "printed.yaml").write_text(result.stdout)
    assert load_policy(tmp_path / "printed.yaml").name == "default"


def test_without_checkpoints_it_says_what_to_run(run, tmp_path):
    result = run("--bundle", tmp_path, "--runs", tmp_path)
    assert result.exit_code == 1
    assert "python -m sluice_models.train" in result.stderr


def test_logits_become_probabilities():
    from sluice_models.training.checkpoint import build_fusion

    part = make_part(make_targets([{TOXICITY: 0}] * 3))
    (scores,) = calibrate.score_rows(build_fusion().eval(), [part])
    assert scores.shape == (3, len(LABELS))
    assert ((scores >= 0) & (scores <= 1)).all()
