"""What was decided, kept for whoever asks later: a log in which nothing can be changed, removed or moved unnoticed."""
