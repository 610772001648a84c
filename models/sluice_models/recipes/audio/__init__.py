"""Hearing clips: composed windows, synthesised sounds, and the training."""
