"""The built-in tape machine's settings that bring it nearest to a recording."""
