"""The tape's speed in physical terms: rotating parts, lines, random bands; and the travel that they add up to."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.tape.curve import Grid
from tapemeasure.devices.tape.loss import METRES_PER_INCH
from tapemeasure.errors import DeviceError
from tapemeasure.params import TapeSettings

RANDOM_BANDS_HZ = {
    "drift_pct": (0.05, 0.5),
    "wow_pct": (0.5, 6.0),
    "flutter_pct": (6.0, 100.0),
    "scrape_pct": (100.0, 400.0),
}
"""Where the random parts of the speed lie; Butterworth band-passes of order 2, -3 dB at both ends."""

HIGHEST_LINE_HZ = 400.0
HUB_SHARE = 0.3
"""Diameter of a reel's hub against that of its full pack."""

SETTLED_PERIODS = 4.0
"""Periods of a band's lower end after which its filter has forgotten that it began: 1e-7."""

CHUNK_POINTS = 65536

Part = Callable[[FloatArray], FloatArray]
"""The next points of a position, seconds, at times that follow one another."""


@dataclass
class RandomBand:
    """Gaussian noise of a band, in its stationary state from the first point.

    Parameters
    ----------
    band_hz : tuple of float
        Lower and upper end, Hz.
    rms : float
        Of the noise, or of its derivative where it is integrated. Set by the filter, not on what comes out: the mean
        over many takes.
    rate_hz : float
        Points per second.
    generator : numpy.random.Generator
        Source of the noise.
    integrated : bool
        Whether the band is that of the derivative (a speed), and the points are those of its integral (a position).
    """

    band_hz: tuple[float, float]
    rms: float
    rate_hz: float
    generator: np.random.Generator
    integrated: bool = False
    _sections: FloatArray = field(init=False)
    _state: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        from scipy.signal import butter, sosfilt, zpk2sos

        design: Any = butter(2, self.band_hz, "bandpass", fs=self.rate_hz, output="zpk")
        zeros, poles, gain = design
        if self.integrated:
            # an integrator by the trapezoidal rule: its pole takes one of the two zeros at 0 Hz away
            zeros = np.append(np.delete(zeros, int(np.argmax(zeros.real))), -1.0)
        sections = np.asarray(zpk2sos(zeros, poles, gain), dtype=np.float64)
        sections[0, :3] *= self.rms / self._rms_of(sections)
        settling = math.ceil(SETTLED_PERIODS * self.rate_hz / self.band_hz[0])
        _, self._state = sosfilt(sections, self.generator.standard_normal(settling), zi=np.zeros((len(sections), 2)))
        self._sections = sections

    def _rms_of(self, sections: FloatArray) -> float:
        """Of the filtered white noise of power 1, or of its derivative."""
        from scipy.signal import freqz_sos

        frequency_hz = np.geomspace(self.band_hz[0] / 1000.0, 0.4999 * self.rate_hz, 20000)
        power = np.abs(freqz_sos(sections, frequency_hz, fs=self.rate_hz)[1]) ** 2
        if self.integrated:
            power = power * (2.0 * math.pi * frequency_hz) ** 2
        return math.sqrt(float(np.trapezoid(power, frequency_hz)) * 2.0 / self.rate_hz)

    def __call__(self, time_s: FloatArray) -> FloatArray:
        """The next ``len(time_s)`` points."""
        from scipy.signal import sosfilt

        noise = self.generator.standard_normal(len(time_s))
        points, self._state = sosfilt(self._sections, noise, zi=self._state)
        return np.asarray(points, dtype=np.float64)


@dataclass(frozen=True)
class Rotation:
    """Once-around deviation of a round part that the tape runs over; calling it gives the position, seconds.

    Parameters
    ----------
    frequency_hz, pct, phase : float
        Turns per second at time 0, speed deviation in percent rms, radians at time 0.
    slowing_per_s : float
        Share of the pack's area that runs off in a second; 0 for all but reels.
    """

    frequency_hz: float
    pct: float
    phase: float
    slowing_per_s: float = 0.0

    def turns_per_s(self, time_s: FloatArray) -> FloatArray:
        """Frequency at any time, Hz: a pack of less area has a smaller radius and turns faster."""
        return np.asarray(self.frequency_hz / np.sqrt(1.0 - self.slowing_per_s * time_s), dtype=np.float64)

    def __call__(self, time_s: FloatArray) -> FloatArray:
        """How far the tape is ahead at any time because of this part, seconds."""
        frequency_hz = self.turns_per_s(time_s)
        turns = self.frequency_hz * time_s
        if self.slowing_per_s > 0.0:
            # the integral of the frequency
            turns = 2.0 * self.frequency_hz / self.slowing_per_s * (1.0 - self.frequency_hz / frequency_hz)
        amplitude_s = math.sqrt(2.0) * 0.01 * self.pct / (2.0 * math.pi * frequency_hz)
        return np.asarray(amplitude_s * np.sin(2.0 * math.pi * turns + self.phase), dtype=np.float64)


