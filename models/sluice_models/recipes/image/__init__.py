"""Seeing images: rows, drawn scenes, variation, the network, and its training."""
