"""What a meter shows: a screen of tables on a terminal, a line a second elsewhere, the table of the end."""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
import numpy as np

from tapemeasure.live.readings import NoiseReading, Reading, Summary
from tapemeasure.live.speed import SpeedSpectrum, band_deviations_pct

FLOOR_DBFS = -60.0
BAR_CHARACTERS = 30
BARS = " ▁▂▃▄▅▆▇█"
BAR_DECADES = 2.5
READINGS_PER_S = 4
Show = Callable[[Reading, int], None]


@contextmanager
def view(title: str) -> Iterator[Show]:
    """Give a function that takes a reading and the number of xruns; draws on stderr."""
    if not sys.stderr.isatty():
        count = 0

        def tell(reading: Reading, xruns: int) -> None:
            nonlocal count
            count += 1
            if count % READINGS_PER_S == 0:
                click.echo(reading_line(reading, xruns), err=True)

        yield tell
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:
        yield lambda reading, xruns: live.update(screen(title, reading, xruns), refresh=True)


def reading_line(reading: Reading, xruns: int) -> str:
    """A reading as one line of text."""
    levels = reading.levels
    parts = [f"{reading.time_s:7.2f} s", "level " + " ".join(f"{_db(level)}" for level in levels.rms_dbfs) + " dBFS"]
    if reading.speed_pct is not None:
        parts.append(f"speed {reading.speed_pct:+.3f} %")
    if reading.needle is not None and math.isfinite(reading.needle.quasi_peak_pct):
        parts.append(
            f"W&F {_pct(reading.needle.weighted_2sigma_pct)} 2-sigma, {_pct(reading.needle.quasi_peak_pct)} q-p"
        )
    if reading.azimuth is not None:
        parts.append(f"azimuth {reading.azimuth.static_us:+.2f} us")
    if reading.noise is not None:
        parts.append("noise " + " ".join(_db(level) for level in reading.noise.level_a_dbfs) + " dBFS(A)")
    if xruns:
        parts.append(f"{xruns} xruns")
    return "  ".join([*parts, *reading.notes[:1]])


def screen(title: str, reading: Reading, xruns: int) -> Any:
    """A reading as tables for a terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    clock = f"{int(reading.time_s) // 60}:{int(reading.time_s) % 60:02d}"
    parts: list[Any] = [Text(f"{title}   {clock}   {xruns} xruns   Ctrl-C ends", style="bold")]
    parts += [Text(bar_line(number, reading)) for number in range(len(reading.levels.rms_dbfs))]
    for label, value in _speed_rows(reading):
        parts.append(Text(f"{label:<14}{value}"))
    if reading.needle is not None:
        table = Table("wow and flutter, weighted", "now (5 s)", "held", "run", box=None, pad_edge=False)
        names = {"weighted_2sigma_pct": "two-sigma", "quasi_peak_pct": "quasi-peak", "weighted_peak_pct": "peak"}
        for field, name in names.items():
            run = float("nan") if reading.run is None else getattr(reading.run, field)
            held = reading.held.get(field, float("nan"))
            table.add_row(name, _pct(getattr(reading.needle, field)), _pct(held), _pct(run))
        parts.append(table)
    if reading.spectrum is not None:
        parts += [Text(f"{'spectrum':<14}0.2 Hz |{bars(reading.spectrum)}| 200 Hz"), Text(lines_text(reading.spectrum))]
    if reading.tones:
        table = Table(f"response, from {reading.reference_hz:g} Hz", box=None, pad_edge=False)
        for tone in reading.tones:
            table.add_column(f"{tone.nominal_hz:g}", justify="right")
        for channel in range(len(reading.levels.rms_dbfs)):
            table.add_row(
                f"channel {channel + 1} / dB", *(f"{tone.response_db[channel]:+.2f}" for tone in reading.tones)
            )
        parts.append(table)
    parts += [Text(note, style="yellow") for note in reading.notes]
    return Group(*parts)


def bar_line(channel: int, reading: Reading) -> str:
    """Level of one channel with a bar that follows its peak."""
    levels = reading.levels
    share = min(1.0, max(0.0, 1.0 - levels.peak_dbfs[channel] / FLOOR_DBFS))
    clipped = f"  CLIPPED {levels.clipped_samples[channel]}" if levels.clipped_samples[channel] else ""
    return (
        f"channel {channel + 1:<6}{'█' * round(share * BAR_CHARACTERS):<{BAR_CHARACTERS}} peak "
        f"{_db(levels.peak_dbfs[channel])}  rms {_db(levels.rms_dbfs[channel])}  held "
        f"{_db(levels.held_peak_dbfs[channel])} dBFS{clipped}"
    )


def bars(spectrum: SpeedSpectrum) -> str:
    """The speed's spectrum in third octaves, as characters of rising height over 2.5 decades."""
    level = np.log10(np.maximum(band_deviations_pct(spectrum), 1e-15))
    height = (level - level.max() + BAR_DECADES) / BAR_DECADES * (len(BARS) - 1)
    return "".join(BARS[round(value)] for value in np.clip(height, 0, len(BARS) - 1))


