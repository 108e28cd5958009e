"""Trained replicas for other programs, each export checked against the replica itself."""
