"""Scoring a whole post: the network over the tokens of all its parts, composed posts, and the training."""
