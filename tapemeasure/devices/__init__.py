"""What a signal can be run through, behind one protocol."""
