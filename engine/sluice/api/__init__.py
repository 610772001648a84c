"""Synchronous scoring over HTTP: our own endpoints, and those whose users come from other services."""
