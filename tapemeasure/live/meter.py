"""The whole meter: takes audio block by block, tells a reading every quarter of a second and a summary at the end."""

from collections.abc import Mapping, Sequence

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import ParameterError, SignalError
from tapemeasure.live.averages import AzimuthMeter, NoiseAverage, ResponseTable
from tapemeasure.live.background import measure_background
from tapemeasure.live.blocks import Pieces
from tapemeasure.live.levels import LevelMeter
from tapemeasure.live.notes import signal_notes, tone_notes
from tapemeasure.live.readings import AzimuthReading, Levels, NoiseReading, Reading, Summary
from tapemeasure.live.run import RunSummary, ToneRun
from tapemeasure.live.speed import SpeedReading, SpeedSpectrum
from tapemeasure.live.tones import FLUTTER_TONES_HZ, FoundTone, find_tones, nominal_hz

PIECE_S = 0.25
PIECES_PER_SECOND = 4
NOISE_EVERY_S = 2
SPECTRUM_EVERY_S = 2
SLOW_S = 60.0
"""Mean speed and drift that are shown while it runs are those of the last minute."""

LOWEST_RATE_HZ = 16000
WARM_UP_S = 12.0
"""So long a run has every figure."""

HELD = ("weighted_2sigma_pct", "quasi_peak_pct", "weighted_peak_pct")


def warm_up(*, sample_rate: int, n_channels: int) -> None:
    """Let everything that a meter uses be loaded and compiled before the first sample comes; takes a second or two.

    What loads while audio runs holds the interpreter up for longer than a block lasts.
    """
    phase = 2.0 * np.pi * FLUTTER_TONES_HZ[0] / sample_rate * np.arange(round(WARM_UP_S * sample_rate))
    tone = 0.1 * np.sin(phase) + 1e-3 * np.sin(100.0 * phase**2)
    meter = LiveMeter(sample_rate=sample_rate, n_channels=n_channels)
    meter.process(np.repeat(tone[:, np.newaxis], n_channels, axis=1))
    meter.finish()


