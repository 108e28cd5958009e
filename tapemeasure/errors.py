"""The exception tree: one root, every leaf also a ``ValueError`` or a ``RuntimeError``.

A message names file, value, limit and unit, and the next step. ``exit_code`` is what the command line returns:
1 when the measurement failed, 2 when it was asked for wrongly.
"""


class TapeMeasureError(Exception):
    """Root of everything this package raises on purpose."""

    exit_code = 1


class ParameterError(TapeMeasureError, ValueError):
    """A setting has a wrong key, type or range."""

    exit_code = 2


class UsageError(TapeMeasureError, ValueError):
    """The request itself cannot be carried out: a missing file, an output that exists already."""

    exit_code = 2


class AudioFileError(TapeMeasureError, ValueError):
    """A file is empty, truncated or no audio."""


class SignalError(TapeMeasureError, ValueError):
    """Samples that cannot be measured: NaN, silence, too short, wrong channel count."""


class MismatchError(TapeMeasureError, ValueError):
    """Two inputs do not belong together: sample rates or lengths differ."""


class NoMatchError(TapeMeasureError, RuntimeError):
    """The output does not contain the input: no matching audio, no pilot."""


class DeviceError(TapeMeasureError, RuntimeError):
    """A device is missing, ambiguous, refused the settings or failed."""


class MissingDependencyError(TapeMeasureError, RuntimeError):
    """An optional package, library or plug-in is not installed."""


class OutputError(TapeMeasureError, RuntimeError):
    """A result could not be written: folder not writable, disk full."""


class TrainingError(TapeMeasureError, RuntimeError):
    """A model could not be trained or loaded."""
