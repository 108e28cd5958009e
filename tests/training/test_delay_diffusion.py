"""Training of diffusion: it learns, goes on after a kill to the same weights, survives NaN, and joins without seams."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from tapemeasure.errors import ParameterError, SignalError, TrainingError
from tapemeasure.generators.base import MeasuredDelay
from tapemeasure.generators.drift import Drift
from tapemeasure.models.delay_diffusion import DiffusionDelay
from tapemeasure.models.unet1d import UNet1dConfig
from tapemeasure.training.checkpoints import load_checkpoint
from tapemeasure.training.delay_diffusion import fit_diffusion, learn_delay
from tapemeasure.training.diffusion_loop import train_diffusion
from tapemeasure.training.diffusion_results import DiffusionSettings

SMALL = UNet1dConfig(window=64, fold=4, channels=(16, 24), embedding=16)
SETTINGS = DiffusionSettings(
    n_updates=12, round_updates=4, batch_size=4, learning_rate=3e-3, ema_updates=5.0, context=32, network=SMALL
)
PERIOD = 21.7


def wobble(seed, n=3000):
    """A sinusoid in as much noise; power 1."""
    generator = np.random.default_rng(seed)
    line = np.sin(2.0 * np.pi * np.arange(n) / PERIOD + generator.uniform(0.0, 2.0 * np.pi))
    return line + np.sqrt(0.5) * generator.standard_normal(n)


def train(settings=SETTINGS, pieces=None, **kwargs):
    pieces = [wobble(1), wobble(2, 40)] if pieces is None else pieces
    return train_diffusion(pieces, [wobble(3, 200)], settings, **kwargs)


def weights(result):
    return torch.cat([weight.detach().flatten() for weight in result.network.parameters()])


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def learned():
    settings = dataclasses.replace(
        SETTINGS, n_updates=500, round_updates=100, batch_size=24, learning_rate=6e-3, ema_updates=50.0
    )
    return train(settings, [wobble(seed) for seed in (1, 4, 5)])


def test_a_sinusoid_is_learned(learned):
    """Noise alone would lose 1; who knows the sinusoid from the context loses what the noise in it costs, sqrt(1/2)."""
    best = learned.rounds[learned.best_round - 1].validation_loss
    assert math.sqrt(0.5) - 0.03 < best < 0.85
    assert learned.recoveries == 0


def test_no_step_of_the_stream_is_larger_at_a_seam(learned):
    """Steps, and turns of the sinusoid's phase, where one window ends and the next begins, against all others."""
    context, window = SETTINGS.context, SMALL.window
    fresh = window - context
    generator = DiffusionDelay(learned.network, context, np.ones(1), Drift(0.0, 0.0, 20.0), 100.0, 0.0, 4)
    points = generator.stream(np.random.default_rng(1)).read(window + 200 * fresh)[context:]
    steps = np.abs(np.diff(points))
    at_seam = np.arange(1, len(points)) % fresh == 0
    assert np.sqrt(np.mean(steps[at_seam] ** 2)) < 1.25 * np.sqrt(np.mean(steps[~at_seam] ** 2))
    assert np.max(steps[at_seam]) <= 1.25 * np.max(steps[~at_seam])
    at_seams, between = (turns(points, np.arange(2 * fresh + shift, len(points) - fresh, fresh)) for shift in (0, 16))
    assert at_seams < 1.2 * between
    # windows that know nothing of each other do turn
    strangers = [generator.stream(np.random.default_rng(seed)).read(window)[context:] for seed in range(60)]
    assert turns(np.concatenate(strangers), np.arange(fresh, 59 * fresh, fresh)) > 2.0 * between


def turns(points, places):
    """Rms turn of the sinusoid's phase from the period before to the period after every place, radians."""
    n = round(PERIOD)
    wave = np.exp(-2j * np.pi * np.arange(len(points)) / PERIOD) * points
    phases = [np.angle(np.sum(wave[at : at + n]) * np.conj(np.sum(wave[at - n : at]))) for at in places]
    return np.sqrt(np.mean(np.square(phases)))


def test_an_endless_stream_keeps_power_and_frequency(learned):
    generator = DiffusionDelay(learned.network, SETTINGS.context, np.ones(1), Drift(0.0, 0.0, 20.0), 100.0, 0.0, 4)
    points = generator.stream(np.random.default_rng(2)).read(4096)
    for half in np.split(points, 2):
        assert np.mean(half**2) == pytest.approx(1.0, rel=0.15)
        power = np.abs(np.fft.rfft(half * np.hanning(len(half)))) ** 2
        assert 2048.0 / np.argmax(power) == pytest.approx(PERIOD, rel=0.03)


def test_a_seed_decides_everything():
    first, again = train(), train()
    other = train(dataclasses.replace(SETTINGS, seed=2))
    assert torch.equal(weights(first), weights(again))
    assert first.rounds == again.rounds
    assert not torch.equal(weights(first), weights(other))


@pytest.mark.parametrize("n_calls", [3, 6, 11])
def test_a_killed_training_ends_with_the_weights_of_an_unbroken_one(tmp_path, n_calls):
    calls = 0

    def kill(fraction):
        nonlocal calls
        calls += 1
        if calls == n_calls:
            raise KilledError

    path = tmp_path / "delay.pt"
    with pytest.raises(KilledError):
        train(checkpoint=path, progress=kill)
    lines, told = [], []
    result = train(checkpoint=path, progress=told.append, log=lines.append)
    unbroken = train()
    assert torch.equal(weights(result), weights(unbroken))
    assert result.rounds == unbroken.rounds
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert any("going on after round" in line for line in lines) == (n_calls > 4)
    assert "left" in lines[-1]


