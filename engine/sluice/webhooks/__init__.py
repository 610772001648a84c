"""Decisions to a receiver over HTTP: signed, retried, at least once, behind the verdict topic."""
