"""Schemes beyond the aligned pair: a delay line in the loss, a corrected delay, a linear part, conditions, averages."""

import numpy as np
import pytest
import torch

from tapemeasure.errors import MismatchError, SignalError
from tapemeasure.models.recording_path import RecordingPath, RecordingPathConfig
from tapemeasure.params.stages import TrainNonlinearityParams
from tapemeasure.training.correction import DelayCorrection
from tapemeasure.training.datasets import AlignedPair, cut_segments, recorded_pair
from tapemeasure.training.ema import RunningAverage
from tapemeasure.training.loop import train_recording_path
from tapemeasure.training.supervised import line_margin_samples

RATE = 8000
PARAMS = TrainNonlinearityParams(
    hidden_size=8,
    batch_size=8,
    segment_s=0.2,
    warm_up_samples=200,
    update_samples=100,
    learning_rate=0.03,
    fir_taps=32,
    lead_samples=8,
    fir_learning_rate=1e-4,
    ema_updates=10.0,
    max_epochs=12,
    patience_epochs=12,
)


def slow_noise(seed, n_samples, width=6):
    """Programme below about RATE / 12, so that any interpolation reads it well."""
    source = np.random.default_rng(seed).standard_normal(n_samples + 8 * width)
    kernel = np.hanning(4 * width)
    return 0.3 * np.convolve(source, kernel / np.linalg.norm(kernel), "same")[4 * width : 4 * width + n_samples]


def machine(source):
    return 0.5 * np.tanh(6.0 * source)


def wow(n_samples):
    """Delay in samples of every output sample: steady, and 6 samples of wow at 2 Hz."""
    return 300.4 + 6.0 * np.sin(2 * np.pi * 2.0 * np.arange(n_samples) / RATE)


def played_late(seed, n_samples=24000, error_samples=0.0):
    """Input, output as recorded through a machine with wow, its delay as tracked (with an error), and the aligned."""
    source = slow_noise(seed, n_samples)
    n = np.arange(n_samples)
    delay = wow(n_samples)
    # linear interpolation errs; eight times the points make it exact enough
    fine = np.arange(0, n_samples - 1, 0.125)
    padded = np.fft.irfft(np.fft.rfft(machine(source)), n_samples * 8) * 8
    output = np.interp(n - delay, fine, padded[: len(fine)], left=0.0)
    tracked = recorded_pair(
        f"take_{seed}",
        source,
        output,
        (delay + error_samples) / RATE,
        sample_rate=RATE,
        start_samples=0,
        stop_samples=n_samples,
    )
    return tracked, AlignedPair(f"take_{seed}", source, machine(source), RATE)


def train(folder, pairs, validation, recorded=(), **changes):
    params = PARAMS.model_copy(update=changes)
    return train_recording_path(pairs, validation, params, recorded=recorded, checkpoint=folder / "c.pt")


def test_a_recorded_pair_holds_input_and_delay_that_belong_together():
    recorded, _ = played_late(1)
    n = np.arange(len(recorded.target))
    expected = np.interp(n - recorded.delay_samples, n, machine(recorded.input))
    inside = slice(400, -400)
    assert np.mean((expected - recorded.target)[inside] ** 2) < 1e-3 * np.mean(recorded.target[inside] ** 2)
    with pytest.raises(SignalError, match="ends before this stretch came out"):
        recorded_pair("t", np.ones(100), np.ones(50), np.zeros(50), sample_rate=RATE, start_samples=60, stop_samples=90)


def test_segments_of_recorded_pairs_keep_a_margin_of_delay():
    recorded, aligned = played_late(1)
    segments = cut_segments([recorded], length_samples=1600, margin_samples=12)
    assert segments.delays.min() >= 12.0
    assert segments.delays.min(dim=-1).values.max() < 13.0
    n = torch.arange(1600)
    for index in (3, 9):
        place = (n - segments.delays[index, 0]).numpy()
        expected = np.interp(place, n.numpy(), machine(segments.inputs[index, 0].numpy()))
        error = (expected - segments.targets[index, 0].numpy())[100:]
        assert np.mean(error**2) < 1e-3 * float(segments.targets[index].square().mean())
    with pytest.raises(MismatchError, match="some pairs are aligned"):
        cut_segments([recorded, aligned], length_samples=1600)


@pytest.fixture(scope="module")
def supervised1(tmp_path_factory):
    pairs = [played_late(1)[1]]
    return train(tmp_path_factory.mktemp("s1"), pairs, [played_late(2, 8000)[1]]).best.validation_esr


def test_the_linear_part_alone_is_beaten(supervised1, tmp_path):
    _, aligned = played_late(1)
    _, validation = played_late(2, 8000)
    found = train(tmp_path, [aligned], [validation], learning_rate=1e-12, fir_learning_rate=0.0, max_epochs=1)
    assert supervised1 < 0.3 * found.best.validation_esr


