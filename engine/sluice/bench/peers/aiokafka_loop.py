"""An aiokafka loop, as https://aiokafka.readthedocs.io/en/stable/consumer.html has it: batches, commits after them."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from sluice.bench.peers.options import PeerOptions, read_options
from sluice.bench.plain_model import PlainModel

N_TOGETHER = 32


async def moderate(options: PeerOptions, model: PlainModel) -> None:
    """Score what comes, for ever."""
    consumer = AIOKafkaConsumer(
        options.posts,
        bootstrap_servers=options.kafka,
        group_id=options.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(bootstrap_servers=options.kafka, acks="all")
    async with consumer, producer:
        while True:
            batch = await consumer.getmany(timeout_ms=1000, max_records=N_TOGETHER)
            records = [record for each in batch.values() for record in each]
            if not records:
                continue
            answers = await asyncio.to_thread(model.score, [record.value for record in records])
            sent = [
                await producer.send(options.verdicts, answer, key=record.key)
                for record, answer in zip(records, answers, strict=True)
            ]
            await asyncio.gather(*sent)
            await consumer.commit()


def main() -> None:
    """Run the loop until it is ended."""
    options = read_options()
    asyncio.run(moderate(options, PlainModel(options.precision)))


if __name__ == "__main__":
    main()
