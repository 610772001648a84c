"""``sluice calibrate``: files in, a policy out."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from sluice.cli import app
from sluice.resources import default_policy
from sluice.schema import LABELS, encode
from sluice.verdict.documents import load_policy, parse_policy
from tests.engine.cli.verdicts import make_verdict

DEAD_LETTER = b'{"dead_letter": {"reason": "not_json", "line": 3}}'


@pytest.fixture
def sluice():
    return lambda *arguments: CliRunner().invoke(app, ["calibrate", *map(str, arguments)])


@pytest.fixture
def files(tmp_path):
    """1000 benign posts and 40 with threats and spam; one is labelled and not scored, one scored and not labelled."""
    generator = np.random.default_rng(0)
    verdicts, labels = [DEAD_LETTER], [b'{"post_id": "gone", "labels": {"threat": 0}}']
    for number in range(1040):
        harmful = number >= 1000
        share = generator.beta(8, 1) if harmful else generator.beta(1, 8)
        scores = {**dict.fromkeys(LABELS, 0.0), "threat": share, "spam": share / 2}
        verdicts.append(encode(make_verdict(f"p-{number}", scores=scores)))
        line = {"post_id": f"p-{number}", "labels": {"threat": int(harmful), "spam": int(harmful)}, "note": "mine"}
        labels.append(json.dumps(line).encode())
    verdicts.append(encode(make_verdict("unlabelled")))
    return write(tmp_path / "verdicts.jsonl", verdicts), write(tmp_path / "labels.jsonl", labels)


def write(path, lines):
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def test_a_policy_comes_out_and_figures_beside_it(sluice, files):
    result = sluice(files[0], "--labels", files[1], "--name", "mine")
    assert result.exit_code == 0, result.output
    policy = parse_policy(result.stdout)
    shipped = load_policy(default_policy())
    assert (policy.name, policy.version, set(policy.labels)) == ("mine", shipped.version + 1, set(LABELS))
    assert 0.1 <= policy.labels["threat"].review < policy.labels["threat"].block < 1
    assert "From 1040 posts, 1000 of them benign" in result.stdout
    assert '"verdicts.jsonl" (sha256 ' in result.stdout
    assert "Models: fusion 1." in result.stdout
    assert "threat" in result.stderr
    for left_out in ("1 verdicts without labels", "1 labelled posts without a verdict", "1 dead letters"):
        assert left_out in result.stderr
    assert f'hate: kept from "default" {shipped.version}: 0 posts with it' in result.stderr


def test_the_same_files_give_the_same_policy_in_any_order(sluice, files):
    first = parse_policy(sluice(files[0], "--labels", files[1]).stdout)
    write(files[0], reversed(files[0].read_bytes().splitlines()))
    assert parse_policy(sluice(files[0], "--labels", files[1]).stdout) == first


def test_a_verdict_that_came_twice_counts_once(sluice, files):
    files[0].write_bytes(files[0].read_bytes() * 2)
    result = sluice(files[0], "--labels", files[1])
    assert "From 1040 posts" in result.stdout


def test_json_has_the_policy_and_the_figures(sluice, files):
    result = sluice(files[0], "--labels", files[1], "--json", "--version", 9)
    printed = json.loads(result.stdout)
    assert printed["policy"]["version"] == 9
    assert printed["review_share"] <= 0.06
    assert len(printed["labels"]) == len(LABELS)


def test_the_base_policy_can_be_another(sluice, files, tmp_path):
    base = tmp_path / "base.yaml"
    base.write_text("name: own\nversion: 4\nlabels: {threat: {review: 0.5}}\n")
    result = sluice(files[0], "--labels", files[1], "--policy", base)
    policy = parse_policy(result.stdout)
    assert (policy.name, policy.version, list(policy.labels)) == ("own", 5, ["threat"])


def test_too_few_posts_to_promise_blocking_is_said(sluice, files):
    write(files[1], files[1].read_bytes().splitlines()[-140:])
    result = sluice(files[0], "--labels", files[1])
    assert result.exit_code == 0
    assert "needs 298 benign posts, there are 100 (198 more)" in result.stderr


def test_first_use_with_a_handful_of_posts_gives_the_base_policy_and_says_what_is_missing(sluice, files):
    write(files[1], files[1].read_bytes().splitlines()[-43:])  # 3 benign posts, 40 harmful ones
    result = sluice(files[0], "--labels", files[1])
    assert result.exit_code == 0, result.output
    shipped = load_policy(default_policy())
    assert parse_policy(result.stdout).labels == shipped.labels
    for line in (
        "From 43 posts, 3 of them benign",
        "A review risk of 0.05 needs 28 benign posts, there are 3 (25 more)",
        "A block risk of 0.005 needs 298 benign posts, there are 3 (295 more)",
        "fraud: kept from",
        "0 posts with it, 10 needed (10 more)",
    ):
        assert line in result.stderr


VERDICT = encode(make_verdict("p-0"))
GOOD = b'{"post_id": "p-0", "labels": {"threat": 0}}'


@pytest.mark.parametrize(
    ("lines", "mistake"),
    [
        ([GOOD, b"{"], "labels.jsonl:2: not a post's labels"),
        ([b"\xff"], "labels.jsonl:1: not a post's labels"),
        ([b"", b'{"post_id": "p-0"}'], "labels.jsonl:2: not a post's labels"),
        ([b'{"post_id": "p-0", "labels": {"threat": 2}}'], "labels.jsonl:1: not a post's labels"),
        ([b'{"post_id": "p-0", "labels": {"threat": null}}'], "labels.jsonl:1: not a post's labels"),
        ([b'{"post_id": "p-0", "labels": {"thread": 1}}'], "labels.jsonl:1: unknown label 'thread'"),
        ([GOOD, GOOD], "labels.jsonl:2: post 'p-0' stands in line 1 too"),
        ([b'{"post_id": "p-1", "labels": {"threat": 0}}'], "none of the 1 labelled posts has a verdict"),
        ([], "none of the 0 labelled posts has a verdict"),
    ],
)
def test_a_mistake_in_the_labels_is_named(sluice, tmp_path, lines, mistake):
    verdicts, labels = write(tmp_path / "verdicts.jsonl", [VERDICT]), write(tmp_path / "labels.jsonl", lines)
    check_mistake(sluice(verdicts, "--labels", labels), mistake)


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        (b"no json", "verdicts.jsonl:2: not a verdict"),
        (b'{"id": "p-0", "text": "a post"}', "verdicts.jsonl:2: not a verdict"),
        (b'{"post_id": "p-0", "scores": {"threat": 1.5}, "models": {}}', "verdicts.jsonl:2: not a verdict"),
        (b'{"post_id": "p-0", "scores": {"threat": 0.5}, "models": {}}', "verdicts.jsonl:2: no score for toxicity"),
    ],
)
def test_a_mistake_in_the_verdicts_is_named(sluice, tmp_path, line, mistake):
    verdicts, labels = write(tmp_path / "verdicts.jsonl", [VERDICT, line]), write(tmp_path / "labels.jsonl", [GOOD])
    check_mistake(sluice(verdicts, "--labels", labels), mistake)


def check_mistake(result, mistake):
    assert result.exit_code == 1
    assert result.stdout == ""
    assert mistake in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("options", [["--review-risk", "0"], ["--block-risk", "1"], ["--name", ""], ["--version", "0"]])
def test_impossible_options_are_wrong_usage(sluice, files, options):
    result = sluice(files[0], "--labels", files[1], *options)
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_block_risk_above_the_review_risk_is_refused(sluice, files):
    check_mistake(sluice(files[0], "--labels", files[1], "--block-risk", "0.1"), "above the review risk")
