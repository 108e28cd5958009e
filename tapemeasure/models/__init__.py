"""torch modules of the replica."""
