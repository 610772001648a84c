"""Takes somebody, and what they posted, out of every topic, store and log, and looks whether it is gone."""
