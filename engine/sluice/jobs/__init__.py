"""Commands that are run for who asks over HTTP: queued, bounded, each in a process of its own."""
