"""A realistic folder of results: a synthetic machine whose figures are computed by the package's own functions."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tapemeasure.analysis.constant_lag import lag_errors
from tapemeasure.analysis.delay_statistics import delay_statistics
from tapemeasure.analysis.hiss import measure_hiss
from tapemeasure.analysis.linear_fit import fit_fir, fit_gain
from tapemeasure.analysis.signal_errors import dc_blocked_esr, esr, mr_stft
from tapemeasure.analysis.take import measure_take
from tapemeasure.arrays import FloatArray
from tapemeasure.io import write_audio, write_json
from tapemeasure.params.stages import PilotParams, ProgrammeParams, StepParams, StimuliParams, SweepParams
from tapemeasure.report.write import Report, write_report
from tapemeasure.signals.stimulus import Stimulus, build_stimulus, save_stimulus
from tapemeasure.signals.timeline import Timeline
from tapemeasure.trajectory import DelayTrajectory

SAMPLE_RATE = 44100
MEAN_DELAY_S = 0.1607
WAVER_S = 100e-6
REPLICA_GAIN = 10.0 ** (0.5 / 20.0)
PARAMS = StimuliParams(
    silence_s=1.5,
    pilot=PilotParams(kind="none"),
    programme=ProgrammeParams(train_s=3.0, validation_s=1.0, test_s=6.0),
    sweeps=SweepParams(start_hz=40.0, duration_s=2.0, levels_dbfs=(-30.0, -6.0)),
    steps=StepParams(levels_dbfs=(-48.0, -36.0, -30.0, -24.0, -18.0, -12.0, -6.0, 0.0, 6.0), duration_s=0.25),
)


@pytest.fixture(scope="session")
def results_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of `machine` (one take, everything measured) and of `akai` (no capture)."""
    folder = tmp_path_factory.mktemp("report") / "data"
    stimulus = build_stimulus(PARAMS)
    played = stimulus.samples[:, 0]
    aligned = machine(played)
    _write_captures(folder, stimulus, played, aligned)
    trajectory = _write_delay(folder, length_s=len(played) / SAMPLE_RATE)
    measured = measure_take(played, aligned, sample_rate=SAMPLE_RATE, timeline=stimulus.timeline, trajectory=trajectory)
    write_json(folder / "measurements" / "machine" / "take1.json", measured.as_dict())
    hiss = measure_hiss(played, aligned, sample_rate=SAMPLE_RATE)
    write_json(folder / "hiss" / "machine" / "take1" / "hiss.json", hiss.as_dict())
    cut = hiss.segments[0].cut(aligned)
    write_audio(folder / "hiss" / "machine" / "take1" / "hiss_01.wav", cut, sample_rate=SAMPLE_RATE)
    _write_model(folder, stimulus.timeline, played, aligned)
    _write_replica(folder, stimulus, played)
    return folder


def machine(played: FloatArray, *, seed: int = 5) -> FloatArray:
    """Soft saturation, a loss of highs (-3 dB at 12 kHz), hiss and hum."""
    from scipy.signal import butter, sosfilt

    rng = np.random.default_rng(seed)
    time_s = np.arange(len(played)) / SAMPLE_RATE
    bent = np.tanh(1.2 * played + 0.05) - np.tanh(0.05)
    lost = np.asarray(sosfilt(butter(1, 12000.0, fs=SAMPLE_RATE, output="sos"), bent))
    hum = 2e-4 * np.sin(2 * np.pi * 50.0 * time_s)
    return 0.8 * lost + 4e-4 * rng.standard_normal(len(played)) + hum


def _write_captures(folder: Path, stimulus: Stimulus, played: FloatArray, aligned: FloatArray) -> None:
    _, timeline = save_stimulus(stimulus, folder / "stimuli")
    captures = folder / "captures" / "machine"
    shift = round(MEAN_DELAY_S * SAMPLE_RATE)
    late = np.concatenate([np.zeros(shift), aligned])[: len(aligned)]
    write_audio(captures / "take1_input.wav", played, sample_rate=SAMPLE_RATE)
    write_audio(captures / "take1_output.wav", late, sample_rate=SAMPLE_RATE)
    write_audio(folder / "aligned" / "machine" / "take1.wav", aligned, sample_rate=SAMPLE_RATE)
    write_json(
        captures / "take1.json",
        {"device": "tape", "seed": 1, "settings": {"drive": 0.75, "bias": 0.0}, "warnings": ["3 samples are clipped"]},
    )
    take = {
        "name": "take1",
        "input": captures / "take1_input.wav",
        "output": captures / "take1_output.wav",
        "timeline": timeline,
        "split": None,
        "sidecar": captures / "take1.json",
    }
    write_json(captures / "takes.json", {"device": "machine", "kind": "tape", "reason": None, "takes": [take]})
    nothing: dict[str, Any] = {"device": "akai", "kind": "hardware", "reason": "no captures in raw/none", "takes": []}
    write_json(folder / "captures" / "akai" / "takes.json", nothing)


