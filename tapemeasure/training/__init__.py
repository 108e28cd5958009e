"""Data sets, losses, loops and checkpoints."""
