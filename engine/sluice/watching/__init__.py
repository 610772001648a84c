"""What all workers look for in posts: lists on a compacted topic, pushed and followed."""