def test_a_checkpoint_of_other_data_is_told_of_and_left(tmp_path):
    path = tmp_path / "delay.pt"
    train(checkpoint=path)
    lines = []
    other = train(pieces=[wobble(7)], checkpoint=path, log=lines.append)
    assert "other data or settings" in lines[0]
    assert torch.equal(weights(other), weights(train(pieces=[wobble(7)])))


def test_a_damaged_checkpoint_costs_one_round_and_nothing_else(tmp_path):
    path = tmp_path / "delay.pt"
    first = train(checkpoint=path)
    path.write_bytes(path.read_bytes()[:1000])
    lines = []
    again = train(checkpoint=path, log=lines.append)
    assert "the last good checkpoint, used instead" in lines[1]
    assert f"going on after round {len(first.rounds) - 1}" in lines[2]
    assert torch.equal(weights(first), weights(again))


def test_a_finished_training_is_not_repeated(tmp_path):
    path = tmp_path / "delay.pt"
    first = train(checkpoint=path)
    before = path.read_bytes()
    again = train(checkpoint=path)
    assert path.read_bytes() == before
    assert torch.equal(weights(first), weights(again))


def test_values_that_are_not_finite_are_recovered_from():
    """One of three pieces is broken: the rounds that meet it are undone, the weights stay finite."""
    broken = wobble(2, 120)
    broken[60] = np.inf
    lines = []
    result = train(dataclasses.replace(SETTINGS, n_updates=40), [wobble(1), broken], log=lines.append)
    assert result.recoveries > 0
    assert any("not finite" in line for line in lines)
    assert bool(torch.isfinite(weights(result)).all())
    assert np.isfinite(result.rounds[result.best_round - 1].validation_loss)


def test_nothing_but_broken_data_ends_with_the_reason(tmp_path):
    path = tmp_path / "delay.pt"
    with pytest.raises(TrainingError, match="none of 3 rounds"):
        train(pieces=[np.full(100, np.nan)], checkpoint=path)
    assert load_checkpoint(path).recoveries == 3


def test_the_best_round_is_kept():
    """A rate far too high makes later rounds worse; what comes back is the best, not the last."""
    result = train(dataclasses.replace(SETTINGS, n_updates=60, round_updates=6, learning_rate=0.2, ema_updates=0.0))
    losses = [record.validation_loss for record in result.rounds]
    assert result.best_round == int(np.nanargmin(losses)) + 1
    assert result.best_round < len(losses)


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_updates": 0},
        {"round_updates": 0},
        {"batch_size": 0},
        {"threads": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"context": 0},
        {"context": 64},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ParameterError, match=f"diffusion: {next(iter(wrong))}"):
        dataclasses.replace(SETTINGS, **wrong)


def test_pieces_without_a_window_are_refused():
    with pytest.raises(SignalError, match="longest piece for training has 63 points"):
        train(pieces=[wobble(1, 63)])
    with pytest.raises(SignalError, match="longest piece for training has 0 points"):
        train(pieces=[])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_told_of():
    with pytest.raises(ParameterError, match="torch finds no GPU"):
        train(dataclasses.replace(SETTINGS, device="cuda"))
    assert torch.equal(weights(train(dataclasses.replace(SETTINGS, device="auto"))), weights(train()))


def machine(seed, n=3000):
    """Delay of 100 points a second: a wow of 1.3 Hz and noise in the speed."""
    generator = np.random.default_rng(seed)
    speed = 1e-3 * np.sin(2.0 * np.pi * 1.3 * np.arange(n) / 100.0) + 3e-4 * generator.standard_normal(n)
    delay_s = -np.cumsum(speed) / 100.0
    return delay_s - delay_s.mean()


def test_a_machine_with_gaps_is_learned_from_all_its_pieces():
    pieces = (machine(1, 900), machine(2, 300), machine(3, 700), machine(4, 1500))
    measured = MeasuredDelay(pieces, (0.1, 0.2, 0.3, 0.4), 100.0)
    generator, result = learn_delay(measured, settings=SETTINGS)
    assert generator.rate_hz == 100.0
    assert generator.mean_delay_s == pytest.approx(measured.mean_delay_s)
    assert len(result.rounds) == 3
    delay_s = generator.stream(np.random.default_rng(1)).read(2000)
    assert np.all(np.isfinite(delay_s))
    speed_rms = [float(np.std(np.diff(piece))) for piece in (delay_s, pieces[-1])]
    assert speed_rms[0] == pytest.approx(speed_rms[1], rel=0.2)


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ((machine(1, 400),), "4.0 s, 5.1 s are needed"),
        ((machine(1, 700), machine(2, 260)), "of whitened delay"),
        ((np.zeros(3000),), "does not move"),
    ],
)
def test_too_little_delay_is_told_of(pieces, message):
    measured = MeasuredDelay(pieces, (0.1,) * len(pieces), 100.0)
    settings = dataclasses.replace(SETTINGS, network=UNet1dConfig(window=128, fold=4, channels=(4, 4)))
    with pytest.raises(SignalError, match=message):
        fit_diffusion(measured, settings=settings)
