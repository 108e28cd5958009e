"""tapemeasure: measure any magnetic tape recorder, and turn it into a neural replica, reproducibly."""

__version__ = "0.1.0"
