"""Posts out of Kafka and their outcomes back into it: agents, ordered acknowledgement, dead letters, health."""
