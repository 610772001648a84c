"""A policy and labelled scores in, a policy that keeps its promise out."""

import numpy as np
import pytest

from sluice.errors import CalibrationError
from sluice.schema import LABELS
from sluice.verdict.calibration import MIN_POSITIVES, Labelled, Risks, calibrate_policy
from sluice.verdict.calibration_report import figures_json, tabulate, write_policy
from sluice.verdict.documents import parse_policy
from sluice.verdict.policy import Limits, Policy, Thresholds

THREAT, SPAM, HATE = (LABELS.index(label) for label in ("threat", "spam", "hate"))
BASE = Policy(
    name="base",
    version=3,
    unscored_part="block",
    unread_language="allow",
    urgent_self_harm=0.65,
    labels={
        "threat": Thresholds(review=0.4, block=0.9),
        "spam": Thresholds(review=0.5),
        "hate": Thresholds(review=0.98, block=0.99),
    },
)


def make_posts(n_benign=2000, n_harmful=50, **columns):
    """Threat and spam are annotated everywhere, hate nowhere; harmful posts have both."""
    generator = np.random.default_rng(0)
    n_posts = n_benign + n_harmful
    scores = np.zeros((n_posts, len(LABELS)))
    truths = np.full((n_posts, len(LABELS)), np.nan)
    truths[:, [THREAT, SPAM]] = (np.arange(n_posts) >= n_benign)[:, None]
    scores[:, THREAT] = generator.beta(1, 4, n_posts)
    scores[:, SPAM] = generator.beta(1, 8, n_posts)
    scores[n_benign:, [THREAT, SPAM]] = generator.beta(8, 1, (n_harmful, 2))
    for label, column in columns.items():
        scores[:, LABELS.index(label)] = column
    return Labelled(scores, truths)


def calibrate(posts=None, base=BASE, **risks):
    return calibrate_policy(base, posts or make_posts(), Risks(**risks), "mine", 7)


def test_benign_is_what_is_annotated_0_and_nothing_else():
    truths = np.array([[0, np.nan], [0, 0], [0, 1], [np.nan, np.nan], [np.nan, 1]])
    assert Labelled(np.zeros_like(truths), truths).benign.tolist() == [True, True, False, False, False]


def test_the_new_policy_keeps_its_risks_and_finds_what_is_there():
    calibrated = calibrate()
    assert 0.035 < calibrated.review_share <= 0.06
    assert 0.001 < calibrated.block_share <= 0.008
    threat = calibrated.labels[0]
    assert threat.review is not None
    assert threat.review < threat.block < 1
    assert threat.review_recall > 0.85
    assert (calibrated.policy.ref.name, calibrated.policy.ref.version) == ("mine", 7)
    assert (calibrated.n_posts, calibrated.n_benign) == (2050, 2000)


def test_what_the_policy_decides_stays():
    calibrated = calibrate()
    assert list(calibrated.policy.labels) == list(BASE.labels)
    assert calibrated.policy.labels["spam"].block is None
    assert calibrated.policy.unscored_part == "block"
    assert calibrated.policy.unread_language == "allow"
    assert calibrated.policy.urgent_self_harm == 0.65


@pytest.mark.parametrize(("least", "n_raised"), [(Limits(1.0, 1.0), 0), (Limits(0.6), 0), (Limits(0.0, 0.0), 2)])
def test_what_images_need_stays_but_is_never_less_than_elsewhere(least, n_raised):
    base = Policy(name="b", version=1, labels={"threat": Thresholds(0.0, 0.0, least)})
    calibrated = calibrate(make_posts(spam=0.0), base=base)
    threat = calibrated.policy.labels["threat"]
    assert 0 < (threat.review or 0.0) < 0.6 < (threat.block or 0.0)
    assert threat.image == (Limits(threat.review, threat.block) if n_raised else least)
    assert parse_policy(write_policy(calibrated, [])) == calibrated.policy


def test_a_label_without_enough_posts_keeps_its_thresholds_and_says_so():
    calibrated = calibrate()
    assert calibrated.policy.labels["hate"] == BASE.labels["hate"]
    assert [figures.origin for figures in calibrated.labels] == ["new", "new", "kept"]
    assert f'kept from "base" 3: 0 posts with it, {MIN_POSITIVES} needed (10 more)' in write_policy(calibrated, [])


def test_what_kept_labels_let_fire_counts():
    always = np.where(np.arange(2050) % 50 == 0, 1.0, 0.0)  # 2 % of the posts
    with_hate = calibrate(make_posts(hate=always), block=0.04, review=0.05)
    without = calibrate(block=0.04, review=0.05)
    assert with_hate.review_share <= 0.06
    assert with_hate.policy.labels["threat"].review > without.policy.labels["threat"].review


def test_kept_labels_that_break_the_promise_alone_are_raised_and_it_is_said():
    loud = np.where(np.arange(2050) % 50 == 0, 0.995, 0.0)  # 2 % of the posts are above both thresholds
    calibrated = calibrate(make_posts(hate=loud))
    hate = calibrated.labels[2]
    assert hate.origin == "raised"
    assert BASE.labels["hate"].block < hate.block
    assert calibrated.block_share <= 0.008
    assert calibrated.block_promised
    assert 'raised from those of "base" 3, which broke the promise: 0 posts' in write_policy(calibrated, [])


