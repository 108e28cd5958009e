"""The built-in physical model of a tape machine."""

from tapemeasure.devices.tape.model import TapeDevice

__all__ = ["TapeDevice"]
