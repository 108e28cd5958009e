"""What is read once in a while, kept: the response tone by tone, azimuth and noise as means over the run."""

from collections.abc import Mapping, Sequence

import numpy as np

from tapemeasure.analysis.azimuth import Azimuth, measure_azimuth
from tapemeasure.analysis.noise import Noise
from tapemeasure.arrays import FloatArray
from tapemeasure.errors import SignalError
from tapemeasure.live.readings import AzimuthReading, NoiseReading, ToneLevel
from tapemeasure.live.tones import STANDARD_TONES_HZ, FoundTone, nominal_hz
from tapemeasure.units import db_from_power

REFERENCE_HZ = (1000.0, 315.0, 3150.0, 3000.0)
"""The response counts from the first of these that was heard, else from the first tone of all."""


class ResponseTable:
    """Level of every tone that was heard, against one of them.

    Parameters
    ----------
    played_dbfs : mapping of float to float, optional
        Frequencies and rms levels of the tones that are played: then only these count, and what each was played at is
        taken off. Without it tones are taken for those of a test tape, all recorded alike.
    """

    def __init__(self, played_dbfs: Mapping[float, float] | None = None) -> None:
        self._played = played_dbfs
        self._heard: dict[float, FoundTone] = {}
        self._powers: dict[float, FloatArray] = {}
        self._counts: dict[float, int] = {}

    def process(self, tones: Sequence[FoundTone]) -> None:
        """Take the tones of a second in."""
        expected = STANDARD_TONES_HZ if self._played is None else tuple(self._played)
        for tone in tones:
            nominal = nominal_hz(tone.frequency_hz, expected_hz=expected)
            if nominal is None:
                continue
            if self._counts.get(nominal, 0) == 0:
                self._powers[nominal] = np.zeros(len(tone.level_dbfs))
            self._heard[nominal] = tone
            self._powers[nominal] = self._powers[nominal] + 10.0 ** (np.array(tone.level_dbfs) / 10.0)
            self._counts[nominal] = self._counts.get(nominal, 0) + 1

    @property
    def reference_hz(self) -> float | None:
        """The tone that the others are compared with; None before any was heard."""
        return next((hz for hz in REFERENCE_HZ if hz in self._heard), next(iter(self._heard), None))

    def rows(self, *, mean: bool = False) -> tuple[ToneLevel, ...]:
        """The response by rising frequency, from the last second of each tone or from its mean power."""
        reference = self.reference_hz
        if reference is None:
            return ()
        zero = self._relative(reference, mean=mean)
        return tuple(
            ToneLevel(
                nominal_hz=nominal,
                found_hz=tone.frequency_hz,
                level_dbfs=self._levels(nominal, mean=mean),
                response_db=tuple(
                    value - base for value, base in zip(self._relative(nominal, mean=mean), zero, strict=True)
                ),
                phase_deg=tone.phase_deg,
            )
            for nominal, tone in sorted(self._heard.items())
        )

    def _levels(self, nominal: float, *, mean: bool) -> tuple[float, ...]:
        if not mean:
            return self._heard[nominal].level_dbfs
        return tuple(db_from_power(float(power) / self._counts[nominal]) for power in self._powers[nominal])

    def _relative(self, nominal: float, *, mean: bool) -> tuple[float, ...]:
        played = 0.0 if self._played is None else self._played[nominal]
        return tuple(level - played for level in self._levels(nominal, mean=mean))


class AzimuthMeter:
    """Delay of the second channel behind the first, second by second, and its mean."""

    def __init__(self) -> None:
        self._seconds: list[Azimuth] = []
        self._tone: FoundTone | None = None

    def process(self, second: FloatArray, tones: Sequence[FoundTone], *, sample_rate: float) -> AzimuthReading | None:
        """Of a second of shape (n_samples, 2 or more); None where the channels have too little in common."""
        try:
            azimuth = measure_azimuth(second[:, 0], second[:, 1], sample_rate=sample_rate)
        except SignalError:
            return None
        self._seconds.append(azimuth)
        self._tone = tones[0] if tones else None
        return self._reading(azimuth.static_us, azimuth.dynamic_us)

    def total(self) -> AzimuthReading | None:
        """Mean of all seconds, and rms about it; None without any."""
        if not self._seconds:
            return None
        static = np.array([azimuth.static_us for azimuth in self._seconds])
        dynamic = np.array([azimuth.dynamic_us for azimuth in self._seconds])
        return self._reading(float(np.mean(static)), float(np.sqrt(np.mean(dynamic**2) + np.var(static))))

    def _reading(self, static_us: float, dynamic_us: float) -> AzimuthReading:
        tone = self._tone
        return AzimuthReading(
            static_us, dynamic_us, None if tone is None else tone.phase_deg, None if tone is None else tone.frequency_hz
        )


class NoiseAverage:
    """Mean powers of noise readings of one kind."""

    def __init__(self, *, beside_tones: bool) -> None:
        self._beside_tones = beside_tones
        self._rows: list[tuple[tuple[float | None, ...], ...]] = []

    def process(self, channels: Sequence[Noise]) -> NoiseReading:
        """Take the noise of each channel in; gives the reading of these alone."""
        row = tuple(
            (
                noise.level_dbfs,
                noise.level_a_dbfs,
                noise.level_468_quasi_peak_dbfs,
                noise.hum_50hz_dbfs,
                noise.hum_60hz_dbfs,
            )
            for noise in channels
        )
        self._rows.append(row)
        return self._reading([row])

    def total(self) -> NoiseReading | None:
        """Mean powers of all; None without any."""
        return self._reading(self._rows) if self._rows else None

    def _reading(self, rows: Sequence[tuple[tuple[float | None, ...], ...]]) -> NoiseReading:
        n_channels = len(rows[0])
        means = [
            [_mean_db([row[channel][field] for row in rows]) for channel in range(n_channels)] for field in range(5)
        ]
        level, level_a, quasi_peak = (
            tuple(float("nan") if value is None else value for value in values) for values in means[:3]
        )
        return NoiseReading(self._beside_tones, level, level_a, quasi_peak, tuple(means[3]), tuple(means[4]))


def _mean_db(levels_db: Sequence[float | None]) -> float | None:
    """Level of the mean power; None where a level was found in less than half of them."""
    powers = [10.0 ** (level / 10.0) for level in levels_db if level is not None]
    return db_from_power(sum(powers) / len(powers)) if 2 * len(powers) >= len(levels_db) else None
