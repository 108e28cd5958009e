"""What a meter has to say in words: why something is not read, and what is wrong with the signal."""

from collections.abc import Iterator, Sequence

from tapemeasure.live.readings import Levels
from tapemeasure.live.tones import FLUTTER_TONES_HZ, LEAST_DBFS, FoundTone

DEAD_DB = 40.0
FAST_PCT = 2.5
"""From here on 3000 Hz and 3150 Hz may be mistaken for each other."""

SPEED_LIMIT_PCT = 10.0


def signal_notes(levels: Levels, tones: Sequence[FoundTone], *, silent: bool = False) -> Iterator[str]:
    """What levels and tones tell: too low, clipped, one channel dead, no tone; not that where silence is played."""
    rms = levels.rms_dbfs
    for number, count in enumerate(levels.clipped_samples, start=1):
        if count:
            yield f"channel {number} clips: turn the level down"
    if silent:
        return
    if max(rms) < LEAST_DBFS:
        yield f"no tone: the level is below {LEAST_DBFS:g} dBFS rms; only hum and noise are read"
        return
    if len(rms) == 1:
        yield "one channel: no azimuth"
    for number, level in enumerate(rms, start=1):
        if level < max(rms) - DEAD_DB:
            yield f"channel {number} is more than {DEAD_DB:g} dB below the other one: no azimuth; check the cable"
    if not tones:
        yield "no tone: the power is spread; play a test tape, or let --play play the tone"


def tone_notes(
    tones: Sequence[FoundTone], *, nominal_hz: float | None, expected_hz: Sequence[float], named: bool
) -> Iterator[str]:
    """What the tones tell of the speed: no tone to read it from, a tone that is far off.

    Parameters
    ----------
    tones : sequence of FoundTone
        The strongest first.
    nominal_hz : float or None
        What the tone that the speed is read from was recorded at.
    expected_hz : sequence of float
        Frequencies that a flutter tone may have.
    named : bool
        Whether the frequency was named rather than found.
    """
    if not tones:
        return
    listed = " or ".join(f"{hz:g}" for hz in expected_hz)
    if nominal_hz is None:
        found_hz = tones[0].frequency_hz
        if named:
            off_pct = 100.0 * (found_hz / expected_hz[0] - 1.0)
            yield (
                f"the tone is at {found_hz:.1f} Hz where {listed} Hz was expected ({off_pct:+.1f} %, more than "
                f"{SPEED_LIMIT_PCT:g} %): no speed; set the machine's speed or name the tone with --tone"
            )
        else:
            yield (
                f"no flutter tone: the strongest tone is at {found_hz:.1f} Hz, not near {listed} Hz; name it with "
                "--tone to read speed and flutter from it"
            )
        return
    nearest = min(tones, key=lambda tone: abs(tone.frequency_hz - nominal_hz))
    off_pct = 100.0 * (nearest.frequency_hz / nominal_hz - 1.0)
    if not named and abs(off_pct) > FAST_PCT:
        other_hz = next((hz for hz in FLUTTER_TONES_HZ if hz != nominal_hz), nominal_hz)
        other_pct = 100.0 * (nearest.frequency_hz / other_hz - 1.0)
        yield (
            f"the speed is {off_pct:+.1f} % off if the tape holds {nominal_hz:g} Hz, {other_pct:+.1f} % if it holds "
            f"{other_hz:g} Hz; name it with --tone"
        )
