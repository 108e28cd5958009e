"""``tapemeasure meter``: speed, wow and flutter, azimuth, level, response, hum and noise, live."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.cli.common import (
    PICTURE_ENDINGS,
    FiniteRange,
    check_output,
    force_option,
    json_option,
    params_option,
    params_or_defaults,
    print_result,
    warn,
)
from tapemeasure.cli.meter_log import log_writer
from tapemeasure.cli.meter_view import READINGS_PER_S, summary_rows, view
from tapemeasure.cli.record_plan import hardware_settings
from tapemeasure.errors import DeviceError, OutputError, UsageError
from tapemeasure.params import HardwareSettings, updated_settings

if TYPE_CHECKING:
    from tapemeasure.devices.take_writer import TakeWriter
    from tapemeasure.live.readings import Reading, Summary
    from tapemeasure.signals.meter_tones import MeterSignal

LATE_S = 2.0


@click.command(
    epilog="Exit codes: 0 metered (also when Ctrl-C ended it), 1 the device failed or went away (the log is kept), 2 "
    "usage."
)
@click.option(
    "--device", "name", metavar="NAME", help="A profile of kind hardware, an index or a part of a card's name."
)
@click.option("--input", "input_file", metavar="FILE", type=click.Path(path_type=Path),
              help="Meter a recording as if it came in now.")  # fmt: skip
@click.option("--play", "play", type=click.Choice(["flutter", "response", "silence"]),
              help="Play one tone, several tones from 63 Hz to 16 kHz, or nothing, and meter what comes back. Without "
              "it only the input is opened, for a test tape.")  # fmt: skip
@click.option("--level", "level_dbfs", type=FiniteRange(-80.0, 0.0), default=-12.0, show_default=True, metavar="DBFS",
              help="Peak level of what is played.")  # fmt: skip
@click.option("--tone", "tone_hz", type=FiniteRange(500.0, 20000.0), metavar="HZ",
              help="What the flutter tone was recorded at.  [default: 3150 or 3000, by ear]")  # fmt: skip
@click.option("--seconds", "length_s", type=FiniteRange(1.0, 360000.0), metavar="S", help="End after so many seconds.")
@click.option("--log", "log_file", metavar="FILE.csv", type=click.Path(path_type=Path),
              help="One row a second, written as it comes.")  # fmt: skip
@click.option("--audio", "audio_file", metavar="FILE.wav", type=click.Path(path_type=Path),
              help="Keep what came in as well.")  # fmt: skip
@click.option("--plot", "plot_file", metavar="FILE.png|.svg|.pdf", type=click.Path(path_type=Path),
              help="At the end, draw speed, wow and flutter, spectrum and response.")  # fmt: skip
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Another setting of the device.")
@params_option
@force_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    name: str | None,
    input_file: Path | None,
    play: str | None,
    level_dbfs: float,
    tone_hz: float | None,
    length_s: float | None,
    log_file: Path | None,
    audio_file: Path | None,
    plot_file: Path | None,
    assignments: Sequence[str],
    params_file: str,
    force: bool,
    as_json: bool,
) -> None:
    """Show what a machine does while it does it: speed, wow and flutter, azimuth, level, response, hum and noise.

    From a test tape (its 3150 or 3000 Hz is found by itself, its response tones one after the other), or from the
    machine's own playback of tones that --play plays. The needle reads the last 5 s, `held` its largest value, `run`
    everything since the tone began, as `tapemeasure measure` would. On a terminal a screen is drawn, elsewhere a line a
    second goes to stderr. Ctrl-C ends it.

    \b
    Examples:
      tapemeasure meter --device akai
      tapemeasure meter --device akai --play flutter --seconds 60 --log akai.csv --plot akai.png
      tapemeasure meter --device akai --play response --level -20
      tapemeasure meter --input test_tape.wav --tone 3000 --json
    """
    if (name is None) == (input_file is None):
        raise UsageError("give either --device NAME or --input FILE")
    if input_file is not None and (play is not None or assignments):
        raise UsageError("--input: nothing is played and no device is set; leave --play and --set out")
    outputs = ((log_file, (".csv",)), (audio_file, (".wav",)), (plot_file, PICTURE_ENDINGS))
    for path, endings in outputs:
        check_output(path, endings=endings, force=force, inputs=[input_file])
    if input_file is not None:
        source = _file_source(input_file, length_s)
    else:
        settings = updated_settings(
            hardware_settings(params_or_defaults(ctx, params_file), str(name)),
            assignments,
            where=f"meter --device {name}",
        )
        source = _device_source(settings, play, level_dbfs=level_dbfs, tone_hz=tone_hz, length_s=length_s)
    session = _Session(source, tone_hz=tone_hz, title=f"meter {name or input_file}")
    session.run(log_file, audio_file)
    summary = session.meter.finish()
    _tell(session, summary, plot_file, log_file, as_json=as_json, force=force)
    if source.reason() is not None:
        kept = "" if log_file is None else f"; the log is kept in {log_file}"
        raise DeviceError(f"{source.reason()}; metered for {summary.duration_s:.2f} s{kept}")


@dataclass(frozen=True)
class _Source:
    """Where blocks come from: (samples, xruns, waiting blocks) each, and why they ended early."""

    blocks: Iterator[tuple[FloatArray, int, int]]
    sample_rate: int
    n_channels: int
    signal: "MeterSignal | None"
    reason: Any
    inputs: Mapping[str, Path]


def _file_source(path: Path, length_s: float | None) -> _Source:
    from tapemeasure.audio_stream import open_audio

    audio = open_audio(path)

    def blocks() -> Iterator[tuple[FloatArray, int, int]]:
        left = math.inf if length_s is None else round(length_s * audio.sample_rate)
        for block in audio.blocks():
            part = block[: int(min(left, len(block)))]
            left -= len(part)
            yield part, 0, 0
            if left <= 0:
                return

    return _Source(blocks(), audio.sample_rate, audio.n_channels, None, lambda: None, {"input": path})


def _device_source(
    settings: HardwareSettings, play: str | None, *, level_dbfs: float, tone_hz: float | None, length_s: float | None
) -> _Source:
    from tapemeasure.devices.monitor import Monitor
    from tapemeasure.live.meter import warm_up
    from tapemeasure.signals.meter_tones import FLUTTER_HZ, meter_signal

    signal = None
    if play is not None:
        signal = meter_signal(
            play,  # type: ignore[arg-type]  # click has checked it
            sample_rate=settings.sample_rate,
            level_dbfs=level_dbfs,
            flutter_hz=tone_hz if play == "flutter" and tone_hz is not None else FLUTTER_HZ,
        )
    warm_up(sample_rate=settings.sample_rate, n_channels=len(settings.input_channels))
    monitor = Monitor(settings, loop=None if signal is None else signal.samples)
    blocks = monitor.blocks(length_s=math.inf if length_s is None else length_s)
    return _Source(
        ((heard.samples, heard.xruns, heard.waiting) for heard in blocks),
        settings.sample_rate,
        len(settings.input_channels),
        signal,
        lambda: monitor.reason,
        {},
    )


class _Session:
    """One metering: blocks in, screen and files out."""

    def __init__(self, source: _Source, *, tone_hz: float | None, title: str) -> None:
        from tapemeasure.live.meter import LiveMeter
        from tapemeasure.signals.meter_tones import FLUTTER_HZ

        played = None if source.signal is None else source.signal.played_dbfs
        if tone_hz is None and played and FLUTTER_HZ in played:
            tone_hz = FLUTTER_HZ
        self.source, self.title = source, title
        self.xruns = 0
        self.late_s = 0.0
        self.seconds: list[Reading] = []
        self.meter = LiveMeter(
            sample_rate=source.sample_rate, n_channels=source.n_channels, tone_hz=tone_hz, played_dbfs=played
        )

    def run(self, log_file: Path | None, audio_file: Path | None) -> None:
        """Meter to the end, or to Ctrl-C."""
        writer = None if audio_file is None else self._audio(audio_file)
        try:
            with log_writer(log_file, n_channels=self.source.n_channels) as log, view(self.title) as show:
                for samples, xruns, waiting in self.source.blocks:
                    self.xruns = xruns
                    self.late_s = max(self.late_s, waiting * len(samples) / self.source.sample_rate)
                    if writer is not None:
                        writer.put(samples.astype(np.float32))
                    for reading in self.meter.process(samples):
                        show(reading, xruns)
                        if round(reading.time_s * READINGS_PER_S) % READINGS_PER_S == 0:
                            # without what grows: a spectrum a second would fill the memory in hours
                            self.seconds.append(replace(reading, spectrum=None, tones=()))
                            log(reading, xruns)
        except KeyboardInterrupt:
            click.echo("ended by Ctrl-C", err=True)
        finally:
            if writer is not None:
                writer.close()
        if writer is not None and writer.error is not None:
            raise OutputError(f"{audio_file}: could not be written ({writer.error.strerror}); free some space")

    def _audio(self, path: Path) -> "TakeWriter":
        from tapemeasure.devices.take_writer import TakeWriter

        path.unlink(missing_ok=True)
        return TakeWriter(
            path, sample_rate=self.source.sample_rate, n_channels=self.source.n_channels, expected_samples=0
        )


def _tell(
    session: _Session, summary: "Summary", plot_file: Path | None, log_file: Path | None, *, as_json: bool, force: bool
) -> None:
    from tapemeasure.io import provenance

    notes = list(summary.notes)
    if session.late_s > LATE_S:
        notes.append(f"the computer is too slow: the meter lagged {session.late_s:.1f} s behind at worst")
    for note in notes:
        warn(note)
    if plot_file is not None:
        from tapemeasure.plotting.live_meter import plot_meter

        plot_meter(session.seconds, summary, plot_file, title=session.title, force=force)
    values = summary.as_dict()
    result = {**values, "notes": notes, "xruns": session.xruns, "log": log_file, "plot": plot_file,
              "provenance": provenance(inputs=session.source.inputs)}  # fmt: skip
    print_result(result, as_json=as_json, rows=[*summary_rows(summary), ("xruns", str(session.xruns))])
