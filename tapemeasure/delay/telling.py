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

EARLY_S = 1e-3
NOISIER_DB = 3.0
CLEANED_DB = 12.0
"""Beyond this an input is too noisy for its output even where the output is late."""

RATE_TOLERANCE = 3e-3
LITTLE = 0.05


def reason_of(found: FoundPilot | None, *, asked: str, of_timeline: bool, speed_ratio: float = 1.0) -> str:
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
    return f"a tone of {(frequency_hz or 0.0) / speed_ratio:.1f} Hz {place}"


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


def warnings_of(
    stretches: list[Stretch], *, inverted: bool, bulk_delay_s: float, missing_s: float, speed_ratio: float
) -> list[str]:
    """What about the pair the user should know: its speed, lengths, polarity, an ambiguous or early delay, clipping."""
    texts = [] if speed_ratio == 1.0 else [speed_text(speed_ratio)]
    if missing_s > LOST_S:
        texts.append(f"the output is {missing_s:.2f} s shorter than the input; nothing is known behind its end")
    if inverted:
        texts.append("the output's polarity is inverted")
    ambiguous_s = stretches[0].part.points.ambiguous_s
    if ambiguous_s is not None:
        texts.append(
            f"the delay is known modulo {1e3 * ambiguous_s:.3f} ms only: the pilot runs through both files from "
            "end to end, and no programme tells its periods apart"
        )
    texts += _swapped_texts(stretches, bulk_delay_s)
    runs = sum(stretch.part.clipped for stretch in stretches)
    if runs:
        texts.append(f"the output is clipped in {runs} places; lower the recording level")
    return texts


def middle_delay(stretches: list[Stretch]) -> float:
    """Median delay of all points with evidence, of all points where none has any, seconds."""
    all_points = [stretch.part.points for stretch in stretches]
    known = np.concatenate([points.delay_s[points.valid] for points in all_points])
    return float(np.median(known if len(known) else np.concatenate([points.delay_s for points in all_points])))


def speed_text(ratio: float) -> str:
    """How fast the output runs, and what may be the reason."""
    text = (
        f"the output runs {100 * abs(ratio - 1.0):.2f} % {'faster' if ratio > 1.0 else 'slower'} than the input (ratio "
        f"{ratio:.4f}); tracked against the input at that speed, and told against the input as it is: check the "
        "machine's speed"
    )
    if any(abs(ratio / factor - 1.0) < RATE_TOLERANCE for factor in (48.0 / 44.1, 44.1 / 48.0)):
        text += ", and the files' sample rates: 48 kHz taken for 44.1 kHz or the reverse gives this ratio"
    return text


def _swapped_texts(stretches: list[Stretch], bulk_delay_s: float) -> list[str]:
    """Whether input and output seem to be swapped, and how likely that is by the noise that a machine adds."""
    excess = [stretch.part.input_noise_db for stretch in stretches if stretch.part.input_noise_db is not None]
    noise_db = float(np.median(excess)) if excess else 0.0
    noisier = f"the input is {noise_db:.0f} dB noisier in its soft moments than the output"
    if bulk_delay_s >= -EARLY_S:
        return [f"{noisier}; were input and output swapped?"] if noise_db > CLEANED_DB else []
    text = f"the output is {-bulk_delay_s:.3f} s early; were input and output swapped?"
    if noise_db > NOISIER_DB:
        return [f"{text} Likely: {noisier}, and a machine adds noise"]
    if noise_db < -NOISIER_DB:
        return [f"{text} Hardly: the output is the noisier one by {-noise_db:.0f} dB; it seems to be cut at its begin"]
    return [f"{text} Their noise does not tell; a cut at the output's begin would do the same"]


def evidence_texts(valid: BoolArray) -> list[str]:
    """A trajectory of which next to nothing is known."""
    if valid.mean() >= LITTLE:
        return []
    return [
        f"only {100 * valid.mean():.1f} % of the output could be tracked; the figures say little: steady tones leave "
        "the delay open, and noise covers it"
    ]


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
