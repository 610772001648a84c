"""The whole stack, as a user runs it: ``sluice demo`` in a process of its own."""

import base64
import io
import json
import random
import signal
import subprocess
import sys
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from sluice.cli.samples import draw_house, play_melody
from tests.components import require_kafka

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("triton_files")]

TIMEOUT_S = 400
N_LINES = 200
GREETINGS = ("Good morning, number {}!", "早上好，{} 号！", "Lunch on day {}? 🙂", "Thanks for photo {}.")
MALFORMED = (
    b"\xff\xfe not UTF-8",
    b'{"id": "cut", "text": "ends too ear',
    b'{"id": {"n": 7}, "text": "the id is an object"}',
    b'{"text": "no id"}',
    b'{"id": "no-parts"}',
    b'["not", "an", "object"]',
    b"null",
    b'{"id": "wrong", "images": "not a list"}',
    b'{"id": "odd", "images": [7]}',
    b'{"id": "large", "text": "' + b"x" * (3 * 2**20) + b'"}',
)


def run_demo(*arguments):
    command = [sys.executable, "-m", "sluice.cli", "demo", *arguments]
    return subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)


def make_posts():
    """180 posts of every kind of part and 20 malformed lines, mixed; none may be late, however busy the machine."""
    posts: list[dict[str, Any]] = [
        {"id": f"post-{n}", "text": GREETINGS[n % 4].format(n), "deadline_ms": 20_000} for n in range(N_LINES - 20)
    ]
    house, melody = draw_house(), play_melody()
    for post in posts[::9]:
        post["images"] = [{"uri": house}]
    for post in posts[::11]:
        post["audio"] = [{"uri": melody}]
    posts[5]["images"] = [{"uri": "data:image/png;base64,bm8="}]
    lines = [json.dumps(post).encode() for post in posts] + [*MALFORMED] * 2
    random.Random(3).shuffle(lines)
    return lines


def read_ids(lines):
    outcomes = [json.loads(line) for line in lines]
    return outcomes, [outcome.get("post_id") for outcome in outcomes]


@pytest.fixture(scope="module")
def mixed_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("mixed") / "posts.jsonl"
    path.write_bytes(b"\n".join(make_posts()) + b"\n\n")
    return path


@pytest.fixture(scope="module")
def mixed_demo(mixed_file):
    return run_demo("--posts", str(mixed_file), "--json")


def test_every_line_of_a_mixed_file_gets_its_outcome(mixed_demo):
    lines, done = make_posts(), mixed_demo
    assert done.returncode == 0, done.stderr.decode()
    outcomes, ids = read_ids(done.stdout.splitlines())
    assert len(outcomes) == N_LINES
    for number, (line, outcome, post_id) in enumerate(zip(lines, outcomes, ids, strict=True), 1):
        if line in MALFORMED:
            assert outcome["dead_letter"]["line"] == number
            assert outcome["dead_letter"]["reason"] in ("not_utf8", "not_json", "invalid", "too_large")
        else:
            assert post_id == json.loads(line)["id"]
    verdicts = {outcome["post_id"]: outcome for outcome in outcomes if "post_id" in outcome}
    assert verdicts["post-5"]["modalities"]["image:0"].startswith("failed: ")
    assert verdicts["post-5"]["decision"] != "allow"
    assert verdicts["post-9"]["modalities"] == {"text": "ok", "image:0": "ok"}
    assert b"p50" in done.stderr


def find_decisions(done):
    return [outcome.get("decision", "dead letter") for outcome in map(json.loads, done.stdout.splitlines())]


@pytest.mark.kafka
def test_real_kafka_gives_the_same_decisions(mixed_demo, mixed_file):
    require_kafka()
    done = run_demo("--posts", str(mixed_file), "--json", "--broker", "kafka")
    assert done.returncode == 0, done.stderr.decode()
    assert find_decisions(done) == find_decisions(mixed_demo)
    assert len(find_decisions(done)) == N_LINES


def make_noise(seed):
    """A picture that does not compress, about 300 kB."""
    pixels = np.random.default_rng(seed).integers(0, 255, (320, 310, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    assert 290_000 < len(file.getvalue()) < 310_000
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def test_sixty_megabytes_of_pictures_lose_nothing(tmp_path, triton_server, monkeypatch):
    # Letters are looked for in noise the longest: on a slow machine for more than any deadline.
    monkeypatch.setenv("SLUICE_PICTURE_TEXT", "0")
    with (tmp_path / "posts.jsonl").open("w") as file:
        for n in range(N_LINES):
            # None is to be late, however busy the machine is.
            post = {"id": f"picture-{n}", "images": [{"uri": make_noise(n)}], "deadline_ms": 20_000}
            file.write(json.dumps(post) + "\n")
    done = run_demo("--posts", str(tmp_path / "posts.jsonl"), "--json", "--triton", triton_server.address)
    assert done.returncode == 0, done.stderr.decode()
    outcomes, ids = read_ids(done.stdout.splitlines())
    assert ids == [f"picture-{n}" for n in range(N_LINES)]
    assert {outcome["modalities"]["image:0"] for outcome in outcomes} == {"ok"}


def test_the_samples_are_shown_in_a_table():
    done = run_demo()
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b""
    table = done.stderr.decode()
    rows = {line.split("│")[1].strip(): line for line in table.splitlines() if line.count("│") > 5}
    assert "allow" in rows["chat, English"]
    assert "allow" in rows["chat, Chinese"]
    assert "block" in rows["threat, English"] or "review" in rows["threat, English"]
    assert "review" in rows["prize spam"] or "block" in rows["prize spam"]
    assert "image:0 failed" in rows["broken picture"]
    assert "one text post at a time" in table


def find_children(process):
    return psutil.Process(process.pid).children(recursive=True)


def test_ctrl_c_leaves_no_process():
    command = [sys.executable, "-m", "sluice.cli", "up", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        addresses = json.loads(process.stdout.readline())
        children = find_children(process)
        process.send_signal(signal.SIGINT)
        status = process.wait(60)
    assert {"kafka", "triton", "metrics"} <= set(addresses)
    assert len(children) >= 3
    assert psutil.wait_procs(children, timeout=10)[1] == []
    assert status == 130
