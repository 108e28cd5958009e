"""Short excerpts to listen to, as data: URIs: mono FLAC of 16 bit, at most five seconds each."""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.io import read_audio
from tapemeasure.report.figures import number
from tapemeasure.report.gather import DeviceResults, Results, TakeResults
from tapemeasure.signals.timeline import load_timeline
from tapemeasure.units import amplitude_from_db, db_from_amplitude

LONGEST_S = 5.0
ALL_BYTES = 4_000_000
FLAC_SHARE = 0.75
"""Hiss, the worst case, is packed to about so much of its 16-bit size."""

NETWORK = {
    "model": "the network's output: the replica's recording path alone",
    "residual": "difference (residual): machine minus network, delay undone",
}
REPLICA_LABEL = "replica, with its own wow, flutter and hiss"
QUIET_PEAK_DBFS = -12.0
LOUDEST_RAISE_DB = 80.0


@dataclass(frozen=True)
class Player:
    """An excerpt on the page: what it is, how it was raised or lowered, and its audio as a data: URI."""

    label: str
    length_s: float
    gain_db: float
    data_uri: str


@dataclass(frozen=True)
class _Excerpt:
    label: str
    samples: FloatArray
    sample_rate: int
    gain_db: float


def players(results: Results) -> Mapping[str, Sequence[Player]]:
    """Players of every device, shortened alike so that all together stay below 4 MB.

    Raises
    ------
    AudioFileError, SignalError
        If an audio file of the results is damaged.
    """
    excerpts = {device.name: list(_device_excerpts(device)) for device in results.devices}
    bytes_per_s = sum(2 * excerpt.sample_rate for group in excerpts.values() for excerpt in group)
    # base64 turns three bytes into four
    length_s = min(LONGEST_S, 0.75 * ALL_BYTES / (FLAC_SHARE * bytes_per_s)) if bytes_per_s else LONGEST_S
    return {name: [_player(excerpt, length_s=length_s) for excerpt in group] for name, group in excerpts.items()}


def _device_excerpts(device: DeviceResults) -> Iterable[_Excerpt]:
    heard = next((take for take in device.takes if take.input is not None and take.output is not None), None)
    if heard is not None:
        files = {"input": heard.input, "output as recorded": heard.output, "output, delay undone": heard.aligned}
        yield from _take_excerpts(heard, {f"{label} ({heard.name})": path for label, path in files.items()})
    hissing = next((take for take in device.takes if take.hiss_audio), None)
    if hissing is not None:
        mono, sample_rate = _read_mono(hissing.hiss_audio[0], channel=_channel(hissing))
        yield _excerpt(f"hiss ({hissing.name})", mono, sample_rate, raised=True)
    for name, label in NETWORK.items():
        if name in device.excerpts:
            mono, sample_rate = _read_mono(device.excerpts[name])
            yield _excerpt(label, mono, sample_rate, raised=name == "residual")
    if device.replica is not None:
        yield from _take_excerpts(device.replica, {REPLICA_LABEL: device.replica.output})


def _take_excerpts(take: TakeResults, files: Mapping[str, Path | None]) -> Iterable[_Excerpt]:
    """The same stretch of several files of a take, by label."""
    start_s: float | None = None
    for label, path in files.items():
        if path is None:
            continue
        mono, sample_rate = _read_mono(path, channel=_channel(take))
        start_s = _programme_start_s(take, mono, sample_rate) if start_s is None else start_s
        stretch = mono[round(start_s * sample_rate) :]
        if len(stretch):
            yield _excerpt(label, stretch, sample_rate, raised=False)


def _read_mono(path: Path, *, channel: int = 0) -> tuple[FloatArray, int]:
    """One channel of a file, its last where it has fewer, and its sample rate."""
    samples, sample_rate = read_audio(path)
    return samples[:, min(channel, samples.shape[1] - 1)], sample_rate


def _channel(take: TakeResults) -> int:
    return int(number(take.measurement, "channel") or 0)


def _programme_start_s(take: TakeResults, mono: FloatArray, sample_rate: int) -> float:
    """Where to listen: the test programme of the timeline, else the loudest five seconds."""
    if take.timeline is not None:
        timeline = load_timeline(take.timeline)
        segments = timeline.of_split("test") or timeline.of_kind("programme")
        if segments:
            return segments[0].start_samples / timeline.sample_rate
    hop = max(1, sample_rate // 2)
    energy = np.add.reduceat(mono**2, np.arange(0, len(mono), hop))
    width = min(len(energy), round(LONGEST_S * sample_rate / hop))
    loudness = np.convolve(energy, np.ones(width), mode="valid")
    return float(np.argmax(loudness)) * hop / sample_rate


def _excerpt(label: str, samples: FloatArray, sample_rate: int, *, raised: bool) -> _Excerpt:
    """Cut to five seconds; raise what is too quiet to be heard, lower what would clip."""
    cut = samples[: round(LONGEST_S * sample_rate)]
    peak = float(np.max(np.abs(cut), initial=0.0))
    gain_db = 0.0
    if raised and peak > 0.0:
        gain_db = float(np.clip(round(QUIET_PEAK_DBFS - db_from_amplitude(peak)), 0.0, LOUDEST_RAISE_DB))
    elif peak > 1.0:
        gain_db = -float(np.ceil(db_from_amplitude(peak)))
    return _Excerpt(label, cut, sample_rate, gain_db)


def _player(excerpt: _Excerpt, *, length_s: float) -> Player:
    cut = excerpt.samples[: round(length_s * excerpt.sample_rate)] * amplitude_from_db(excerpt.gain_db)
    data = base64.b64encode(_flac_bytes(cut, sample_rate=excerpt.sample_rate)).decode("ascii")
    return Player(excerpt.label, len(cut) / excerpt.sample_rate, excerpt.gain_db, f"data:audio/flac;base64,{data}")


def _flac_bytes(mono: FloatArray, *, sample_rate: int) -> bytes:
    """Mono 16-bit FLAC, without loss and in every browser; samples beyond full scale are clipped."""
    import soundfile

    buffer = io.BytesIO()
    samples = np.round(np.clip(mono, -1.0, 1.0) * 32767.0).astype(np.int16)
    soundfile.write(buffer, samples, sample_rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()
