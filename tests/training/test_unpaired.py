"""Training without pairs: what distributions tell of a machine, and the adversarial scheme that starts from it."""

import numpy as np
import pytest
import torch
from scipy.signal import butter, lfilter

from tapemeasure.analysis.linear_fit import fit_gain
from tapemeasure.analysis.signal_errors import esr
from tapemeasure.errors import SignalError
from tapemeasure.models.play_kernels import play
from tapemeasure.params.stages import TrainNonlinearityParams
from tapemeasure.training.datasets import AlignedPair, RecordedPair
from tapemeasure.training.loop import train_recording_path
from tapemeasure.training.unpaired_start import fit_unpaired, sliced_distance

RATE = 8000
PARAMS = TrainNonlinearityParams(
    hidden_size=4,
    batch_size=16,
    segment_s=0.5,
    warm_up_samples=200,
    update_samples=200,
    learning_rate=0.02,
    max_epochs=2,
    patience_epochs=2,
)


def programme(seed, n_samples):
    """Notes that start suddenly and die away, of several levels, with a bass."""
    rng = np.random.default_rng(seed)
    total = np.zeros(n_samples)
    for start in range(0, n_samples - 400, 1300):
        t = np.arange(min(4000, n_samples - start)) / RATE
        pitch_hz = 90.0 * 2.0 ** (rng.integers(0, 40) / 12.0)
        partials = sum(np.sin(2 * np.pi * k * pitch_hz * t + rng.uniform(0, 6)) / k for k in (1, 2, 3, 5))
        total[start : start + len(t)] += rng.uniform(0.05, 0.3) * np.exp(-t / rng.uniform(0.05, 0.3)) * partials
    return total + 0.003 * rng.standard_normal(n_samples)


def machine(source):
    """Hysteresis and saturation of other shapes than those that are fitted, behind them a high-pass."""
    magnetised = 0.8 * play(source, np.array([0.15]))[0] + 0.2 * play(source, np.array([0.0]))[0]
    b, a = butter(1, 60.0, "highpass", fs=RATE)
    return lfilter(b, a, magnetised / np.sqrt(1.0 + (4.0 * magnetised) ** 2))


def shuffled(samples, *, pieces, seed):
    parts = np.array_split(samples, pieces)
    return np.concatenate([parts[index] for index in np.random.default_rng(seed).permutation(pieces)])


def test_play_operators_follow_with_slack():
    samples = np.array([0.0, 0.3, 1.0, 0.9, 0.5, -1.0])
    expected = [samples, [0.0, 0.0, 0.6, 0.6, 0.6, -0.6]]
    np.testing.assert_allclose(play(samples, np.array([0.0, 0.4])), expected, atol=1e-7)


def test_distributions_do_not_tell_order_but_phase():
    # every seventh sample is sorted: pieces of a multiple of seven keep them
    source = programme(1, 8 * 10010)
    b, a = np.array([-0.9, 1.0]), np.array([1.0, -0.9])  # all-pass: the same spectrum
    signals = [shuffled(source, pieces=8, seed=2), lfilter(b, a, source), 0.9 * source]

    def distance(other):
        generator = torch.Generator().manual_seed(1)
        found = [torch.from_numpy(s.astype(np.float32)) for s in (other, source)]
        return np.mean([float(sliced_distance(*found, 180, generator)) for _ in range(8)])

    order, phase, level = (distance(signal) for signal in signals)
    assert distance(source) == 0.0
    assert order < 0.25 * min(phase, level)


def test_a_machine_is_found_from_shuffled_recordings():
    source, held_out = programme(1, 160000), programme(5, 40000)
    recording = shuffled(np.roll(machine(source), 3333), pieces=9, seed=2)
    found = fit_unpaired([source], [recording], sample_rate=RATE, seed=1)
    wanted = machine(held_out)
    gain = fit_gain([source], [machine(source)])
    # a machine of other shapes: most of what a gain leaves is found, the rest is the shapes' difference
    assert esr(found.apply(held_out), wanted) < 0.4 * esr(gain * held_out, wanted)


@pytest.mark.parametrize(("seconds", "words"), [(0.5, "at least a second"), (2.0, "silent")])
def test_what_cannot_be_listened_to_is_told(seconds, words):
    with pytest.raises(SignalError, match=words):
        fit_unpaired([programme(1, 16000)], [np.zeros(int(seconds * RATE))], sample_rate=RATE, seed=1)


class KilledError(Exception):
    pass


def train(folder, validation, log=lambda text: None):
    source = programme(1, 24000)
    recorded = RecordedPair("take", source, machine(source), RATE, {}, np.full(len(source), 40.2))
    aligned = AlignedPair("take", source, np.zeros(len(source)) + 1e-3, RATE)
    params = PARAMS.model_copy(update={"scheme": "adversarial"})
    return train_recording_path(
        [aligned], [validation], params, recorded=[recorded], checkpoint=folder / "c.pt", log=log
    )


def weights(result):
    return torch.cat([weight.detach().flatten() for weight in result.model.parameters()])


def test_no_aligned_target_reaches_the_network_and_a_killed_run_goes_on(tmp_path):
    source = programme(7, 8000)
    true = AlignedPair("true", source, machine(source), RATE)
    noise = AlignedPair("noise", source, np.random.default_rng(1).standard_normal(8000), RATE)
    found = train(tmp_path / "a", true)
    assert found.best_epoch == 2
    assert torch.equal(weights(found), weights(train(tmp_path / "b", noise)))

    def kill(text):
        if text.startswith("epoch 2"):
            raise KilledError

    with pytest.raises(KilledError):
        train(tmp_path / "c", true, kill)
    assert torch.equal(weights(found), weights(train(tmp_path / "c", true)))
