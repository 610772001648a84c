"""The commands that need no models: their surfaces, on an embedded broker with a stand-in for the worker."""

import json
import os
import re
import subprocess
import sys

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from sluice import __version__
from sluice.cli import app
from sluice.cli.publish import send_all
from sluice.client import MAX_MESSAGE_BYTES, Outcomes, Publisher
from sluice.errors import PostTooLarge
from sluice.local.processes import python_path
from sluice.schema import decode_post, encode
from tests.engine.cli.verdicts import make_verdict

COMMANDS = ["demo", "up", "worker", "publish", "verdicts", "score", "calibrate"]
COMMANDS += ["bench", "plan", "schema", "dead-letters"]


@pytest.fixture
def sluice(tmp_path, monkeypatch):
    monkeypatch.setenv("SLUICE_MEDIA_STORE", str(tmp_path / "media"))
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def worker(kafka, start_worker):
    def answer(message):
        try:
            post = decode_post(message.value())
        except Exception:  # what a post is, is not the point here
            return [(kafka.topics.dead_letters, message.value(), [("sluice-reason", b"not_json")])]
        decision = "block" if "threat" in (post.text or "") else "allow"
        return [(kafka.topics.verdicts, encode(make_verdict(post.id, decision)), [])]

    start_worker(answer)


def read_all(kafka):
    with Outcomes(kafka, start="beginning") as outcomes:
        return list(outcomes.read_to_end())


@pytest.mark.parametrize("arguments", [[], *([command] for command in COMMANDS), ["dead-letters", "redrive"]])
def test_help_everywhere(sluice, arguments):
    result = sluice(*arguments, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.stdout


@pytest.mark.parametrize("arguments", [[], ["up"], ["dead-letters", "list"]])
def test_h_is_help(sluice, arguments):
    assert sluice(*arguments, "-h").output == sluice(*arguments, "--help").output


def test_the_version_is_one_line(sluice):
    assert sluice("--version").stdout == f"sluice {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["verdicts", "--decision", "maybe"], ("allow", "review", "block")),
        (["dead-letters", "redrive", "--reason", "boring"], ("not_json", "too_large")),
        (["up", "--broker", "other"], ("embedded", "kafka")),
        (["schema", "verb"], ("post", "verdict")),
        (["new-key", "n", "--scope", "all"], ("score", "feedback")),
    ],
)
def test_an_unknown_value_names_the_allowed_ones(sluice, arguments, allowed):
    result = sluice(*arguments)
    said = " ".join(result.stderr.split())
    assert (result.exit_code, [one for one in allowed if one not in said]) == (2, [])


