"""Wow and flutter of a delay trajectory: two-sigma, quasi-peak, rms, bands, lines, and what the head gap hides."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tapemeasure.analysis.delay_statistics import delay_statistics
from tapemeasure.analysis.quasi_peak import FLUTTER_SETTLED_S, flutter_quasi_peak
from tapemeasure.analysis.rotating_parts import FlutterLine, RotatingPart, speed_lines
from tapemeasure.analysis.spread import Figure, gaussian_share, mean_of_blocks, quantile_figure, rms_figure
from tapemeasure.analysis.tape_speed import TapeSpeed, tape_speed
from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.flutter_weighting import flutter_weighting_db
from tapemeasure.dsp.spectra import power_spectrum
from tapemeasure.trajectory import DelayTrajectory

TWO_SIGMA = 0.9545
"""Share of the time that the two-sigma value is not exceeded."""

STANDARD_S = 5.0
"""The standards read at least so long."""

BLOCK_S = 2.5
"""Blocks whose spread gives the uncertainties; the weighted deviation remembers about a second."""

UNWEIGHTED_HZ = (0.2, 200.0)
BANDS_HZ = {"drift": (0.05, 0.5), "wow": (0.5, 6.0), "flutter": (6.0, 100.0), "scrape": (100.0, 1000.0)}
BAND_NEEDS_S = {"drift": 20.0, "wow": 5.0, "flutter": 2.0, "scrape": 1.0}
NEARLY = 0.99
"""A tracker loses some milliseconds at the ends of a take that is just long enough."""

MOST_BLIND = 1.0 / 3.0
"""A band is refused where the heads hide more of it than this."""

SPECTRUM_WINDOW_S = 10.0
NO_FIGURE = Figure(float("nan"), float("nan"))


@dataclass(frozen=True)
class WowFlutter:
    """Wow and flutter of a take; speed deviations in per cent, each with its standard uncertainty (``sigma``).

    NaN is what the take is too short for or what cannot be seen; `notes` says why.

    Parameters
    ----------
    duration_s : float
        Evaluated time, ends left out.
    bandwidth_hz : float
        Highest frequency of the speed that the trajectory follows.
    weighted_2sigma_pct, unweighted_2sigma_pct : float
        Value that the deviation stays below for 95.45 % of the time.
    quasi_peak_pct : float
        Mean reading of the older quasi-peak meter, weighted.
    weighted_rms_pct, unweighted_rms_pct : float
        Root mean square (weighted: WRMS).
    weighted_peak_pct : float
        Largest weighted deviation.
    drift_pct, wow_pct, flutter_pct, scrape_pct : float
        Rms in 0.05-0.5 Hz, 0.5-6 Hz, 6-100 Hz and above 100 Hz, unweighted.
    speed_error_pct : float
        Mean of the deviation: positive is too fast.
    head_delay_s : float or None
        Travel time between the heads that was undone; None where the tape was rewound.
    blind_bands_hz : tuple of (low, high)
        Bands that the two heads hide; they count as 0.
    lines : tuple of FlutterLine
        Lines of the spectrum, the strongest first.
    frequency_hz, deviation_pct : ndarray, shape (n_frequencies,)
        Unweighted spectrum: rms per cent within each bin.
    notes : tuple of str
        What was not measured, and why.
    """

    duration_s: float
    bandwidth_hz: float
    weighted_2sigma_pct: float
    weighted_2sigma_sigma_pct: float
    unweighted_2sigma_pct: float
    unweighted_2sigma_sigma_pct: float
    quasi_peak_pct: float
    quasi_peak_sigma_pct: float
    weighted_rms_pct: float
    weighted_rms_sigma_pct: float
    unweighted_rms_pct: float
    unweighted_rms_sigma_pct: float
    weighted_peak_pct: float
    weighted_peak_sigma_pct: float
    drift_pct: float
    drift_sigma_pct: float
    wow_pct: float
    wow_sigma_pct: float
    flutter_pct: float
    flutter_sigma_pct: float
    scrape_pct: float
    scrape_sigma_pct: float
    speed_error_pct: float
    speed_error_sigma_pct: float
    head_delay_s: float | None
    blind_bands_hz: tuple[tuple[float, float], ...]
    lines: tuple[FlutterLine, ...]
    frequency_hz: FloatArray
    deviation_pct: FloatArray
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, units in the keys."""
        return asdict(self)