def delay(*, length_s: float, seed: int = 6) -> DelayTrajectory:
    """Wow of 0.7 Hz and flutter of 9 Hz whose phases the seed decides, with a gap."""
    time_s = np.arange(0.0, length_s, 0.01)
    rng = np.random.default_rng(seed)
    slow, fast = (0.0, 0.0) if seed == 6 else rng.uniform(0.0, 2.0 * np.pi, 2)
    wave = WAVER_S * np.sin(2 * np.pi * 0.7 * time_s + slow) + 5e-6 * np.sin(2 * np.pi * 9.0 * time_s + fast)
    valid = np.ones(len(time_s), dtype=np.bool_)
    valid[500:560] = False
    return DelayTrajectory(
        start_s=0.0,
        rate_hz=100.0,
        delay_s=MEAN_DELAY_S + wave + 1e-6 * rng.standard_normal(len(time_s)),
        sigma_s=np.where(valid, 1e-6, np.inf),
        valid=valid,
    )


def _write_delay(folder: Path, *, length_s: float) -> DelayTrajectory:
    trajectory = delay(length_s=length_s)
    trajectory.save(folder / "delays" / "machine" / "take1.npz")
    figures = {
        "method": "correlation",
        "mean_delay_s": float(np.mean(trajectory.delay_s)),
        "delay_std_s": float(np.std(trajectory.delay_s)),
        "delay_peak_to_peak_s": float(np.ptp(trajectory.delay_s)),
        "drift_ppm": 1.5,
        "speed_deviation_rms_pct": 100.0 * float(np.hypot(0.7 * WAVER_S, 9.0 * 5e-6)) * 2.0 * np.pi / np.sqrt(2.0),
        "pulses_expected": None,
        "pulses_found": None,
        "inverted_polarity": False,
        "warnings": [],
        "truth_error_us_rms": 1.0,
    }
    write_json(folder / "delays" / "machine" / "take1.json", figures)
    return trajectory


def _write_model(folder: Path, timeline: Timeline, played: FloatArray, aligned: FloatArray) -> None:
    (train, *_), (test, *_) = timeline.of_split("train"), timeline.of_split("test")
    x, y = train.cut(played), train.cut(aligned)
    heard, target = test.cut(played), test.cut(aligned)
    # in place of a network: the same machine with another seed's worth of error
    outputs = {
        "input": heard,
        "gain": fit_gain([x], [y]) * heard,
        "fir": fit_fir([x], [y], taps=256).apply(heard),
        "gru": target + 0.01 * np.std(target) * np.random.default_rng(7).standard_normal(len(target)),
    }
    rows = [
        {
            "model": name,
            "esr": esr(output, target),
            "dc_blocked_esr": dc_blocked_esr(output, target),
            "mr_stft": mr_stft(output, target),
            **asdict(lag_errors([output], [target], sample_rate=timeline.sample_rate)),
        }
        for name, output in outputs.items()
    ]
    write_json(folder / "evaluation" / "machine.json", {"alignment": "tracked delay undone", "rows": rows})
    excerpts = {"input": heard, "target": target, "model": outputs["gru"], "residual": target - outputs["gru"]}
    for name, samples in excerpts.items():
        write_audio(folder / "evaluation" / "machine" / f"{name}.wav", samples, sample_rate=SAMPLE_RATE)
    epochs = [{"epoch": n, "train_loss": 0.3 * 0.6**n, "validation_esr": 0.25 * 0.65**n} for n in range(1, 9)]
    write_json(folder / "models" / "machine" / "training.json", {"epochs": epochs, "best_epoch": 8})


def _write_replica(folder: Path, stimulus: Stimulus, played: FloatArray) -> None:
    """The same machine half a decibel louder, with hiss of its own and a delay that moves elsewhere."""
    heard = REPLICA_GAIN * machine(played, seed=8)
    trajectory = delay(length_s=len(played) / SAMPLE_RATE, seed=9)
    measured = measure_take(played, heard, sample_rate=SAMPLE_RATE, timeline=stimulus.timeline, trajectory=trajectory)
    figures = asdict(delay_statistics(trajectory))
    write_json(folder / "replica_measurements" / "machine" / "replica.json", measured.as_dict(delay=figures))
    write_audio(folder / "emulated" / "machine" / "take.wav", heard, sample_rate=SAMPLE_RATE)
    trajectory.save(folder / "emulated" / "machine" / "delay.npz")


@pytest.fixture(scope="session")
def report(results_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of `results_folder`, written once."""
    folder = tmp_path_factory.mktemp("written")
    return write_report(results_folder, folder / "report", metrics_file=folder / "metrics.json", title="Two decks")
