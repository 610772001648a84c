"""Policies that all workers share: on a compacted topic, pushed, rolled back and followed."""
