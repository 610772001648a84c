"""Media by reference: where publishers put them, and how they are fetched, within limits and from safe addresses."""