def test_a_terminal_that_knows_ascii_alone_is_enough(tmp_path):
    environ = {**os.environ, **python_path(), "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    for arguments in (["-h"], ["score", "-h"], ["schema", "post"]):
        command = [sys.executable, "-m", "sluice", *arguments]
        done = subprocess.run(command, env=environ, capture_output=True, check=False)
        assert (done.returncode, done.stderr, done.stdout.isascii()) == (0, b"", True)


def test_a_misspelt_variable_is_named_and_the_command_goes_on(sluice, monkeypatch):
    monkeypatch.setenv("SLUICE_TRITN", "t:8001")
    result = sluice("schema", "post")
    assert (result.exit_code, result.stderr) == (0, "sluice: SLUICE_TRITN is no setting: did you mean SLUICE_TRITON?\n")


def test_starting_imports_nothing_heavy():
    code = "import sys, sluice.cli; print({'faust', 'librosa', 'numpy', 'tritonclient', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"], ["schema", "verb"], ["publish"], ["publish", "-", "--text", "hi"], ["publish", "/nowhere"],
        ["publish", "--image", "/nowhere"], ["publish", "--text", "hi", "--id", "x" * 300], ["score", "/nowhere"],
        ["demo", "--posts", "/nowhere"], ["up", "--broker", "other"],
        ["calibrate", "/nowhere", "--labels", "/nowhere"], ["calibrate", "-", "--labels", "-"], ["calibrate", "-"],
        ["verdicts", "--decision", "maybe"], ["dead-letters", "redrive", "--limit", "0"],
        ["dead-letters", "redrive", "--reason", "boring"], ["dead-letters", "show", "17"],
        ["dead-letters", "show", "a/b"],
    ],
)  # fmt: skip
def test_wrong_usage_is_2(sluice, arguments):
    result = sluice(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""


@pytest.mark.parametrize("message", ["post", "verdict", "decision", "report"])
def test_schema(sluice, message):
    result = sluice("schema", message)
    assert json.loads(result.stdout)["$schema"].endswith("2020-12/schema")


@pytest.mark.parametrize("message", ["post", "verdict"])
def test_schemas_of_the_other_forms(sluice, message):
    assert json.loads(sluice("schema", message, "--format", "avro").stdout)["name"] == message.title()
    assert f"message {message.title()} {{" in sluice("schema", message, "--format", "protobuf").stdout
    for other in ("asyncapi", "decision", "report"):
        assert sluice("schema", other, "--format", "avro").exit_code == 2


def test_the_document_of_the_topics_has_their_names(sluice, monkeypatch):
    monkeypatch.setenv("SLUICE_TOPIC_POSTS", "mine")
    document = json.loads(sluice("schema", "asyncapi").stdout)
    assert (document["asyncapi"], document["channels"]["posts"]["address"]) == ("3.0.0", "mine")


@pytest.mark.parametrize("arguments", [["verdicts"], ["dead-letters", "list"], ["publish", "--text", "hi"]])
def test_no_kafka_is_one_clear_line(sluice, arguments, monkeypatch):
    monkeypatch.setenv("SLUICE_START_TIMEOUT_S", "0.5")
    result = sluice(*arguments, "--kafka", "127.0.0.1:1")
    assert result.exit_code == 1
    assert "127.0.0.1:1" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_publish_a_file_and_read_the_verdicts(sluice, kafka, worker, tmp_path):
    lines = tmp_path / "posts.jsonl"
    lines.write_bytes(b'{"id": "a", "text": "hi"}\n\n{"id": "b", "text": "a threat"}\n{"id":\n' + b"x" * 5_000_000)
    published = sluice("publish", lines, "--kafka", kafka.bootstrap)
    assert published.exit_code == 1
    assert "line 4: not_json: " in published.stderr
    assert "line 5: the message has 5000000 bytes" in published.stderr
    assert "2 posts published" in published.stderr

    everything = sluice("verdicts", "--kafka", kafka.bootstrap)
    assert sorted(json.loads(line)["post_id"] for line in everything.stdout.splitlines()) == ["a", "b"]
    blocked = sluice("verdicts", "--decision", "block", "--json", "--kafka", kafka.bootstrap)
    assert [json.loads(line)["post_id"] for line in blocked.stdout.splitlines()] == ["b"]


def test_publish_one_post_from_files(sluice, kafka, worker, tmp_path):
    picture, clip = tmp_path / "cat.png", tmp_path / "purr.ogg"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + b"p" * 100_000)
    clip.write_bytes(b"OggS" + b"c" * 100)
    result = sluice(
        "publish", "--text", "look", "--image", picture, "--audio", clip, "--id", "p-7", "--kafka", kafka.bootstrap
    )
    assert result.exit_code == 0, result.output
    assert [json.loads(one.value)["post_id"] for one in read_all(kafka)] == ["p-7"]
    stored = [path for path in (tmp_path / "media").rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in stored] == [picture.read_bytes()]


def test_publish_says_the_id_that_was_made_up(sluice, kafka, worker):
    result = sluice("publish", "--text", "hi", "--kafka", kafka.bootstrap)
    assert re.fullmatch(r"p-[0-9a-f-]{36}", json.loads(result.stdout)["id"])


def test_publish_and_wait_gives_each_outcome_in_the_order_of_the_posts(sluice, kafka, worker, tmp_path):
    lines = tmp_path / "posts.jsonl"
    posts = [{"id": f"p-{n}", "text": "a threat" if n == 3 else "hi"} for n in range(5)]
    lines.write_text("".join(f"{json.dumps(post)}\n" for post in posts) + "not JSON\n")
    result = sluice("publish", lines, "--wait", "--kafka", kafka.bootstrap)
    outcomes = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["post_id"] for one in outcomes] == [post["id"] for post in posts]
    assert [one["decision"] for one in outcomes] == ["allow", "allow", "allow", "block", "allow"]
    assert (result.exit_code, "line 6: not_json" in result.stderr) == (1, True)


def test_people_see_what_became_of_their_post(sluice, kafka, worker, at_a_terminal):
    result = sluice("publish", "--wait", "--text", "a threat", "--id", "p-7", "--kafka", kafka.bootstrap)
    assert (result.exit_code, result.stdout) == (0, "")
    assert re.search(r"p-7 .* a threat .* block .* 11.0", result.stderr), result.stderr


def test_a_post_without_an_outcome_is_named(sluice, kafka, start_worker, monkeypatch):
    monkeypatch.setattr("sluice.cli.publish.OUTCOME_S", 0.5)
    result = sluice("publish", "--wait", "--text", "hi", "--kafka", kafka.bootstrap)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "line 1: no outcome" in result.stderr
    assert "is a worker running?" in result.stderr


