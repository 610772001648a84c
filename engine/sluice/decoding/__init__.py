"""Decoding in processes of their own: a file that breaks, bloats or stalls its decoder costs its own part alone.

The decoders are C libraries that read strangers' bytes. Each runs in a child with limits on memory, time and output,
that can neither write files nor outlive the worker, and whose answers are plain data, checked when they arrive. The
children are started by a command of their own and not by `multiprocessing`, whose ways either fork a process that has
threads or import the program's main module, and with it Faust and gRPC.
"""
