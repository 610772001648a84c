"""The training bundles: rows, splits, duplicates and vocabularies."""
