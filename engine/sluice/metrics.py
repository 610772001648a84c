"""Every Prometheus series of the worker, the unit in its name. The registry is injected."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

LATENCY_BUCKETS_S = (
    0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075,
    0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0,
)  # fmt: skip
"""1 ms to 10 s, at most a factor of two apart."""

BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128)

STAGES = ("wait", "fetch", "extract", "read", "encode", "fuse")
"""In the order a post goes through them; `wait` is the time in Kafka before pick-up, `read` reads pictures."""


class Metrics:
    """The worker's series.

    Parameters
    ----------
    registry : CollectorRegistry
        Where they are registered; a second `Metrics` on the same registry fails.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.posts = Counter(
            "sluice_posts", "Posts scored, by the decision and the policy that made it.",
            ["decision", "policy", "policy_version"], registry=registry,
        )  # fmt: skip
        self.findings = Counter(
            "sluice_findings", "Labels that reached a threshold, by the decision that it asks for.",
            ["label", "decision"], registry=registry,
        )  # fmt: skip
        self.texts = Counter(
            "sluice_texts", "Posts scored with text, by its language if that is read, else `other` or `und`.",
            ["language", "decision"], registry=registry,
        )  # fmt: skip
        self.pictures = Counter(
            "sluice_pictures", "Pictures in which text was looked for: text found, unreadable text, or none.",
            ["found"], registry=registry,
        )  # fmt: skip
        self.end_to_end = Histogram(
            "sluice_end_to_end_seconds", "From the publisher's timestamp to the acknowledged verdict.",
            buckets=LATENCY_BUCKETS_S, registry=registry,
        )  # fmt: skip
        self.stage = Histogram(
            "sluice_stage_seconds", "Time of one post in one stage.", ["stage"],
            buckets=LATENCY_BUCKETS_S, registry=registry,
        )  # fmt: skip
        self.batch_rows = Histogram(
            "sluice_batch_rows", "Rows in one request to Triton.", ["model"],
            buckets=BATCH_BUCKETS, registry=registry,
        )  # fmt: skip
        self.inference = Histogram(
            "sluice_inference_seconds", "Time of one request to Triton.", ["model"],
            buckets=LATENCY_BUCKETS_S, registry=registry,
        )  # fmt: skip
        self.in_flight = Gauge("sluice_posts_in_flight", "Posts picked up and not yet acknowledged.", registry=registry)
        self.dead_letters = Counter("sluice_dead_letters", "Messages dead-lettered.", ["reason"], registry=registry)
        self.posts_skipped = Counter(
            "sluice_posts_skipped", "Offsets dropped by Kafka, or in too large a batch.", ["topic", "partition"],
            registry=registry,
        )  # fmt: skip
        self.failed_parts = Counter(
            "sluice_failed_parts", "Parts of posts that could not be scored.", ["modality", "reason"], registry=registry
        )
        self.cache_lookups = Counter(
            "sluice_cache_lookups", "Posts and parts looked up: kept (hit), under way for another (shared), or new.",
            ["kind", "outcome"], registry=registry,
        )  # fmt: skip
        self.cache_bytes = Gauge("sluice_cache_bytes", "What is kept for repeats.", registry=registry)
        self.shed_parts = Counter(
            "sluice_shed_parts", "Parts that were not begun, since the worker had too much to do.", ["modality"],
            registry=registry,
        )  # fmt: skip
        self.shedding_level = Gauge(
            "sluice_shedding_level", "0: every part is begun; one more for each kind of part that is not.",
            registry=registry,
        )  # fmt: skip
        self.first_stage = Counter(
            "sluice_first_stage_texts", "Texts that the first stage looked at: cleared, or passed on to all models.",
            ["outcome"], registry=registry,
        )  # fmt: skip
        self.triton_errors = Counter(
            "sluice_triton_errors", "Requests to Triton that failed.", ["model", "kind"], registry=registry
        )
        self.triton_up = Gauge("sluice_triton_up", "1 while Triton answers, 0 while the worker waits for it.",
                               registry=registry)  # fmt: skip
        self.consumer_lag = Gauge(
            "sluice_consumer_lag_messages", "Messages in a partition that are not yet acknowledged.",
            ["topic", "partition"], registry=registry,
        )  # fmt: skip
        self.history_messages = Counter(
            "sluice_history_messages", "Verdicts and reports that were counted for their authors.", ["topic"],
            registry=registry,
        )  # fmt: skip
        self.history_unread = Counter(
            "sluice_history_unread", "Messages that could not be counted, since they cannot be read.", ["topic"],
            registry=registry,
        )  # fmt: skip
        self.history_newest = Gauge(
            "sluice_history_newest_timestamp_seconds", "When the message was written that was counted last.",
            registry=registry,
        )  # fmt: skip
        self.build = Info("sluice_build", "Version of the worker.", registry=registry)
        self.model = Gauge("sluice_model_info", "1 for each model in use.", ["model", "version"], registry=registry)
        self.policy = Gauge("sluice_policy_info", "1 for the policy in use.", ["name", "version"], registry=registry)
        self.policy_reloads = Counter(
            "sluice_policy_reloads", "Changes of policies: taken, or refused and the former kept.",
            ["result"], registry=registry,
        )  # fmt: skip
        self.list_entries = Gauge(
            "sluice_list_entries", "Entries of each list that is looked for.", ["list"], registry=registry
        )
        self.list_reloads = Counter(
            "sluice_list_reloads", "Changes of lists: taken, or refused.", ["result"], registry=registry
        )
        self.list_matches = Counter(
            "sluice_list_matches", "Posts in which a list was found.", ["list", "action"], registry=registry
        )
        self.bank_hashes = Gauge("sluice_bank_hashes", "Hashes of each bank.", ["bank"], registry=registry)
        self.bank_matches = Counter(
            "sluice_bank_matches", "Pictures and clips that a bank holds.", ["bank"], registry=registry
        )

    def add_process(self) -> None:
        """Add the series of the process itself, as everybody names them: memory, processor time, files, start."""
        ProcessCollector(registry=self.registry)
