"""Which timing reference a stimulus carries, and on which channel."""

from dataclasses import dataclass, replace

from tapemeasure.arrays import FloatArray
from tapemeasure.delay.checks import check_channel, is_silent
from tapemeasure.delay.inband import find_inband_tone
from tapemeasure.delay.pulses import PulseTrain, find_pulse_train
from tapemeasure.delay.tone import Tone, find_tones
from tapemeasure.errors import SignalError
from tapemeasure.signals.timeline import Pilot


@dataclass(frozen=True)
class FoundPilot:
    """A pilot of the input: its channel (None inside the programme) and one of train, tones, in-band frequency.

    `fused` asks for the programme's track: the pilot's delay, moved by the slow difference between the two.
    """

    channel: int | None = None
    train: PulseTrain | None = None
    tones: tuple[Tone, ...] = ()
    inband_hz: float | None = None
    fused: bool = False

    @property
    def tone(self) -> Tone | None:
        """The strongest of the tones."""
        return self.tones[0] if self.tones else None


def choose_pilot(
    stimulus: FloatArray,
    output: FloatArray,
    *,
    sample_rate: float,
    pilot: str,
    programme_channel: int,
    pilot_channel: int | None,
    known_pilot: Pilot | None,
) -> tuple[FoundPilot | None, tuple[str, ...]]:
    """Pilot to track by, or None for the programme alone; and what to tell the user.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples, n_channels)
    pilot : str
        ``auto``, ``none``, ``pulses``, ``tone``, ``inband`` or ``fused``; see `tapemeasure.delay.track.track_delay`.

    Raises
    ------
    SignalError
        If the pilot that was asked for is not there.
    """
    asked = pilot
    if known_pilot is not None and pilot == "auto":
        pilot = known_pilot.kind
        pilot_channel = known_pilot.channel if pilot_channel is None else pilot_channel
    if pilot == "none":
        return None, ()
    if pilot == "inband":
        return _inband(stimulus[:, programme_channel], sample_rate, known_pilot), ()
    if pilot_channel is not None:
        check_channel(stimulus, pilot_channel, name="input")
        channels = [pilot_channel]
    else:
        others = [channel for channel in range(stimulus.shape[1]) if channel != programme_channel]
        channels = others or [programme_channel]
    found = None
    for channel in channels:
        found = found or _on_channel(stimulus[:, channel], channel, pilot=pilot, sample_rate=sample_rate)
    if pilot == "fused" and found is not None:
        found = replace(found, fused=True)
    if found is None:
        if pilot == "auto":
            return None, ()
        raise SignalError(_absent(pilot, channels, stimulus.shape[1]))
    place = found.channel if found.channel is not None else 0
    if place < output.shape[1] and not is_silent(output[:, place]):
        return found, ()
    reason = f"there is no channel {place + 1}" if place >= output.shape[1] else f"channel {place + 1} is silent"
    text = f"the input carries a pilot on channel {place + 1}, but {reason} in the output"
    if asked != "auto" or found.channel == programme_channel:
        raise SignalError(f"{text}; record both channels, or track by the programme (--pilot none)")
    return None, (f"{text}; tracked by the programme instead",)


def _on_channel(samples: FloatArray, channel: int, *, pilot: str, sample_rate: float) -> FoundPilot | None:
    if pilot in ("auto", "fused", "pulses"):
        train = find_pulse_train(samples, sample_rate=sample_rate)
        if train is not None:
            return FoundPilot(channel=channel, train=train)
    if pilot in ("auto", "fused", "tone"):
        tones = find_tones(samples, sample_rate=sample_rate)
        if tones:
            return FoundPilot(channel=channel, tones=tones)
    return None


def _inband(samples: FloatArray, sample_rate: float, known_pilot: Pilot | None) -> FoundPilot:
    known_hz = None if known_pilot is None or known_pilot.kind != "inband" else known_pilot.frequency_hz
    frequency_hz = known_hz if known_hz is not None else find_inband_tone(samples, sample_rate=sample_rate)
    if frequency_hz is None:
        raise SignalError(
            "the input carries no steady tone above 5 kHz that stands 20 dB out of the programme; "
            "track by the programme (--pilot none)"
        )
    return FoundPilot(inband_hz=frequency_hz)


def _absent(pilot: str, channels: list[int], n_channels: int) -> str:
    what = {"pulses": "a train of pulses", "fused": "a train of pulses and no steady tone"}.get(pilot, "a steady tone")
    if n_channels == 1:
        return (
            f"the input is mono and carries no {what.removeprefix('a ')}; a pilot needs a channel of its own, "
            "track by the programme (--pilot none)"
        )
    named = ", ".join(str(channel + 1) for channel in channels)
    return f"the input carries no {what.removeprefix('a ')} on channel {named}; track by the programme (--pilot none)"
