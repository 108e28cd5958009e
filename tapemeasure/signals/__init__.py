"""Test signals, pilots and the timeline that names every segment."""
