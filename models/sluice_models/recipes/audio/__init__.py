"""Audio rows for training: the bundle's clips and synthesised sounds, mixed into windows."""
