"""Quix Streams, as https://quix.io/docs/quix-streams/quickstart.html has it: a function over each message."""

from __future__ import annotations

import tempfile

from quixstreams import Application

from sluice.bench.peers.options import read_options
from sluice.bench.plain_model import PlainModel


def main() -> None:
    """Run the application until it is ended."""
    options = read_options()
    model = PlainModel(options.precision)
    app = Application(
        broker_address=options.kafka,
        consumer_group=options.group,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        state_dir=tempfile.mkdtemp(prefix="sluice-bench-"),
        loglevel="WARNING",
    )
    posts = app.topic(options.posts, value_deserializer="bytes", key_deserializer="bytes")
    verdicts = app.topic(options.verdicts, value_serializer="bytes", key_serializer="bytes")
    messages = app.dataframe(posts)
    messages = messages.apply(lambda value: model.score([value])[0])
    messages.to_topic(verdicts)
    app.run()


if __name__ == "__main__":
    main()