def measure_wow_flutter(
    trajectory: DelayTrajectory,
    *,
    head_delay_s: float | None = None,
    parts: Sequence[RotatingPart] = (),
    speed_ips: float | None = None,
) -> WowFlutter:
    """Wow and flutter of a take in per cent, from the delay of its output.

    Parameters
    ----------
    trajectory : DelayTrajectory
        Of any tracker, or `tapemeasure.analysis.demodulation.tone_trajectory` of a test tape. Its rate bounds what is
        seen: 0.45 of it.
    head_delay_s : float, optional
        Travel time from the record to the play head where the take came off the tape while it was recorded: the
        deviation is divided by the response of the two heads. None: the tape was rewound, or is a test tape.
    parts : sequence of RotatingPart
        Diameters, to name the spectrum's lines by.
    speed_ips : float, optional
        Tape speed, inches per second; needed with `parts`.

    Raises
    ------
    SignalError
        If the delay is known for less than a second or so.
    ParameterError
        If the head delay is not above 0 s, or parts come without a speed.

    Notes
    -----
    Weighting by the spectrum: exact at the standard's points. Half a second at both ends is left out, a
    second where the heads are undone. The weighted
    figures need 5 s, drift 20 s, wow 5 s, flutter 2 s. An uncertainty joins the spread of blocks of 2.5 s (how much
    another take of the same machine would differ), the tracker's errors, and what the blind bands may hide. A recorded
    and replayed take holds the deviations of both passes.

    References
    ----------
    AES6-2008 (two-sigma, weighting); DIN 45507 and IEC 60386 (the same weighting).
    """
    speed = tape_speed(trajectory, head_delay_s=head_delay_s)
    notes: list[str] = []
    weighting = 10.0 ** (flutter_weighting_db(speed.frequency_hz) / 20.0)
    flat = speed.band(UNWEIGHTED_HZ[0], UNWEIGHTED_HZ[1])
    enough = speed.known_s >= NEARLY * STANDARD_S
    if not enough:
        notes.append(
            f"no weighted, two-sigma or peak figure: {speed.known_s:.1f} s of delay, the standards "
            f"ask for {STANDARD_S:g} s"
        )
    figures = _standard_figures(speed, weighting, flat) if enough else dict.fromkeys(_STANDARD, NO_FIGURE)
    for name in BANDS_HZ:
        figures[name] = _band_figure(speed, name, notes)
    statistics = delay_statistics(trajectory)
    figures["speed_error"] = Figure(
        float("nan") if statistics.drift_ppm is None else -1e-4 * statistics.drift_ppm,
        float("nan") if statistics.drift_sigma_ppm is None else 1e-4 * statistics.drift_sigma_ppm,
    )
    if head_delay_s is not None:
        notes.append(_blind_text(speed, head_delay_s))
    unweighted = speed.filtered(np.ones(len(speed.frequency_hz)))
    spectrum = power_spectrum(
        [unweighted],
        sample_rate=speed.rate_hz,
        window_samples=min(round(SPECTRUM_WINDOW_S * speed.rate_hz), len(unweighted)) // 2 * 2,
    )
    seen = (spectrum.frequency_hz > 0.0) & (spectrum.frequency_hz <= speed.bandwidth_hz)
    values: dict[str, Any] = {}
    for name, figure in figures.items():
        values |= {f"{name}_pct": 100.0 * figure.value, f"{name}_sigma_pct": 100.0 * figure.sigma}
    values |= {f"speed_error_{key}": values[f"speed_error_{key}"] / 100.0 for key in ("pct", "sigma_pct")}
    return WowFlutter(
        duration_s=speed.duration_s,
        bandwidth_hz=speed.bandwidth_hz,
        **values,
        head_delay_s=head_delay_s,
        blind_bands_hz=speed.blind_bands_hz,
        lines=_lines(speed, unweighted, parts, speed_ips),
        frequency_hz=spectrum.frequency_hz[seen],
        deviation_pct=100.0 * np.sqrt(spectrum.density_per_hz[seen] * spectrum.bin_hz),
        notes=tuple(notes),
    )


_STANDARD = (
    "weighted_2sigma", "unweighted_2sigma", "quasi_peak", "weighted_rms", "unweighted_rms", "weighted_peak",
)  # fmt: skip


