"""Every peer on Kafka answers every post, as the model itself does."""

import json
import sys

import pytest

from sluice.bench.kafka_load import KafkaLoad
from sluice.bench.names import RowName
from sluice.bench.overlay import PINS, quix_environment
from sluice.bench.peers.options import PeerOptions, read_options, write_options
from sluice.bench.plain_model import PlainModel
from sluice.bench.posts import Mix, make_posts
from sluice.bench.remote import Remote
from sluice.bench.servers import PEERS
from sluice.bench.trace import Closed
from sluice.cache import cache_dir
from sluice.local.processes import ChildProcess, python_path
from sluice.schema import encode

N_POSTS = 24
ON_KAFKA = [RowName.faust, RowName.aiokafka]


@pytest.fixture(scope="module")
def posts(tmp_path_factory):
    return make_posts(N_POSTS, 1, Mix(100, 0, 0, 0, 0), tmp_path_factory.mktemp("media"))


@pytest.fixture(scope="module")
def expected(posts):
    return [json.loads(answer) for answer in PlainModel().score([encode(post) for post in posts])]


def environment_of(row):
    if row is not RowName.quix:
        return python_path()
    if not any(cache_dir().glob(f"{PINS[0].replace('==', '-')}-py*")):
        pytest.skip(f"{PINS[0]} was not fetched; sluice bench --rows quix does")
    return quix_environment()


@pytest.mark.parametrize("row", ON_KAFKA)
def test_a_peer_gives_the_models_answers(row, kafka, posts, expected, tmp_path):
    options = PeerOptions(kafka.bootstrap, kafka.topics.posts, kafka.topics.verdicts, "peer", "8bit")
    command = [sys.executable, "-m", f"sluice.bench.peers.{PEERS[row]}", *write_options(options)]
    peer = ChildProcess(row, command, tmp_path / "log", kafka.bootstrap, environment=environment_of(row))
    with peer, Remote(KafkaLoad, kafka) as load:
        load.check = peer.check
        load.call("warm_up", posts[:2])
        trace = load.call("run", Closed(8, 60.0), posts[2:])
    assert trace.n_lost == 0
    assert [json.loads(trace.answers[post.id]) for post in posts[2:]] == expected[2:]


def test_options_are_read_as_they_are_written(monkeypatch):
    options = PeerOptions("host:1", "posts", "verdicts", "group", "32bit")
    monkeypatch.setattr(sys, "argv", ["peer", *write_options(options)])
    assert read_options() == options
