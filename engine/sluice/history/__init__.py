"""What authors did before: posts, strikes and reports, counted from the topics and kept beside the worker."""
