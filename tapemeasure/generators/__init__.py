"""Generators of new delay and hiss that follow a machine's statistics for as long as one wants."""
