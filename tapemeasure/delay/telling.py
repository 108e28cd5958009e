"""What a tracked delay tells its user in words: why this way, and what to beware of."""

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray
from tapemeasure.delay.checks import lost_stretches
from tapemeasure.delay.long import Source, Stretch
from tapemeasure.delay.part import TrackSettings
from tapemeasure.delay.pilot import FoundPilot
from tapemeasure.delay.points import Method

LOST_S = 0.1
"""A pilot that is missing, or an output that is shorter, by more than this is told."""

MAX_LOST_TOLD = 5


def reason_of(found: FoundPilot | None, *, asked: str, of_timeline: bool) -> str:
    """Why it was tracked by what it was, for the table."""
    if found is None:
        return {
            "none": "asked for",
            "auto": "the timeline names no pilot" if of_timeline else "the input carries no usable pilot",
        }.get(asked, "no usable pilot")
    place = "in the programme" if found.channel is None else f"on channel {found.channel + 1} of the input"
    if found.fused:
        place += ", moved to the programme's track"
    if found.train is not None:
        return f"pulses {place}"
    frequency_hz = found.inband_hz if found.tone is None else found.tone.frequency_hz
    return f"a tone of {frequency_hz:.1f} Hz {place}"


def compared(stimulus: Source, output: Source, settings: TrackSettings) -> str:
    """What was compared in vain, and what to try next."""
    channel = settings.programme_channel + 1
    lengths = [source.n_samples / source.sample_rate for source in (stimulus, output)]
    tries = [f"a delay beyond {settings.max_delay_s:g} s (--max-delay)"] if settings.max_delay_s < max(lengths) else []
    if max(stimulus.n_channels, output.n_channels) > 1:
        tries.append("another channel (--channel)")
    tries.append("the two files the other way round")
    return (
        f"compared were channel {channel} of {lengths[0]:.1f} s of input and of {lengths[1]:.1f} s of output; "
        f"try {', '.join(tries)}"
    )


def warnings_of(stretches: list[Stretch], *, inverted: bool, bulk_delay_s: float, missing_s: float) -> list[str]:
    """What about the pair the user should know: its lengths, polarity, an ambiguous or early delay, clipping."""
    texts = []
    if missing_s > LOST_S:
        texts.append(f"the output is {missing_s:.2f} s shorter than the input; nothing is known behind its end")
    if inverted:
        texts.append("the output's polarity is inverted")
    ambiguous_s = stretches[0].part.points.ambiguous_s
    if ambiguous_s is not None:
        texts.append(
            f"the delay is known modulo {1e3 * ambiguous_s:.3f} ms only: the pilot runs through both files from "
            "end to end, and there is no programme to tell its periods apart"
        )
    if bulk_delay_s < -1e-3:
        texts.append(f"the output is {-bulk_delay_s:.3f} s early; were input and output swapped?")
    runs = sum(stretch.part.clipped for stretch in stretches)
    if runs:
        texts.append(f"the output is clipped in {runs} places; lower the recording level")
    return texts


def lost_texts(method: Method, *, time_s: FloatArray, valid: BoolArray) -> list[str]:
    """Stretches without evidence that are long enough to be told."""
    if method == "pulses":
        # pulses that should stand at the ends are missed as well
        time_s, valid = np.pad(time_s, 1, mode="edge"), np.pad(valid, 1, constant_values=True)
    lost = lost_stretches(time_s, valid, longest_s=LOST_S)
    what = {"pulses": "the pilot is lost", "tone": "the pilot is lost", "inband": "the in-band tone is lost"}
    reason = what.get(method, "the programme says nothing about the delay")
    texts = [
        f"{reason} from {first:.2f} s to {last:.2f} s; bridged and marked as not valid"
        for first, last in lost[:MAX_LOST_TOLD]
    ]
    if len(lost) > MAX_LOST_TOLD:
        texts.append(f"{len(lost) - MAX_LOST_TOLD} more such stretches")
    return texts
