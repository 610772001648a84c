"""Banks of hashes of pictures and clips that are known, and which of them a file matches.

Nothing here reads Kafka or decides: banks and a file's hashes in, matches out.
"""
