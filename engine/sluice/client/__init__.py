"""For users' Python: publish posts with media by reference, and read what came of them.

Examples
--------
>>> from sluice.client import Outcomes, Publisher
>>> from sluice.config import KafkaConfig
>>> from sluice.schema import Post
>>> kafka = KafkaConfig("127.0.0.1:9092")
>>> with Outcomes(kafka) as outcomes, Publisher(kafka) as publisher:  # doctest: +SKIP
...     publisher.publish(Post(id="p-1", text="hello"))
...     publisher.flush()
...     for outcome in outcomes.follow():
...         print(outcome.key, outcome.value)
"""

from sluice.client.inline_media import INLINE_LIMIT_BYTES, move_inline_media
from sluice.client.outcomes import CORRELATION_HEADER, Outcome, Outcomes
from sluice.client.publisher import Publisher, read_key
from sluice.client.redrive import Redrive
from sluice.client.window import Settled, Window, WindowedPublisher
from sluice.kafka import MAX_MESSAGE_BYTES

__all__ = [
    "CORRELATION_HEADER",
    "INLINE_LIMIT_BYTES",
    "MAX_MESSAGE_BYTES",
    "Outcome",
    "Outcomes",
    "Publisher",
    "Redrive",
    "Settled",
    "Window",
    "WindowedPublisher",
    "move_inline_media",
    "read_key",
]
