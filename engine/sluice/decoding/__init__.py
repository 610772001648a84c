"""Decoding in processes of their own: a file that breaks, bloats or stalls its decoder costs its own part alone.

The decoders are C libraries that read untrusted bytes. Each runs in a child with limits on memory, time and output,
that can neither write files nor outlive the worker, and whose answers are plain data, checked when they arrive.
"""
