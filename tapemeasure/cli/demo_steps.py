"""The steps of ``tapemeasure demo``: what the stages of the pipeline do, for one machine in one folder."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tapemeasure.arrays import Progress
from tapemeasure.errors import SignalError
from tapemeasure.io import provenance, read_pair, write_audio, write_json
from tapemeasure.params import Params, TapeProfile
from tapemeasure.params.stages import StimuliParams
from tapemeasure.signals.stimulus import load_stimulus
from tapemeasure.trajectory import load_trajectory

TAKE = "take0"
STIMULI = {
    "silence_s": 2.5,
    "programme": {"train_s": 5.0, "validation_s": 1.0, "test_s": 2.0},
    "sweeps": {"duration_s": 2.0, "levels_dbfs": [-18.0]},
    "steps": {"frequencies_hz": [1000.0], "levels_dbfs": [-24.0, -18.0, -12.0, -6.0, 0.0], "duration_s": 0.4},
    "multitone": {"duration_s": 1.2},
    "two_tones": {"pairs_hz": [[60.0, 7000.0]], "duration_s": 0.5},
}


@dataclass(frozen=True)
class Demo:
    """Where the demonstration writes, and the machine inside."""

    folder: Path
    profile: TapeProfile
    device: str
    settings: Params = field(default_factory=Params)

    @property
    def data(self) -> Path:
        """Results, laid out as `tapemeasure.report.gather` tells."""
        return self.folder / "data"

    @property
    def capture(self) -> Path:
        """What came back from the machine."""
        return self.data / "captures" / self.device / f"{TAKE}.wav"

    @property
    def stimulus(self) -> Path:
        """What is played."""
        return self.data / "stimuli" / "stimulus.wav"

    def of(self, stage: str, ending: str) -> Path:
        """File of the take in the folder of a stage."""
        return self.data / stage / self.device / f"{TAKE}{ending}"


Step = Callable[[Demo, Progress], None]


def make_signals(demo: Demo, progress: Progress) -> None:
    """Sweep, steps, tones, programme and the pilot, and the timeline that names them."""
    from tapemeasure.signals.stimulus import build_stimulus, save_stimulus

    save_stimulus(build_stimulus(StimuliParams.model_validate(STIMULI), progress=progress), demo.stimulus.parent)


def run_machine(demo: Demo, progress: Progress) -> None:
    """The signals through the built-in tape machine."""
    from tapemeasure.devices.captures import TakeFiles
    from tapemeasure.devices.create import create_device

    stimulus = load_stimulus(demo.stimulus.parent)
    made = create_device(demo.profile).run(
        stimulus.samples, sample_rate=stimulus.timeline.sample_rate, progress=progress
    )
    write_audio(demo.capture, made.samples, sample_rate=made.sample_rate)
    sidecar, truth = demo.capture.with_suffix(".json"), None
    if made.truth is not None:
        truth = demo.capture.with_name(f"{TAKE}_truth.npz")
        made.truth.save(truth)
    origin = provenance(inputs={"stimulus": demo.stimulus, "output": demo.capture}, commit=False)
    write_json(sidecar, {"profile": demo.device, **made.facts(), "provenance": origin})
    timeline = demo.stimulus.with_suffix(".json")
    files = TakeFiles(TAKE, demo.stimulus, demo.capture, split=None, timeline=timeline, sidecar=sidecar)
    listed = {"device": demo.device, "kind": "tape", "reason": None, "takes": [asdict(files) | {"truth": truth}]}
    write_json(demo.capture.with_name("takes.json"), listed)


def track(demo: Demo, progress: Progress) -> None:
    """The delay of what came back behind what was played, from moment to moment; against the machine's own truth."""
    from tapemeasure.analysis.delay_statistics import delay_statistics, trajectory_error_us_rms
    from tapemeasure.delay.track import track_delay, track_summary

    stimulus, output, sample_rate = read_pair(demo.stimulus, demo.capture)
    result = track_delay(
        stimulus,
        output,
        sample_rate=sample_rate,
        pilot=demo.settings.track.pilot,
        rate_hz=demo.settings.track.rate_hz,
        max_delay_s=demo.settings.track.max_delay_s,
        known_pilot=load_stimulus(demo.stimulus.parent).timeline.pilot,
        progress=progress,
    )
    result.trajectory.save(demo.of("delays", ".npz"))
    summary = track_summary(result, delay_statistics(result.trajectory))
    truth = demo.capture.with_name(f"{TAKE}_truth.npz")
    if truth.is_file():
        summary["truth_error_us_rms"] = trajectory_error_us_rms(result.trajectory, load_trajectory(truth))
    write_json(demo.of("delays", ".json"), summary)


