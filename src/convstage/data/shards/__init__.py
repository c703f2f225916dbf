"""Tar shards: where they lie, what is in them, reading them as they are needed, making them."""