def tape_speed_m_s(settings: TapeSettings) -> float:
    """Nominal speed of the tape, metres per second."""
    return METRES_PER_INCH * settings.speed_ips


def rotation_hz(settings: TapeSettings) -> dict[str, float]:
    """Frequency of every rotating part at the take's start, v/(pi d), Hz: ``capstan``, ``pinch_roller``, ``reel``."""
    parts = ("capstan", "pinch_roller", "reel")
    diameters_m = {part: 1e-3 * float(getattr(settings, f"{part}_diameter_mm")) for part in parts}
    return {part: tape_speed_m_s(settings) / (math.pi * diameter_m) for part, diameter_m in diameters_m.items()}


def has_speed_deviation(settings: TapeSettings) -> bool:
    """Whether the tape's speed deviates at all in percent: rotating parts, lines, random bands."""
    named = ("capstan_pct", "pinch_roller_pct", "reel_pct", *RANDOM_BANDS_HZ)
    return any(getattr(settings, name) > 0.0 for name in named) or any(pct > 0.0 for _, pct in settings.lines_pct)


def tape_position(settings: TapeSettings, grid: Grid, *, generator: np.random.Generator) -> FloatArray:
    """How far the tape is ahead of one at constant speed, in seconds of that speed; the integral of its deviation.

    Parameters
    ----------
    settings : TapeSettings
        The parts of the speed in percent rms, diameters, `speed_ips`.
    grid : Grid
        Moments of the machine's time.
    generator : numpy.random.Generator
        Phases of the rotating parts and lines, and all noise; each part has a child of its own.

    Returns
    -------
    ndarray, shape (n_points,)
        Seconds. Rotating parts: sines at v/(pi d). The reel's pack loses tape thickness times v of its area a second,
        and turns faster and faster. Random parts are stationary and have no mean.

    Raises
    ------
    DeviceError
        If a line lies above 400 Hz, or the take is longer than the tape on the reel.
    """
    children = generator.spawn(4 + len(RANDOM_BANDS_HZ))
    phases = [float(child.uniform(0.0, 2.0 * math.pi)) for child in children[:3]]
    parts: list[Part] = [*_rotations(settings, phases=phases, end_s=grid.start_s + grid.n_points / grid.rate_hz)]
    for frequency_hz, pct in settings.lines_pct:
        if frequency_hz > HIGHEST_LINE_HZ:
            raise DeviceError(
                f"tape: lines_pct has a line at {frequency_hz:g} Hz; the transport moves at most at "
                f"{HIGHEST_LINE_HZ:g} Hz, leave it out"
            )
        parts.append(Rotation(frequency_hz, pct, float(children[3].uniform(0.0, 2.0 * math.pi))))
    for (name, band_hz), child in zip(RANDOM_BANDS_HZ.items(), children[4:], strict=True):
        pct = getattr(settings, name)
        if pct > 0.0:
            parts.append(RandomBand(band_hz, 0.01 * pct, grid.rate_hz, child, integrated=True))
    position_s = np.zeros(grid.n_points)
    for first in range(0, grid.n_points, CHUNK_POINTS):
        time_s = grid.times_s(first, first + CHUNK_POINTS)
        for part in parts:
            position_s[first : first + CHUNK_POINTS] += part(time_s)
    return position_s


def _rotations(settings: TapeSettings, *, phases: list[float], end_s: float) -> list[Rotation]:
    """Rotating parts that are on; the capstan, the pinch roller and the reel have a phase each."""
    frequency_hz = rotation_hz(settings)
    pack_area = math.pi / 4.0 * settings.reel_diameter_mm**2 * 1e-6
    slowing_per_s = tape_speed_m_s(settings) * settings.tape_um * 1e-6 / pack_area
    if settings.reel_pct > 0.0 and slowing_per_s * end_s > 1.0 - HUB_SHARE**2:
        raise DeviceError(
            f"tape: a reel of {settings.reel_diameter_mm:g} mm holds {(1.0 - HUB_SHARE**2) / slowing_per_s:.0f} s of "
            f"tape, the take needs {end_s:.0f} s; raise reel_diameter_mm, or set reel_pct to 0"
        )
    parts = [
        Rotation(frequency_hz["capstan"], settings.capstan_pct, phases[0]),
        Rotation(frequency_hz["pinch_roller"], settings.pinch_roller_pct, phases[1]),
        Rotation(frequency_hz["reel"], settings.reel_pct, phases[2], slowing_per_s),
    ]
    fast = [part for part in parts if part.pct > 0.0 and part.frequency_hz > HIGHEST_LINE_HZ]
    if fast:
        raise DeviceError(
            f"tape: a rotating part turns {fast[0].frequency_hz:.0f} times a second; the transport moves at most at "
            f"{HIGHEST_LINE_HZ:g} Hz, raise its diameter or set its pct to 0"
        )
    return [part for part in parts if part.pct > 0.0]