def _standard_figures(speed: TapeSpeed, weighting: FloatArray, flat: FloatArray) -> dict[str, Figure]:
    """Two-sigma, quasi-peak, rms and peak; relative deviations."""
    weighted, unweighted = speed.filtered(weighting), speed.filtered(flat)
    block = round(BLOCK_S * speed.rate_hz)
    valid = speed.valid
    reading = flutter_quasi_peak(weighted, rate_hz=speed.rate_hz)
    settled = valid & (np.arange(len(valid)) >= FLUTTER_SETTLED_S * speed.rate_hz)
    readings = reading[settled]
    parts = np.array_split(readings, max(2, len(readings) // block))
    rms = rms_figure(weighted[valid], block_samples=block)
    peak = float(np.max(np.abs(weighted[valid])))
    found = {
        "weighted_2sigma": (_two_sigma(weighted[valid], block), weighting),
        "unweighted_2sigma": (_two_sigma(unweighted[valid], block), flat),
        "quasi_peak": (mean_of_blocks(np.array([np.mean(part) for part in parts])), weighting),
        "weighted_rms": (rms, weighting),
        "unweighted_rms": (rms_figure(unweighted[valid], block_samples=block), flat),
        "weighted_peak": (Figure(peak, peak * rms.sigma / rms.value if rms.value > 0.0 else 0.0), weighting),
    }
    return {name: _with_errors(speed, figure, gain) for name, (figure, gain) in found.items()}


def _two_sigma(deviation: FloatArray, block: int) -> Figure:
    """Value that the magnitude stays below for 95.45 % of the time."""
    figure = quantile_figure(np.abs(deviation), share=TWO_SIGMA, block_samples=block)
    if np.isfinite(figure.sigma):
        return figure
    return Figure(figure.value, figure.value * gaussian_share(deviation))


def _band_figure(speed: TapeSpeed, name: str, notes: list[str]) -> Figure:
    low_hz, high_hz = BANDS_HZ[name]
    gain = speed.band(low_hz, min(high_hz, speed.bandwidth_hz))
    length_s = speed.known_s
    hidden = sum(max(0.0, min(top, high_hz) - max(bottom, low_hz)) for bottom, top in speed.blind_bands_hz)
    if low_hz >= speed.bandwidth_hz:
        notes.append(f"no {name}: the delay is followed to {speed.bandwidth_hz:.0f} Hz, {name} begins at {low_hz:g} Hz")
    elif length_s < NEARLY * BAND_NEEDS_S[name]:
        notes.append(f"no {name}: {length_s:.1f} s of delay, {name} needs {BAND_NEEDS_S[name]:g} s")
    elif hidden > MOST_BLIND * (min(high_hz, speed.bandwidth_hz) - low_hz):
        notes.append(f"no {name}: the two heads hide {hidden:.2f} Hz of its {low_hz:g} to {high_hz:g} Hz")
    else:
        block = round(max(BLOCK_S, 4.0 / low_hz) * speed.rate_hz)
        return _with_errors(speed, rms_figure(speed.filtered(gain)[speed.valid], block_samples=block), gain)
    return NO_FIGURE


def _with_errors(speed: TapeSpeed, figure: Figure, gain: FloatArray) -> Figure:
    """The figure with the tracker's errors and the hidden power in its uncertainty."""
    error = speed.noise_rms(gain)
    added = figure.value - float(np.sqrt(max(figure.value**2 - error**2, 0.0)))
    hidden = 0.5 * speed.hidden_share(gain) * figure.value
    return Figure(figure.value, float(np.sqrt(figure.sigma**2 + added**2 + hidden**2)))


def _lines(
    speed: TapeSpeed, deviation: FloatArray, parts: Sequence[RotatingPart], speed_ips: float | None
) -> tuple[FlutterLine, ...]:
    """Lines of the spectrum, but for the edges of the blind bands, which look like lines."""
    lines = speed_lines(
        deviation,
        rate_hz=speed.rate_hz,
        low_hz=UNWEIGHTED_HZ[0],
        high_hz=speed.bandwidth_hz,
        parts=parts,
        speed_ips=speed_ips,
    )
    near_hz = 4.0 / speed.duration_s
    return tuple(
        line
        for line in lines
        if not any(low - near_hz < line.frequency_hz < high + near_hz for low, high in speed.blind_bands_hz)
    )


def _blind_text(speed: TapeSpeed, head_delay_s: float) -> str:
    bands = ", ".join(f"{low:.2f}-{high:.2f}" for low, high in speed.blind_bands_hz[:4])
    more = f" and {len(speed.blind_bands_hz) - 4} more" if len(speed.blind_bands_hz) > 4 else ""
    return (
        f"recorded and played at once, {1e3 * head_delay_s:.1f} ms apart: blind at {bands} Hz{more}; what the tape "
        "does there counts as nothing"
    )
