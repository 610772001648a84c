"""Lists of words, phrases, patterns, sites and authors, and where a post holds what they name.

Nothing here reads Kafka or decides: entries and a post in, matches out.
"""
