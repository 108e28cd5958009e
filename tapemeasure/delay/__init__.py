"""Delay trajectories: found by pilots or by correlation, applied and undone."""
