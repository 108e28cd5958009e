"""What is known of a recording: levels, lost samples, clipped runs, and what to say about them."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tapemeasure.devices.sound_cards import Connection
from tapemeasure.devices.take_writer import ClippedRun

SILENCE_DBFS = -80.0


@dataclass(frozen=True)
class Xrun:
    """Samples that the sound card lost, or played as silence.

    Parameters
    ----------
    position_samples : int
        First sample of the block that came late; where none did, of that in which it was told.
    position_s : float
        The same in seconds.
    flags : tuple of str
        PortAudio's names: input_overflow (samples lost), input_underflow (silence put in), output_underflow (a gap
        was played), output_overflow (samples not played).
    adc_time_s, dac_time_s : float
        The stream's clock at the block in which it was told.
    """

    position_samples: int
    position_s: float
    flags: tuple[str, ...]
    adc_time_s: float
    dac_time_s: float


@dataclass(frozen=True)
class Recording:
    """What is known of a recording whose samples lie in a file.

    Parameters
    ----------
    path : path or None
        The file, float32 WAV or RF64; None where the tape was only recorded.
    sample_rate : int
        Hz, as asked for; `stream_sample_rate` is what the stream reports.
    length_samples, planned_samples : int
        Recorded, and meant to be recorded (stimulus + tail).
    reported_latency_s : float or None
        Output and input latency that the driver claims; not repeatable between takes. None where it is absurd.
    peak_dbfs, rms_dbfs : tuple of float
        Level of each recorded channel.
    xruns, clipped_runs : tuple
        With their positions; `clipped_runs_total` also counts those behind the first thousand.
    stopped_early : str or None
        Why the recording ended before its time.
    block_samples : int
        Samples of the card's blocks.
    callback_load_pct, longest_callback_ms : float
        Time that the program took of every block, and the longest of them.
    real_time : bool
        Whether the system granted real-time priority.
    """

    path: Path | None
    connection: Connection
    sample_rate: int
    stream_sample_rate: float
    length_samples: int
    planned_samples: int
    reported_latency_s: float | None
    peak_dbfs: tuple[float, ...]
    rms_dbfs: tuple[float, ...]
    xruns: tuple[Xrun, ...]
    clipped_runs: tuple[ClippedRun, ...]
    clipped_runs_total: int
    stopped_early: str | None = None
    block_samples: int = 0
    callback_load_pct: float = 0.0
    longest_callback_ms: float = 0.0
    real_time: bool = False

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know about this take, one sentence each."""
        texts = []
        if self.xruns:
            first = self.xruns[0]
            texts.append(
                f"{len(self.xruns)} xruns, the first at {first.position_s:.3f} s ({', '.join(first.flags)}): samples "
                "are missing; close other programs or enlarge the card's buffer, and record again"
            )
        if self.clipped_runs_total:
            run = self.clipped_runs[0]
            texts.append(
                f"{self.clipped_runs_total} clipped runs, the first in channel {run.channel} at "
                f"{run.start_samples / self.sample_rate:.3f} s ({run.length_samples} samples): lower the input level"
            )
        for channel, level in enumerate(self.rms_dbfs, start=1):
            if level < SILENCE_DBFS:
                texts.append(f"channel {channel} is silent ({level:.0f} dBFS rms): check cables and channel map")
        card = self.connection.input
        if card.default_sample_rate != self.sample_rate:
            texts.append(
                f"{card} runs at {card.default_sample_rate} Hz by default, {self.sample_rate} Hz was asked for: the "
                "system may resample; set the card to the stimulus' rate"
            )
        return tuple(texts)


def recording_facts(recording: Recording) -> dict[str, Any]:
    """Everything about a recording that belongs into a sidecar, plain values; cards by name and host API."""
    output, source = recording.connection.output, recording.connection.input
    return {
        "sound_card": {
            "output": {"name": output.name, "host_api": output.host_api},
            "input": {"name": source.name, "host_api": source.host_api},
        },
        "sample_rate": recording.sample_rate,
        "stream_sample_rate": recording.stream_sample_rate,
        "length_samples": recording.length_samples,
        "planned_samples": recording.planned_samples,
        "reported_latency_s": recording.reported_latency_s,
        "peak_dbfs": recording.peak_dbfs,
        "rms_dbfs": recording.rms_dbfs,
        "xruns": [asdict(xrun) for xrun in recording.xruns],
        "clipped_runs_total": recording.clipped_runs_total,
        "clipped_runs": [asdict(run) for run in recording.clipped_runs],
        "stopped_early": recording.stopped_early,
        "block_samples": recording.block_samples,
        "callback_load_pct": recording.callback_load_pct,
        "longest_callback_ms": recording.longest_callback_ms,
        "real_time": recording.real_time,
    }