def test_a_delay_line_in_the_loss_learns_what_the_aligned_pair_teaches(supervised1, tmp_path):
    recorded, aligned = played_late(1)
    found = train(tmp_path, [aligned], [played_late(2, 8000)[1]], [recorded], scheme="supervised2")
    assert found.best.validation_esr < 2.0 * supervised1


def test_the_joint_scheme_takes_an_error_of_the_trajectory_out(tmp_path):
    n = np.arange(24000)
    error = 0.4 * np.sin(2 * np.pi * 0.5 * n / RATE)
    recorded, aligned = played_late(1, error_samples=error)
    validation = [played_late(2, 8000)[1]]
    options = {"correction_rate_hz": 4.0, "correction_us": 100.0, "max_epochs": 30}
    without = train(tmp_path / "s2", [aligned], validation, [recorded], scheme="supervised2", **options)
    corrected = train(tmp_path / "joint", [aligned], validation, [recorded], scheme="joint", **options)
    assert corrected.epochs[-1].train_loss < 0.5 * without.epochs[-1].train_loss
    # the error is 0.28 samples rms
    assert corrected.correction_rms_s * RATE == pytest.approx(0.28, rel=0.4)
    assert without.correction_rms_s is None


def test_a_correction_is_straight_between_its_knots_and_costs_what_its_size_says():
    _, aligned = played_late(1, 8000)
    correction = DelayCorrection([aligned, aligned], rate_hz=2.0, sigma_s=1e-3)
    assert float(correction.penalty().detach()) == 0.0
    with torch.no_grad():
        correction.knots[1, 1] = 8.0
        correction.knots[0, 2] = -8.0
    found = correction(torch.tensor([1, 0]), torch.tensor([2000, 2000]), 3)
    assert found[0, 0].tolist() == pytest.approx([4.0, 4.002, 4.004])
    assert not found[1].any()
    assert float(correction.penalty().detach()) > 0.0
    with torch.no_grad():
        correction.knots[0] = 5.0
        correction.knots[1] = 1.0
    # the mean belongs to the network
    assert correction.rms_s(RATE) == pytest.approx(2.0 / RATE)


def test_the_margin_covers_network_line_and_correction():
    model = RecordingPath(RecordingPathConfig(2, True, 44100, fir_taps=64, lead_samples=16, static_delay=True))
    params = PARAMS.model_copy(update={"correction_us": 50.0})
    assert line_margin_samples(model, params) == 16 + 2 + 4
    assert line_margin_samples(model, params.model_copy(update={"scheme": "joint"})) == 16 + 2 + 4 + 9


def at_level(seed, drive_db, n_samples=12000):
    source = slow_noise(seed, n_samples)
    drive = 10.0 ** (drive_db / 20.0)
    return AlignedPair(f"{drive_db}_{seed}", source, np.tanh(drive * source), RATE, {"drive_db": drive_db})


def test_one_network_that_hears_the_settings_beats_one_that_does_not(tmp_path):
    grid_db = (-6.0, 0.0, 6.0, 12.0)
    pairs = [at_level(seed, level) for seed, level in enumerate(grid_db, start=1)]
    # 3 dB was never heard
    validation = [at_level(11, level, 4000) for level in (-6.0, 3.0, 12.0)]
    told = train(tmp_path / "told", pairs, validation)
    assert told.model.config.condition_names == ("drive_db",)
    blind = train(
        tmp_path / "blind",
        [AlignedPair(p.name, p.input, p.target, RATE) for p in pairs],
        [AlignedPair(p.name, p.input, p.target, RATE) for p in validation],
    )
    assert told.best.validation_esr < 0.2 * blind.best.validation_esr
    with pytest.raises(MismatchError, match="no value of drive_db"):
        train(tmp_path / "mixed", [pairs[0], AlignedPair("untold", pairs[1].input, pairs[1].target, RATE)], validation)


def test_the_average_follows_its_network_and_goes_on_after_a_restart():
    model = RecordingPath(RecordingPathConfig(2, True, RATE))
    average = RunningAverage(model, updates=4.0)
    again = RunningAverage(model, updates=4.0)
    for step in range(200):
        with torch.no_grad():
            model.output.bias.fill_(float(step % 2))
        average.update()
        if step == 99:
            again.load_state_dict(average.state_dict())
        elif step > 99:
            again.update()
    mean = float(average.model.output.bias.detach())
    assert mean == pytest.approx(0.5, abs=0.12)
    assert torch.equal(average.model.output.bias, again.model.output.bias)
    assert RunningAverage(model, updates=0.0).model is model
