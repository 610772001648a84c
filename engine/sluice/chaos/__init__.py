"""Faults on purpose: a real cluster, workers and Triton under load, and a count of what was lost.

`sluice chaos` runs it. A suite that never sees a loss proves nothing, so two workers that acknowledge wrongly go
through the same beside the real one, and have to lose posts.
"""