def test_no_kept_threshold_is_ever_lowered():
    generator = np.random.default_rng(1)
    for _ in range(20):
        column = generator.beta(generator.uniform(0.5, 30), 1, 2050)
        hate = calibrate(make_posts(hate=column)).policy.labels["hate"]
        assert hate.review is None or hate.review >= BASE.labels["hate"].review
        assert hate.block is None or hate.block >= BASE.labels["hate"].block


def test_a_block_threshold_is_never_below_the_review_threshold():
    only_block = Policy(name="b", version=1, labels={"threat": Thresholds(block=0.9), "spam": Thresholds(review=0.5)})
    calibrated = calibrate(base=only_block, review=0.05, block=0.05)
    assert calibrated.policy.labels["threat"].review is None
    assert calibrated.review_share <= 0.06
    parse_policy(write_policy(calibrate(review=0.05, block=0.05), []))


def test_too_few_benign_posts_to_promise_blocking_keep_the_block_thresholds():
    calibrated = calibrate(make_posts(n_benign=200))
    assert not calibrated.block_promised
    assert calibrated.policy.labels["threat"].block == BASE.labels["threat"].block
    text = write_policy(calibrated, [])
    assert "no promise for blocking" in text
    assert "needs 298 benign posts, there are 200 (98 more)" in text


def test_too_few_benign_posts_to_promise_anything_keep_the_policy():
    calibrated = calibrate(make_posts(n_benign=20))
    assert not calibrated.review_promised
    assert calibrated.policy.labels == BASE.labels
    assert [figures.origin for figures in calibrated.labels] == ["kept"] * 3
    assert calibrated.labels[0].review_recall is not None
    text = write_policy(calibrated, [])
    assert "no promise for review; no promise for blocking" in text
    assert "A review risk of 0.05 needs 28 benign posts, there are 20 (8 more)" in text


def test_without_enough_posts_of_any_label_benign_ones_still_hold_the_promise():
    calibrated = calibrate(make_posts(n_harmful=MIN_POSITIVES - 1))
    assert {figures.origin for figures in calibrated.labels} == {"raised", "kept"}
    assert calibrated.review_share <= 0.06
    assert "9 posts with it, 10 needed (1 more)" in write_policy(calibrated, [])


def test_a_single_post_is_enough_to_begin():
    calibrated = calibrate(make_posts(n_benign=0, n_harmful=1))
    assert calibrated.policy.labels == BASE.labels
    assert (calibrated.n_posts, calibrated.n_benign, calibrated.review_share) == (1, 0, 0.0)


@pytest.mark.parametrize(
    ("posts", "risks", "mistake"),
    [
        (make_posts(), {"review": 0.01, "block": 0.02}, "above the review risk"),
        (make_posts(), {"review": 1.0}, "between 0 and 1"),
        (make_posts(threat=2.0), {}, r"\[0, 1\]"),
    ],
)
def test_what_cannot_be_promised_is_refused(posts, risks, mistake):
    with pytest.raises(CalibrationError, match=mistake):
        calibrate(posts, **risks)


def test_the_file_is_the_policy_and_says_what_it_promises():
    calibrated = calibrate()
    text = write_policy(calibrated, ["From a\nstrange name: {"])
    assert parse_policy(text) == calibrated.policy
    assert "reviewed or blocked at most 0.05; blocked at most 0.005" in text
    assert "From 2050 posts, 2000 of them benign" in text
    assert "# From a strange name: {\n" in text


@pytest.mark.parametrize("name", ["no", "1", "a: b", "#", "帖", '"', "line\nbreak"])
def test_any_name_survives_the_file(name):
    calibrated = calibrate_policy(BASE, make_posts(), Risks(), name, 1)
    assert parse_policy(write_policy(calibrated, [])).name == name


def test_thresholds_that_yaml_would_misread_survive_the_file():
    tiny = Policy(name="t", version=1, labels={**BASE.labels, "hate": Thresholds(review=1e-7, block=1.0)})
    posts = make_posts()
    assert parse_policy(write_policy(calibrate(posts, base=tiny), [])).labels["hate"] == tiny.labels["hate"]


def test_where_no_threshold_can_be_promised_the_label_never_decides():
    calibrated = calibrate(make_posts(spam=1.0))
    assert calibrated.policy.labels["spam"] == Thresholds()
    assert parse_policy(write_policy(calibrated, [])) == calibrated.policy


def test_figures_for_people_and_programs():
    calibrated = calibrate()
    rows = list(tabulate(calibrated))
    assert [row[0] for row in rows] == ["threat", "spam", "hate", "any"]
    fields = figures_json(calibrated)
    assert fields["policy"]["labels"]["threat"]["review"] == calibrated.labels[0].review
    assert fields["labels"][2]["origin"] == "kept"
