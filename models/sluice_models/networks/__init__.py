"""The networks, and nothing about how they are trained: text, image, audio and fusion."""
