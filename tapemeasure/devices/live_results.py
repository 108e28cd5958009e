"""What is known of playing in real time: while it runs, and when it has ended."""

from dataclasses import dataclass

from tapemeasure.devices.recording import Xrun


@dataclass(frozen=True)
class LiveStatus:
    """How a running stream does.

    Parameters
    ----------
    position_s : float
        Played so far.
    input_peak_dbfs, output_peak_dbfs : tuple of float
        Of each channel since the last status.
    xruns : int
        So far.
    load_pct, longest_pct : float
        Share of a block's time that the callback took since the last status: in the mean, and at most.
    """

    position_s: float
    input_peak_dbfs: tuple[float, ...]
    output_peak_dbfs: tuple[float, ...]
    xruns: int
    load_pct: float
    longest_pct: float


@dataclass(frozen=True)
class LiveRun:
    """What is known of a stream that has ended.

    Parameters
    ----------
    duration_s : float
        Played.
    block_samples : int
        Longest block of the card.
    input_peak_dbfs, output_peak_dbfs : tuple of float
        Of each channel.
    reported_latency_s : float or None
        Input and output latency that the driver claims; None where it is absurd.
    xruns : tuple of Xrun
        With their positions.
    own_xruns : int
        Those before which the callback took most of a block's time; the others came from elsewhere.
    load_pct, longest_pct : float
        Share of a block's time that the callback took by the clock: in the mean, and at most.
    callback_cpu_pct, longest_cpu_pct : float
        The same for the CPU's time: what lies between is waiting for other threads and programs.
    cpu_pct : float
        CPU time of the whole program per time; 100 is one core.
    clipped_samples, spoilt_samples : int
        Samples that were cut at full scale on their way out; that came in as NaN or infinite and were taken for 0.
    real_time : bool
        Whether the callback had real-time priority.
    stopped_early : str or None
        Why it ended before its time.
    interrupted : bool
        Whether Ctrl-C ended it.
    """

    duration_s: float
    block_samples: int
    input_peak_dbfs: tuple[float, ...]
    output_peak_dbfs: tuple[float, ...]
    reported_latency_s: float | None
    xruns: tuple[Xrun, ...]
    own_xruns: int
    load_pct: float
    longest_pct: float
    callback_cpu_pct: float
    longest_cpu_pct: float
    cpu_pct: float
    clipped_samples: int
    spoilt_samples: int
    real_time: bool
    stopped_early: str | None
    interrupted: bool


@dataclass
class Load:
    """Time that blocks took."""

    busy_s: float = 0.0
    cpu_s: float = 0.0
    total_s: float = 0.0
    longest: float = 0.0
    longest_cpu: float = 0.0

    def add(self, busy_s: float, cpu_s: float, block_s: float) -> None:
        """Take a block in: what it took by the clock and of the CPU, and what it lasts."""
        self.busy_s += busy_s
        self.cpu_s += cpu_s
        self.total_s += block_s
        self.longest = max(self.longest, busy_s / block_s)
        self.longest_cpu = max(self.longest_cpu, cpu_s / block_s)

    @property
    def mean_pct(self) -> float:
        """Share of the time that was taken."""
        return 100.0 * self.busy_s / self.total_s if self.total_s else 0.0

    @property
    def cpu_pct(self) -> float:
        """Share of a core that was taken."""
        return 100.0 * self.cpu_s / self.total_s if self.total_s else 0.0
