"""Putting an encoder of somebody else's behind the same contract."""