def test_foreign_messages_among_the_verdicts_are_skipped(sluice, kafka):
    producer = Producer(kafka.librdkafka())
    producer.produce(kafka.topics.verdicts, b"not a verdict")
    producer.produce(kafka.topics.verdicts, encode(make_verdict()))
    producer.flush()
    result = sluice("verdicts", "--kafka", kafka.bootstrap)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 1
    assert "not a verdict, skipped" in result.stderr


def test_dead_letters_are_listed_without_their_content_and_redriven_once(sluice, kafka):
    producer = Producer(kafka.librdkafka())
    headers = [("sluice-reason", b"not_json"), ("sluice-detail", b"line 1"), ("sluice-source", b"posts/0/1")]
    producer.produce(kafka.topics.dead_letters, b"secret words", b"k", headers=headers)
    producer.flush()
    listed = sluice("dead-letters", "list", "--kafka", kafka.bootstrap)
    letter = json.loads(listed.stdout)
    assert (letter["reason"], letter["key"], letter["n_bytes"]) == ("not_json", "k", 12)
    assert "secret" not in listed.output

    assert sluice("dead-letters", "redrive", "--reason", "invalid", "--kafka", kafka.bootstrap).stdout == ""
    assert json.loads(sluice("dead-letters", "redrive", "--kafka", kafka.bootstrap).stdout)["offset"] == 0
    again = sluice("dead-letters", "redrive", "--kafka", kafka.bootstrap)
    assert (again.exit_code, again.stdout) == (0, "")


def test_a_dead_letter_is_shown_byte_for_byte(sluice, kafka):
    producer = Producer(kafka.librdkafka())
    producer.produce(kafka.topics.dead_letters, b"{\xff", b"k", partition=1, headers=[("sluice-reason", b"not_utf8")])
    producer.flush()
    shown = sluice("dead-letters", "show", "1/0", "--kafka", kafka.bootstrap)
    assert (shown.exit_code, shown.stdout_bytes) == (0, b"{\xff\n")
    assert json.loads(shown.stderr)["reason"] == "not_utf8"
    missing = sluice("dead-letters", "show", "1/7", "--kafka", kafka.bootstrap)
    assert (missing.exit_code, "has no message 1/7" in missing.stderr) == (1, True)


@pytest.fixture
def at_a_terminal(monkeypatch):
    for command in ("verdicts", "dead_letters", "publish"):
        monkeypatch.setattr(f"sluice.cli.{command}.wants_json", lambda asked: asked)


def test_people_get_lines_and_tables_on_standard_error(sluice, kafka, at_a_terminal):
    producer = Producer(kafka.librdkafka())
    producer.produce(kafka.topics.verdicts, encode(make_verdict("p-9", "review")))
    producer.produce(
        kafka.topics.dead_letters, b"{", headers=[("sluice-reason", b"not_json"), ("sluice-detail", b"[x]")]
    )
    producer.flush()
    verdicts = sluice("verdicts", "--kafka", kafka.bootstrap)
    assert (verdicts.stdout, "p-9  review" in verdicts.stderr) == ("", True)
    letters = sluice("dead-letters", "list", "--kafka", kafka.bootstrap)
    assert (letters.stdout, "[x]" in letters.stderr, "1 dead letters" in letters.stderr) == ("", True, True)


def test_without_a_window_every_line_is_reported_once(kafka):
    lines = [(1, b'{"id": "a"}'), (3, b"x" * (MAX_MESSAGE_BYTES + 1)), (4, b"y")]
    with Publisher(kafka) as publisher:
        sent = dict(send_all(kafka, publisher, lines))
    assert {number: type(error) for number, error in sent.items()} == {1: type(None), 3: PostTooLarge, 4: type(None)}


def test_a_media_store_that_is_none_is_named(sluice, kafka, monkeypatch):
    monkeypatch.setenv("SLUICE_MEDIA_STORE", "nosuch://bucket")
    result = sluice("publish", "--text", "hi", "--kafka", kafka.bootstrap)
    assert result.exit_code == 1
    assert "SLUICE_MEDIA_STORE: nosuch://bucket" in result.stderr


@pytest.mark.parametrize(("given", "n_threads"), [({}, "1"), ({"OMP_NUM_THREADS": "3"}, "3")])
def test_small_products_are_computed_on_one_thread_unless_it_is_said_otherwise(given, n_threads):
    code = "import atexit, os; atexit.register(lambda: print(os.environ['OMP_NUM_THREADS'])); import sluice.__main__"
    rest = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-c", code, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=rest | given)
    assert done.stdout.splitlines()[-1] == n_threads