def lines_text(spectrum: SpeedSpectrum) -> str:
    """The strongest lines of the speed's spectrum."""
    lines = ", ".join(f"{line.frequency_hz:.3g} Hz {line.deviation_pct:.3f} %" for line in spectrum.lines[:5])
    return f"{'lines':<14}{lines or 'none stands out'}"


def summary_rows(summary: Summary) -> list[tuple[str, str]]:
    """The table of the end."""
    levels, flutter, speed = summary.levels, summary.flutter, summary.speed
    rows = [
        ("listened", f"{summary.duration_s:.2f} s"),
        ("level", "; ".join(f"peak {_db(p)}, rms {_db(r)} dBFS"
                            for p, r in zip(levels.peak_dbfs, levels.rms_dbfs, strict=True))),
    ]  # fmt: skip
    if speed is not None and flutter is not None:
        rows += [
            ("tone", f"{summary.found_hz:.2f} Hz, recorded at {summary.nominal_hz:g} Hz"),
            ("speed error", f"{_pct(speed.speed_error_pct, sign=True)} +- {_pct(speed.speed_error_sigma_pct)}"),
            ("drift", _pct(speed.drift_pct)),
            ("wow and flutter", f"{_pct(flutter.weighted_2sigma_pct)} two-sigma, {_pct(flutter.quasi_peak_pct)} "
                                f"quasi-peak, {_pct(flutter.weighted_rms_pct)} rms, "
                                f"{_pct(flutter.weighted_peak_pct)} peak, weighted, {flutter.duration_s:.1f} s"),
        ]  # fmt: skip
    if summary.spectrum is not None:
        rows.append(("lines", lines_text(summary.spectrum)[14:]))
    if summary.azimuth is not None:
        phase = "" if summary.azimuth.phase_deg is None else (
            f", {summary.azimuth.phase_deg:+.1f} degrees at {summary.azimuth.tone_hz:.0f} Hz"
        )  # fmt: skip
        rows.append(
            ("azimuth", f"{summary.azimuth.static_us:+.3f} us, moving {summary.azimuth.dynamic_us:.3f} us rms{phase}")
        )
    for tone in summary.tones:
        response = ", ".join(f"{value:+.2f}" for value in tone.response_db)
        rows.append((f"{tone.nominal_hz:g} Hz", f"{response} dB, {', '.join(_db(v) for v in tone.level_dbfs)} dBFS"))
    for label, noise in (("noise beside", summary.noise), ("noise", summary.silent_noise)):
        if noise is not None:
            rows.append((label, noise_text(noise)))
    return rows


def noise_text(noise: NoiseReading) -> str:
    """Hum and noise of the channels."""
    texts = []
    for channel, level in enumerate(noise.level_dbfs):
        hums = [
            f"hum {mains} Hz {_db(value[channel] or -math.inf)}"
            for mains, value in ((50, noise.hum_50hz_dbfs), (60, noise.hum_60hz_dbfs))
            if value[channel] is not None
        ]
        texts.append(", ".join([f"{_db(level)} dBFS, A {_db(noise.level_a_dbfs[channel])}", *hums]))
    return "; ".join(texts)


def _speed_rows(reading: Reading) -> Iterator[tuple[str, str]]:
    if reading.speed_pct is not None:
        mean = ""
        if reading.slow is not None and math.isfinite(reading.slow.speed_error_pct):
            mean = f"   mean {_pct(reading.slow.speed_error_pct, sign=True)}   drift {_pct(reading.slow.drift_pct)}"
        yield (
            "speed error",
            f"{reading.speed_pct:+.3f} %{mean}   tone {reading.found_hz:.1f} Hz ({reading.nominal_hz:g})",
        )
    if reading.azimuth is not None:
        phase = "" if reading.azimuth.phase_deg is None else (
            f"   {reading.azimuth.phase_deg:+.1f} degrees at {reading.azimuth.tone_hz:.0f} Hz"
        )  # fmt: skip
        yield "azimuth", f"{reading.azimuth.static_us:+.2f} us, moving {reading.azimuth.dynamic_us:.2f} us{phase}"
    if reading.noise is not None:
        yield ("noise beside" if reading.noise.beside_tones else "noise"), noise_text(reading.noise)


def _pct(value: float, *, sign: bool = False) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:+.3f} %" if sign else f"{value:.3f} %"


def _db(value: float) -> str:
    return f"{value:.1f}" if value > -200.0 else "-inf"
