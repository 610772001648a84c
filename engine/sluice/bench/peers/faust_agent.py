"""A plain Faust agent, as https://faust-streaming.github.io/faust/userguide/agents.html has it: one event at a time."""

from __future__ import annotations

import sys
import tempfile
from typing import Any

import faust

from sluice.bench.peers.options import read_options
from sluice.bench.plain_model import PlainModel


def main() -> None:
    """Run the agent until it is ended."""
    options = read_options()
    model = PlainModel(options.precision)
    app = faust.App(
        options.group,
        broker=f"kafka://{options.kafka}",
        datadir=tempfile.mkdtemp(prefix="sluice-bench-"),
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
    )
    posts = app.topic(options.posts, value_type=bytes, value_serializer="raw")
    verdicts = app.topic(options.verdicts, value_type=bytes, value_serializer="raw")

    @app.agent(posts)
    async def moderate(stream: Any) -> None:
        async for event in stream.events():
            (answer,) = model.score([event.value])
            await verdicts.send(key=event.message.key, value=answer)

    sys.argv = [sys.argv[0], "worker", "--loglevel=warn"]
    app.main()


if __name__ == "__main__":
    main()
