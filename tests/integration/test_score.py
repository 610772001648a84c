"""``sluice score`` on the real Triton, as a user runs it."""

import json
import subprocess
import sys

import psutil
import pytest

from sluice.cli.samples import make_samples
from sluice.resources import default_policy
from tests.components import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("triton_files")]

TIMEOUT_S = 300


@pytest.fixture
def triton(triton_server):
    return triton_server.address


def run_score(*arguments, **options):
    command = [sys.executable, "-m", "sluice.cli", "score", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False, **options)


def without_times(line):
    return {name: value for name, value in json.loads(line).items() if name not in ("latency_ms", "scored_at")}


def test_verdicts_in_order_with_dead_letters_in_their_place(triton, tmp_path):
    samples = make_samples()
    texts = [
        json.dumps({"id": f"text-{n}", "text": f"Good morning {n}", "deadline_ms": 1}).encode() for n in range(400)
    ]
    lines = [*texts[:200], *(sample.line for sample in samples), *texts[200:]]
    (tmp_path / "posts.jsonl").write_bytes(b"\n".join(lines))
    done = run_score(tmp_path / "posts.jsonl", "--json", "--triton", triton)
    assert done.returncode == 0, done.stderr.decode()
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(outcomes) == len(lines)
    assert [outcome["post_id"] for outcome in outcomes[:200]] == [f"text-{n}" for n in range(200)]
    assert {outcome["modalities"]["text"] for outcome in outcomes[:200]} == {"ok"}  # deadlines do not count here
    by_title = dict(zip([sample.title for sample in samples], outcomes[200:], strict=False))
    assert by_title["not JSON"]["dead_letter"]["line"] == 200 + len(samples)
    assert by_title["text, picture and clip"]["modalities"] == {"text": "ok", "image:0": "ok", "audio:0": "ok"}
    assert by_title["broken picture"]["modalities"]["image:0"].startswith("failed: ")
    assert b"posts/s" in done.stderr


def test_the_same_posts_from_standard_input_score_the_same(triton, tmp_path):
    lines = b"\n".join(sample.line for sample in make_samples())
    (tmp_path / "posts.jsonl").write_bytes(lines)
    from_file = run_score(tmp_path / "posts.jsonl", "--triton", triton)
    from_stdin = run_score("-", "--triton", triton, input=lines)
    assert from_stdin.returncode == 0
    assert [without_times(line) for line in from_stdin.stdout.splitlines()] == [
        without_times(line) for line in from_file.stdout.splitlines()
    ]


def test_verdicts_come_while_the_input_is_open_and_ctrl_c_ends_it(triton):
    command = [sys.executable, "-m", "sluice.cli", "score", "-", "--triton", triton]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.write(b'{"id": "first", "text": "hello"}\n')
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["post_id"] == "first"
        process.send_signal(2)
        assert process.wait(30) == 130
        assert b"Traceback" not in process.stderr.read()


def test_a_policy_that_is_wrong_is_named(triton, tmp_path):
    (tmp_path / "posts.jsonl").write_text('{"id": "a", "text": "hello"}\n')
    (tmp_path / "policy.yaml").write_text("name: 5\nlabels: none\n")
    arguments = [tmp_path / "posts.jsonl", "--triton", triton, "--policy", tmp_path / "policy.yaml"]
    done = run_score(*arguments)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"policy.yaml" in done.stderr
    assert b"Traceback" not in done.stderr


def test_no_triton_there_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setenv("SLUICE_START_TIMEOUT_S", "1")
    (tmp_path / "posts.jsonl").write_text('{"id": "a", "text": "hello"}\n')
    done = run_score(tmp_path / "posts.jsonl", "--triton", "127.0.0.1:1")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"127.0.0.1:1" in done.stderr
    assert b"Traceback" not in done.stderr


def test_it_starts_and_stops_its_own_triton():
    command = [sys.executable, "-m", "sluice.cli", "score", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(b'{"id": "first", "text": "hello"}\n')
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["post_id"] == "first"
        children = psutil.Process(process.pid).children(recursive=True)
        assert "tritonserver" in {child.name() for child in children}
        process.stdin.close()
        assert process.wait(60) == 0
    assert psutil.wait_procs(children, timeout=10)[1] == []


def test_it_goes_on_with_a_triton_that_died(tmp_path):
    posts = tmp_path / "posts.jsonl"
    posts.write_text("".join(json.dumps({"id": f"p-{n}", "text": f"Good morning {n}"}) + "\n" for n in range(3_000)))
    command = [sys.executable, "-m", "sluice.cli", "score", str(posts), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        outcomes = [json.loads(process.stdout.readline())]
        children = psutil.Process(process.pid).children(recursive=True)
        next(child for child in children if child.name() == "tritonserver").kill()
        outcomes += map(json.loads, process.stdout)
        assert process.wait(60) == 0
        said = process.stderr.read()
    assert [outcome["post_id"] for outcome in outcomes] == [f"p-{n}" for n in range(3_000)]
    assert {outcome["modalities"]["text"] for outcome in outcomes} == {"ok"}
    assert b"Triton has ended by itself, and is started again" in said


def test_a_run_that_was_ended_is_resumed(triton, tmp_path):
    posts, out = tmp_path / "posts.jsonl", tmp_path / "out.jsonl"
    lines = [json.dumps({"id": f"p-{n}", "text": f"Good morning {n}"}).encode() for n in range(2_000)]
    posts.write_bytes(b"\n".join([*lines[:1_000], b"not json", *lines[1_000:]]))
    command = [sys.executable, "-m", "sluice.cli", "score", str(posts), "--triton", triton]
    with out.open("wb") as written, subprocess.Popen([*command, "--json"], stdout=written) as process:
        wait_for(lambda: out.stat().st_size > 100_000, "some verdicts")
        process.kill()
    with out.open("ab") as written:
        written.write(b'{"post_id": "p-9')
    done = run_score(posts, "--triton", triton, "--resume", out)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"lines had their outcome already" in done.stderr
    outcomes = [json.loads(line) for line in out.read_bytes().splitlines()]
    found = [outcome.get("post_id", outcome.get("dead_letter", {}).get("line")) for outcome in outcomes]
    assert found == [*(f"p-{n}" for n in range(1_000)), 1_001, *(f"p-{n}" for n in range(1_000, 2_000))]


def test_a_backtest_scores_anew_what_older_models_had_missed(triton, tmp_path):
    lines = [sample.line for sample in make_samples()[:4]]  # chat, and threats
    (tmp_path / "posts.jsonl").write_bytes(b"\n".join([*lines, b"no post", b'{"id": "without verdict", "text": "hi"}']))
    verdicts = run_score("-", "--json", "--triton", triton, input=b"\n".join(lines)).stdout.splitlines()
    missed = json.loads(verdicts[2])
    assert missed["decision"] == "block"
    missed |= {"decision": "allow", "scores": dict.fromkeys(missed["scores"], 0.0), "reasons": []}
    (tmp_path / "verdicts.jsonl").write_bytes(b"\n".join([*verdicts[:2], json.dumps(missed).encode(), verdicts[3]]))
    assert backtest(tmp_path)["changed"] == 0
    figures = backtest(tmp_path, "--rescore", "--posts", tmp_path / "posts.jsonl", "--triton", triton)
    assert (figures["posts"], figures["changed"], figures["examples"][0]["post_id"]) == (4, 1, missed["post_id"])


def backtest(folder, *arguments):
    options = ("--policy", default_policy(), "--verdicts", folder / "verdicts.jsonl", "--json", *arguments)
    command = [sys.executable, "-m", "sluice.cli", "backtest", *map(str, options)]
    done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)
