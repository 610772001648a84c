"""Other policies or other models beside the live ones, on the same posts: compared, published, never in force."""
