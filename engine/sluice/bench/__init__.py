"""Throughput and latency of Sluice beside its limit and its peers, on the same posts in one run: ``sluice bench``."""
