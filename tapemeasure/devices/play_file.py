"""A file run through a device, block by block where the device can do it."""

from tapemeasure.arrays import Progress, no_progress
from tapemeasure.audio_stream import AudioSource
from tapemeasure.devices.base import Device, Playback, StreamingDevice
from tapemeasure.io import read_audio


def play_file(device: Device, source: AudioSource, *, progress: Progress = no_progress) -> Playback:
    """The device's output of a file, in the memory of a block where the device streams, else of the file.

    Parameters
    ----------
    device : Device
        Any that computes.
    source : AudioSource
        The input.
    progress : callable
        Told the completed fraction.
    """
    if isinstance(device, StreamingDevice):
        return device.stream(
            source.blocks(),
            n_samples=source.n_samples,
            n_channels=source.n_channels,
            sample_rate=source.sample_rate,
            progress=progress,
        )
    samples, sample_rate = read_audio(source.path)
    return device.run(samples, sample_rate=sample_rate, progress=progress).playback()