class LiveMeter:
    """Speed, wow and flutter, azimuth, level, response, hum and noise of what comes in.

    Parameters
    ----------
    sample_rate : int
        Hz, at least 16000.
    n_channels : int
        Channels of the blocks; azimuth is that of the first two.
    tone_hz : float, optional
        What the flutter tone was recorded at; without it 3150 or 3000 Hz, whichever is nearer to what is heard.
    played_dbfs : mapping of float to float, optional
        Frequencies and rms levels of the tones that are played, where they are known; empty where silence is.

    Raises
    ------
    ParameterError
        If the sample rate is too low, there is no channel, or the tone does not fit.

    Notes
    -----
    The signal is looked at in pieces of 0.25 s, tones and azimuth in whole seconds, noise every other second, so that
    the size of the blocks changes nothing. A tone must be there for a second before it is followed; speed and flutter
    are read from the channel in which it is louder then. Where it ends and begins again a new run begins; the
    summary is that of the longest.
    """

    def __init__(
        self,
        *,
        sample_rate: int,
        n_channels: int,
        tone_hz: float | None = None,
        played_dbfs: Mapping[float, float] | None = None,
    ) -> None:
        if sample_rate < LOWEST_RATE_HZ or n_channels < 1:
            raise ParameterError(
                f"meter: {n_channels} channels at {sample_rate} Hz; give at least one, at {LOWEST_RATE_HZ} Hz or above"
            )
        if tone_hz is not None and not 0.0 < tone_hz < 0.4 * sample_rate:
            raise ParameterError(
                f"tone_hz is {tone_hz:g} Hz; give more than 0 and less than {0.4 * sample_rate:g} Hz at this rate"
            )
        self._sample_rate = sample_rate
        self._expected = FLUTTER_TONES_HZ if tone_hz is None else (tone_hz,)
        self._named = tone_hz is not None
        self._pieces = Pieces(length_samples=round(PIECE_S * sample_rate), n_channels=n_channels)
        self._levels = LevelMeter(n_channels)
        self._response = ResponseTable(played_dbfs or None)
        self._silent = played_dbfs is not None and not played_dbfs
        self._azimuth = AzimuthMeter()
        self._noise = {beside: NoiseAverage(beside_tones=beside) for beside in (False, True)}
        self._second: list[FloatArray] = []
        self._last_second: FloatArray | None = None
        self._n_pieces = 0
        self._tones: tuple[FoundTone, ...] = ()
        self._run: ToneRun | None = None
        self._run_channel = 0
        self._longest: RunSummary | None = None
        self._held: dict[str, float] = {}
        self._notes: dict[str, float] = {}
        self._latest_notes: tuple[str, ...] = ()
        self._latest: tuple[AzimuthReading | None, NoiseReading | None] = (None, None)
        self._slow: tuple[SpeedReading | None, SpeedSpectrum | None] = (None, None)

    @property
    def time_s(self) -> float:
        """What was looked at so far, seconds."""
        return self._n_pieces * self._pieces.length_samples / self._sample_rate

    def process(self, block: FloatArray) -> list[Reading]:
        """Take a block of shape (any, n_channels) in, full scale 1.0; one reading for every 0.25 s that it ends."""
        return [self._piece(piece) for piece in self._pieces.process(block)]

    def _piece(self, piece: FloatArray) -> Reading:
        self._n_pieces += 1
        levels = self._levels.process(piece)
        if self._run is not None:
            self._run.process(piece[:, self._run_channel])
        self._second.append(piece)
        if len(self._second) == PIECES_PER_SECOND:
            self._look(np.concatenate(self._second), levels)
            self._second = []
        return self._reading(levels)

    def _look(self, second: FloatArray, levels: Levels) -> None:
        """What is read once a second."""
        number = self._n_pieces // PIECES_PER_SECOND
        before, self._tones = self._tones, find_tones(second, sample_rate=self._sample_rate)
        self._response.process(self._tones)
        azimuth = None
        if second.shape[1] > 1:
            azimuth = self._azimuth.process(second, self._tones, sample_rate=self._sample_rate)
        noise = self._latest[1]
        if self._last_second is not None and number % NOISE_EVERY_S == 0:
            noise = self._background(np.concatenate([self._last_second, second]), {*before, *self._tones})
        self._latest = (azimuth, noise)
        self._last_second = second
        self._follow(second, before)
        if self._run is not None:
            spectrum = self._run.spectrum.reading() if number % SPECTRUM_EVERY_S == 0 else self._slow[1]
            self._slow = (self._run.slow.reading(last_s=SLOW_S), spectrum)
        flutter = self._flutter_tone(self._tones)
        nominal = None if flutter is None else flutter[0]
        self._latest_notes = (
            *signal_notes(levels, self._tones, silent=self._silent),
            *tone_notes(self._tones, nominal_hz=nominal, expected_hz=self._expected, named=self._named),
        )
        for note in self._latest_notes:
            self._notes.setdefault(note, self.time_s)

    def _background(self, stretch: FloatArray, tones: set[FoundTone]) -> NoiseReading | None:
        frequencies = [tone.frequency_hz for tone in tones]
        try:
            channels = [
                measure_background(channel, sample_rate=self._sample_rate, tones_hz=frequencies)
                for channel in stretch.T
            ]
        except SignalError:
            return None
        return self._noise[bool(frequencies)].process(channels)

    def _follow(self, second: FloatArray, before: Sequence[FoundTone]) -> None:
        """Begin a run of the flutter tone when it was there for two seconds, end it when it is gone."""
        now = self._flutter_tone(self._tones)
        if self._run is not None:
            if now is None:
                self._end_run()
            return
        if now is None or self._flutter_tone(before) is None:
            return
        nominal, tone = now
        self._run_channel = int(np.argmax(tone.level_dbfs))
        self._run = ToneRun(nominal_hz=nominal, found_hz=tone.frequency_hz, sample_rate=self._sample_rate)
        self._run.process(second[:, self._run_channel])

    def _flutter_tone(self, tones: Sequence[FoundTone]) -> tuple[float, FoundTone] | None:
        for tone in tones:
            nominal = nominal_hz(tone.frequency_hz, expected_hz=self._expected)
            if nominal is not None:
                return nominal, tone
        return None

    def _end_run(self) -> None:
        if self._run is None:
            return
        ended, self._run = self._run.finish(), None
        if self._longest is None or ended.flutter.duration_s > self._longest.flutter.duration_s:
            self._longest = ended
        self._slow = (None, None)

    def _reading(self, levels: Levels) -> Reading:
        run = self._run
        needle = None if run is None else run.needle.reading()
        if needle is not None:
            for name in HELD:
                value = float(getattr(needle, name))
                if value > self._held.get(name, 0.0):
                    self._held[name] = value
        return Reading(
            time_s=self.time_s,
            levels=levels,
            nominal_hz=None if run is None else run.nominal_hz,
            found_hz=None if run is None else run.found_hz,
            speed_pct=None if run is None else run.speed_pct,
            needle=needle,
            run=None if run is None else run.figures.reading(),
            held=dict(self._held),
            slow=self._slow[0],
            spectrum=self._slow[1],
            tones=self._response.rows(),
            reference_hz=self._response.reference_hz,
            azimuth=self._latest[0],
            noise=self._latest[1],
            notes=self._latest_notes,
        )

    def finish(self) -> Summary:
        """End the metering and tell what was found."""
        self._end_run()
        longest = self._longest
        return Summary(
            duration_s=self.time_s,
            levels=self._levels.total(),
            nominal_hz=None if longest is None else longest.nominal_hz,
            found_hz=None if longest is None else longest.found_hz,
            flutter=None if longest is None else longest.flutter,
            held=dict(self._held),
            speed=None if longest is None else longest.speed,
            spectrum=None if longest is None else longest.spectrum,
            tones=self._response.rows(mean=True),
            reference_hz=self._response.reference_hz,
            azimuth=self._azimuth.total(),
            noise=self._noise[True].total(),
            silent_noise=self._noise[False].total(),
            notes=tuple(f"{note} (from {time_s:.0f} s)" for note, time_s in self._notes.items()),
        )
