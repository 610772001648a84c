"""The embedded stack: broker, Triton and worker as child processes."""
