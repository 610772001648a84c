"""Posts of our own, published at a steady rate while things break."""

from __future__ import annotations

import base64
import io
import random
import threading
import time

from PIL import Image

from sluice.client import Publisher
from sluice.config import KafkaConfig
from sluice.local.processes import RunningInside
from sluice.schema import Media, Post, encode

SENTENCES = (
    "See you at lunch on day {n}, the usual place.",
    "The train at {n} past was late again, so I walked.",
    "Does anybody sell a bicycle for about {n} euros?",
    "I will find you and hurt you, number {n}.",
    "You are an idiot and everybody in room {n} knows it.",
    "Recipe {n}: two eggs, some flour, a little patience.",
    "今天的第 {n} 号菜是番茄炒蛋。",
)
MALFORMED_EVERY = 50
"""One message in so many is no post: it has to become a dead letter."""
PICTURE_EVERY = 40
N_AUTHORS = 50
HEAD_DEADLINE_MS = 5_000


class Traffic(RunningInside):
    """Publishes posts at a rate on a thread of its own, from `start` until `stop`.

    Parameters
    ----------
    rate_per_s : float
        Posts per second.
    prefix : str
        Of the posts' ids.
    """

    def __init__(self, kafka: KafkaConfig, rate_per_s: float, prefix: str, seed: int) -> None:
        self._publisher = Publisher(kafka, store=None)
        self._rate_per_s = rate_per_s
        self._prefix = prefix
        self._rng = random.Random(seed)  # noqa: S311  (reproducible, not secret)
        self._lock = threading.Lock()
        self._published: list[str] = []
        self._expected_dead: set[str] = set()
        self._stuck: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chaos-traffic", daemon=True)
        self._failure: Exception | None = None
        self._picture = _draw_picture()

    def start(self) -> None:
        """Begin to publish."""
        self._publisher.connect()
        self._thread.start()

    def stop(self) -> None:
        """End publishing and wait for the last acknowledgements; raises `PublishError` if there was none."""
        if self._thread.is_alive():
            self._ended.set()
            self._thread.join()
        if self._failure:
            raise self._failure
        self._publisher.close()

    def published(self) -> list[str]:
        """Ids of all posts so far, those of malformed messages included."""
        with self._lock:
            return list(self._published)

    @property
    def stuck(self) -> set[str]:
        """Ids of the posts that were stuck on purpose."""
        return self._stuck

    @property
    def expected_dead(self) -> set[str]:
        """Ids whose message is no post."""
        return self._expected_dead

    def publish_stuck(self, url: str) -> str:
        """Publish a post whose picture never comes, which holds its partition until its deadline; returns its id."""
        with self._lock:
            post_id = f"{self._prefix}-stuck-{len(self._published)}"
            post = Post(id=post_id, images=(Media(url),), deadline_ms=HEAD_DEADLINE_MS)
            self._send(post_id, encode(post))
            self._stuck.add(post_id)
        return post_id

    def _run(self) -> None:
        begun, n_sent = time.monotonic(), 0
        try:
            while not self._ended.wait(max(0.0, begun + n_sent / self._rate_per_s - time.monotonic())):
                with self._lock:
                    self._publish_next(n_sent)
                n_sent += 1
        except Exception as error:
            self._failure = error

    def _publish_next(self, number: int) -> None:
        post_id = f"{self._prefix}-{number}"
        if number % MALFORMED_EVERY == MALFORMED_EVERY - 1:
            self._expected_dead.add(post_id)
            self._send(post_id, b'{"id": "cut off')
            return
        images = (Media(self._picture),) if number % PICTURE_EVERY == 0 else ()
        text = self._rng.choice(SENTENCES).format(n=number)
        author = f"u-{number % N_AUTHORS}"
        self._send(post_id, encode(Post(id=post_id, author_id=author, text=text, images=images)))

    def _send(self, post_id: str, value: bytes) -> None:
        self._publisher.publish_bytes(value, post_id.encode())
        self._published.append(post_id)


def _draw_picture() -> str:
    """Return a small drawing as a data URI."""
    picture = Image.linear_gradient("L").resize((64, 48)).convert("RGB")
    content = io.BytesIO()
    picture.save(content, "PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