def align(demo: Demo, progress: Progress) -> None:
    """What came back with its delay undone."""
    from tapemeasure.analysis.alignment import alignment_quality
    from tapemeasure.delay.apply import covered_samples, undo_delay

    stimulus, output, sample_rate = read_pair(demo.stimulus, demo.capture)
    trajectory = load_trajectory(demo.of("delays", ".npz"))
    aligned = undo_delay(
        output,
        trajectory,
        sample_rate=sample_rate,
        length_samples=len(stimulus),
        half_taps=demo.settings.align.half_taps,
    )
    write_audio(demo.of("aligned", ".wav"), aligned, sample_rate=sample_rate)
    quality = alignment_quality(stimulus[:, 0], output[:, 0], aligned[:, 0], sample_rate=sample_rate)
    covered = covered_samples(
        trajectory, sample_rate=sample_rate, output_samples=len(output), length_samples=len(stimulus)
    )
    write_json(demo.of("aligned", ".json"), {**quality.as_dict(), "covered_samples": covered})


def cut_hiss(demo: Demo, progress: Progress) -> None:
    """What the machine gives out where nothing was played."""
    from tapemeasure.analysis.hiss import measure_hiss

    stimulus, output, sample_rate = read_pair(demo.stimulus, demo.capture)
    settings, folder = demo.settings.hiss, demo.of("hiss", "")
    try:
        hiss = measure_hiss(
            stimulus,
            output,
            sample_rate=sample_rate,
            trajectory=load_trajectory(demo.of("delays", ".npz")),
            silence_dbfs=settings.silence_dbfs,
            guard_s=settings.guard_s,
            min_length_s=settings.min_length_s,
            timeline=load_stimulus(demo.stimulus.parent).timeline,
        )
    except SignalError as error:
        write_json(folder / "hiss.json", {"reason": str(error), "segments": [], "noise": None})
        return
    for number, segment in enumerate(hiss.segments, start=1):
        write_audio(folder / f"segment_{number:03d}.wav", segment.cut(output[:, 0]), sample_rate=sample_rate)
    write_json(folder / "hiss.json", {"reason": None, **hiss.as_dict()})


def measure(demo: Demo, progress: Progress) -> None:
    """Response, distortion, noise, wow and flutter."""
    from tapemeasure.analysis.take import measure_take
    from tapemeasure.analysis.transport import Transport
    from tapemeasure.io import read_json

    stimulus, aligned, sample_rate = read_pair(demo.stimulus, demo.of("aligned", ".wav"))
    _, output, _ = read_pair(demo.stimulus, demo.capture)
    settings, machine = demo.settings, demo.profile.settings
    measured = measure_take(
        stimulus,
        aligned,
        sample_rate=sample_rate,
        timeline=load_stimulus(demo.stimulus.parent).timeline,
        harmonics=settings.measure.harmonics,
        smoothing_octaves=settings.measure.smoothing_octaves,
        silence_dbfs=settings.hiss.silence_dbfs,
        guard_s=settings.hiss.guard_s,
        min_length_s=settings.hiss.min_length_s,
        trajectory=load_trajectory(demo.of("delays", ".npz")),
        captured=output,
        transport=Transport(head_delay_s=1e-3 * machine.head_delay_ms or None, speed_ips=machine.speed_ips),
    )
    delay = read_json(demo.of("delays", ".json"))
    write_json(demo.of("measurements", ".json"), measured.as_dict(delay=delay))


def report(demo: Demo, progress: Progress) -> None:
    """The page."""
    from tapemeasure.report.write import write_report

    write_report(
        demo.data,
        demo.folder / "report",
        metrics_file=demo.folder / "metrics.json",
        title="tapemeasure: a demonstration",
        progress=progress,
    )


STEPS: tuple[tuple[str, Step], ...] = (
    ("make the test signals", make_signals),
    ("play them through the built-in tape machine", run_machine),
    ("track the delay of what came back", track),
    ("undo the delay", align),
    ("cut the hiss out", cut_hiss),
    ("measure", measure),
    ("write the report", report),
)


def main_figures(demo: Demo) -> dict[str, float | None]:
    """The figures that the demonstration shows; None is what was not measured."""
    from tapemeasure.io import read_json

    delay, measured = (read_json(demo.of(stage, ".json")) for stage in ("delays", "measurements"))

    def figure(group: str, key: str) -> float | None:
        value = (measured.get(group) or {}).get(key)
        return None if value is None else float(value)

    mean_delay_s, error_us = delay["mean_delay_s"], delay.get("truth_error_us_rms")
    return {
        "mean_delay_ms": None if mean_delay_s is None else 1e3 * float(mean_delay_s),
        "delay_us_rms": None if delay["delay_std_s"] is None else 1e6 * float(delay["delay_std_s"]),
        "tracking_error_us_rms": None if error_us is None else float(error_us),
        "speed_error_pct": figure("wow_flutter", "speed_error_pct"),
        "weighted_2sigma_pct": figure("wow_flutter", "weighted_2sigma_pct"),
        "gain_at_1khz_db": figure("response", "gain_db"),
        "noise_a_dbfs": figure("noise", "level_a_dbfs"),
        "hum_50hz_dbfs": figure("noise", "hum_50hz_dbfs"),
    }
