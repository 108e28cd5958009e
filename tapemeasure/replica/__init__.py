"""A trained recording path as something that plays: without torch, block by block, many times faster than real time."""
