"""Text rows for training: sampled passes, spelling noise, templates and lexicon sentences."""
