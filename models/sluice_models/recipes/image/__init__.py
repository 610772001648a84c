"""Image rows for training: the bundle's pictures, drawn scenes, augmentation and batches."""
