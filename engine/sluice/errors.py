"""Every exception that Sluice raises on purpose.

```text
SluiceError
├── SettingsError             a setting is missing or wrong; names the variable
├── PolicyError               a policy file is wrong; names file and line
├── WatchError                what is looked for in posts cannot be changed so; names what
│   ├── ListError             a list holds what cannot be looked for; names file and line
│   └── HashError             a bank of hashes holds what is none; names file and line
├── AuditError                the audit log cannot be read or written, or is not what was written; names the record
├── CalibrationError          no thresholds can be computed from these posts, labels or risks
├── BenchmarkError            a file is not the public test set it is read as, or a mix or row is none; names it
├── InvalidPost               a message is not a post; becomes a dead letter
├── KafkaUnavailable          Kafka cannot be reached or lacks a topic; names the address
├── PublishError              a message could not be handed to Kafka
│   ├── PostTooLarge          over what the broker or the publisher takes
│   └── MessageRefused        a topic will never take an outcome as it is
├── PartFailed                one part of a post cannot be scored; the rest still is
│   ├── MediaRefused          a forbidden address, outside the roots, over a limit
│   ├── MediaUnavailable      unreachable, not found, timed out
│   ├── MediaInvalid          bytes that are not what they claim to be
│   └── PartLate              the post's deadline came first
├── InferenceError            Triton answered with an error
│   ├── InferenceUnavailable  Triton is down: wait for it, the post is not to blame
│   │   ├── ModelBusy         its queue is full
│   │   └── ModelMismatch     a model's tensors or labels are others than this worker's
│   ├── ModelCrashed          a model crashes on these rows each time
│   └── InferenceLate         no answer before the deadline
└── StackError                a server of the embedded stack did not start
```
"""

from __future__ import annotations


class SluiceError(Exception):
    """Base of every error that Sluice raises on purpose."""


class SettingsError(SluiceError):
    """A setting is missing or wrong. The message names the environment variable."""


class PolicyError(SluiceError):
    """A policy file is wrong. The message names the file, the line and the mistake."""


class WatchError(SluiceError):
    """What is looked for in posts cannot be changed so. The message names what, and why."""


class ListError(WatchError):
    """A list of words, sites or authors is wrong. The message names the file, the line and the mistake."""


class HashError(WatchError):
    """A bank of hashes is wrong. The message names the file, the line and the mistake."""


class AuditError(SluiceError):
    """The audit log cannot be read or written, or is not what was written."""


class CalibrationError(SluiceError):
    """No thresholds can be computed from these posts, labels or risks. For a mistake in a file: names file and line."""


class BenchmarkError(SluiceError):
    """A file is not the public test set that it is read as, or an option of `sluice bench` is wrong; names it."""


class InvalidPost(SluiceError):
    """A message that is not a post.

    Parameters
    ----------
    reason : str
        One of `REASONS`: few and fixed, since it labels a metric.
    detail : str
        What was wrong and where, without the post's content.
    """

    REASONS = (
        "not_utf8", "not_json", "not_avro", "not_protobuf", "invalid", "too_large", "unscorable", "verdict_too_large",
        "crashed_worker",
    )  # fmt: skip

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class KafkaUnavailable(SluiceError):
    """Kafka cannot be reached, or lacks a topic. The message names the address."""


class PublishError(SluiceError):
    """A message could not be handed to Kafka."""


class PostTooLarge(PublishError):
    """A message is larger than the broker or the publisher takes."""


class MessageRefused(PublishError):
    """A topic will never take an outcome as it is: it is over the topic's limit, say."""


class PartFailed(SluiceError):
    """One part of a post cannot be scored.

    Parameters
    ----------
    reason : str
        A short code, few and fixed, since it labels a metric (``not_image``, ``silent``, ``late``, ...).
    detail : str
        One line for people, shown in the verdict behind ``failed: ``; never content.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class MediaRefused(PartFailed):
    """A URI that may not be fetched, or media over a limit."""


class MediaUnavailable(PartFailed):
    """Media that could not be fetched: unreachable, not found, timed out."""


class MediaInvalid(PartFailed):
    """Bytes that are not what they claim to be, or hold nothing to score."""


class PartLate(PartFailed):
    """The post's deadline came before this part was scored, or would have.

    Parameters
    ----------
    why : str
        For people.
    """

    BEGINNING = "late: "
    """Of every detail, by which it is known in a verdict."""

    def __init__(self, why: str = "the post's deadline came first") -> None:
        super().__init__("late", f"{self.BEGINNING}{why}")


class InferenceError(SluiceError):
    """Triton answered with an error."""


class InferenceUnavailable(InferenceError):
    """Triton cannot be reached, or a model of it is not ready; the same request may succeed later.

    Parameters
    ----------
    message : str
    model : str
        Which model is away.
    """

    def __init__(self, message: str, model: str = "") -> None:
        super().__init__(message)
        self.model = model


class ModelBusy(InferenceUnavailable):
    """A model answers, but its queue in Triton is full."""


class ModelMismatch(InferenceUnavailable):
    """A model in Triton is not one that this worker can use. The message says what differs."""


class ModelCrashed(InferenceError):
    """A model crashes on these rows each time: they are not sent again."""


class InferenceLate(InferenceError):
    """Triton did not answer before the deadline."""


class StackError(SluiceError):
    """A server of the embedded stack did not start. The message names its address and log."""
