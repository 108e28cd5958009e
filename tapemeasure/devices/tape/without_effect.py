"""Settings that change nothing beside the others, told instead of left to be wondered about."""

from tapemeasure.devices.tape.plugin_wobble import moves
from tapemeasure.devices.tape.speed import has_speed_deviation
from tapemeasure.params import TapeSettings


def without_effect(settings: TapeSettings, *, sample_rate: int, n_channels: int) -> list[str]:
    """What the user should know of settings that are on and change nothing, a sentence each.

    Parameters
    ----------
    settings : TapeSettings
        Of the take.
    sample_rate : int
        Hz.
    n_channels : int
        Channels of the stimulus.

    Examples
    --------
    >>> without_effect(TapeSettings(record_boost_db=12.0), sample_rate=44100, n_channels=2)
    ['record_boost_db: without effect, because loss is off; set loss to true']
    """
    moving, deviating = moves(settings), has_speed_deviation(settings)
    off_tape = settings.recording == "off_tape"
    tilted = settings.azimuth_urad != 0.0 or settings.azimuth_jitter_urad > 0.0
    cases = {
        "wow, flutter and the settings that end in _pct: without effect, because recording is off_tape and "
        "head_delay_ms is 0; set it to the travel from head to head, 160 ms at 7.5 in/s": off_tape
        and settings.head_delay_ms == 0.0
        and (moving or deviating),
        "speed_error_pct: without effect, because recording is off_tape; set recording to rewind": off_tape
        and settings.speed_error_pct != 0.0,
        "chowtape_compatible: without effect, because wow_depth and flutter_depth are 0; raise one": (
            settings.chowtape_compatible and not moving
        ),
        "wow_variance and wow_drift: without effect, because wow_depth is 0; raise it": (
            settings.wow_depth == 0.0 and max(settings.wow_variance, settings.wow_drift) > 0.0
        ),
        "record_boost_db: without effect, because loss is off; set loss to true": (
            settings.record_boost_db > 0.0 and not settings.loss
        ),
        "azimuth_urad and azimuth_jitter_urad: without effect on a single channel": tilted and n_channels == 1,
        f"hum_dbfs: without effect, because hum_hz is not below half the sample rate, {sample_rate / 2:g} Hz": (
            settings.hum_dbfs is not None and settings.hum_hz >= sample_rate / 2
        ),
    }
    return [text for text, true in cases.items() if true]
