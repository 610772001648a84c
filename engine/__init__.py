"""Sluice: streaming multimodal content moderation."""

__version__ = "0.1.0"
