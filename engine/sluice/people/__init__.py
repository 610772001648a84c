"""What people decide about posts that have a verdict: what it says of the verdicts, and labels made of it."""
