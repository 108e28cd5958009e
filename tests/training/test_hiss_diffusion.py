"""Hiss by diffusion: it learns what is not Gaussian, keeps levels and hum, and is kept only where it is worth it."""

import dataclasses

import numpy as np
import pytest

from tapemeasure.errors import TrainingError
from tapemeasure.generators import choose_hiss as comparison
from tapemeasure.generators.choose_hiss import DIFFUSION, NOISE, hiss_trials
from tapemeasure.generators.compare_hiss import compare_hiss
from tapemeasure.generators.hiss import fit_hiss
from tapemeasure.models.hiss_diffusion import DiffusionHiss, load_diffusion_hiss, save_diffusion_hiss
from tapemeasure.models.hiss_generators import load_any_hiss, save_any_hiss
from tapemeasure.models.unet1d import UNet1d, UNet1dConfig
from tapemeasure.params import TrainHissParams
from tapemeasure.training import hiss_choice
from tapemeasure.training.hiss_choice import choose_hiss
from tapemeasure.training.hiss_diffusion import hiss_settings, learn_hiss

SAMPLE_RATE = 44100
HUM = 2e-3
SMALL = UNet1dConfig(window=512, fold=16, channels=(16, 24), embedding=16, gated=True)


def small(n_channels, *, n_updates, **kwargs):
    settings = hiss_settings(n_channels, n_updates=n_updates, batch_size=16)
    return dataclasses.replace(settings, network=SMALL, context=128, round_updates=50, ema_updates=20.0, **kwargs)


def bursts(seed, duration_s=3.0):
    """Stereo noise with a colour, loud and soft by turns of 64 samples, and a hum of 50 Hz."""
    from scipy.signal import lfilter

    generator = np.random.default_rng(seed)
    n = round(duration_s * SAMPLE_RATE)
    loud = np.repeat(generator.choice([0.2, 1.4], size=n // 64 + 1), 64)[:n, np.newaxis]
    noise = 1e-3 * lfilter([1.0], [1.0, -0.5], loud * generator.standard_normal((n, 2)), axis=0)
    hum = HUM * np.cos(2.0 * np.pi * 50.0 * np.arange(n) / SAMPLE_RATE + generator.uniform(0.0, 6.0))
    return noise + hum[:, np.newaxis]


@pytest.fixture(autouse=True)
def short_play(monkeypatch):
    monkeypatch.setattr(comparison, "PLAYED_S", 1.0)


@pytest.fixture(scope="module")
def learned():
    return learn_hiss([bursts(1)], sample_rate=SAMPLE_RATE, settings=small(2, n_updates=150))


def test_a_network_learns_what_filters_cannot_tell(learned):
    """1 is what white Gaussian noise loses; two levels that are known from the context are worth a good part of it."""
    _, result = learned
    losses = [record.validation_loss for record in result.rounds]
    assert losses[-1] < losses[0] < 1.0
    assert losses[-1] < 0.97


def test_levels_are_those_of_the_machine_and_the_tails_come_closer(learned):
    model, _ = learned
    stream, noise = model.stream(np.random.default_rng(1)), model.noise.stream(np.random.default_rng(1))
    n = SAMPLE_RATE
    found, gaussian = (
        compare_hiss([one.read(n) + one.read_hum(n)], [bursts(2)], sample_rate=SAMPLE_RATE) for one in (stream, noise)
    )
    # a second: the bands' own uncertainty, and half a decibel for a network that learned for seconds
    assert np.all(np.abs(found.band_db) < 4.0 * np.asarray(found.band_sigma_db) + 0.5)
    assert abs(found.level_db) < 0.5
    # bursts of 1.5 ms are told by wide bands only
    assert abs(found.kurtosis_difference[2]) < 0.8 * abs(gaussian.kurtosis_difference[2])


def test_hum_is_kept_apart(learned):
    model, _ = learned
    assert [line.frequency_hz for line in model.noise.hum] == pytest.approx([50.0], rel=1e-3)
    stream = model.stream(np.random.default_rng(2))
    wave = np.exp(-2j * np.pi * 50.0 * np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE)
    noise, hum = stream.read(len(wave)), stream.read_hum(len(wave))
    assert 2.0 * np.abs(np.mean(wave * hum[:, 0])) == pytest.approx(HUM, rel=0.05)
    assert 2.0 * np.abs(np.mean(wave * noise[:, 0])) < 0.1 * HUM


def test_a_stream_does_not_depend_on_how_it_is_read(learned):
    model, _ = learned
    whole = model.stream(np.random.default_rng(3)).read(5000)
    stream = model.stream(np.random.default_rng(3))
    np.testing.assert_array_equal(np.concatenate([stream.read(n) for n in (0, 1, 700, 4000, 299)]), whole)
    assert not np.array_equal(model.stream(np.random.default_rng(4)).read(5000), whole)


def test_saved_it_plays_the_same(learned, tmp_path):
    model, _ = learned
    path = tmp_path / "hiss.safetensors"
    save_any_hiss(model, path, facts={"device": "deck"})
    again, facts = load_any_hiss(path)
    assert facts["device"] == "deck"
    ours, theirs = (one.stream(np.random.default_rng(1)) for one in (model, again))
    np.testing.assert_array_equal(ours.read(2000), theirs.read(2000))
    np.testing.assert_array_equal(ours.read_hum(2000), theirs.read_hum(2000))


def test_damaged_files_are_refused(learned, tmp_path):
    model, _ = learned
    path = tmp_path / "hiss.safetensors"
    save_diffusion_hiss(model, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TrainingError, match=r"hiss\.safetensors"):
        load_any_hiss(path)
    save_diffusion_hiss(dataclasses.replace(model, context=SMALL.window), path)
    with pytest.raises(TrainingError, match="context of 512 points"):
        load_diffusion_hiss(path)


def untrained(stretches, **kwargs):
    """What `learn_hiss` gives before its first update."""
    return DiffusionHiss(fit_hiss(stretches, sample_rate=SAMPLE_RATE), UNet1d(SMALL), 128), None


def test_gaussian_hiss_keeps_filtered_noise(monkeypatch):
    monkeypatch.setattr(hiss_choice, "learn_hiss", untrained)
    hiss = 1e-3 * np.random.default_rng(1).standard_normal((3 * SAMPLE_RATE, 2))
    choice = choose_hiss([hiss], TrainHissParams(diffusion_updates=1), sample_rate=SAMPLE_RATE)
    assert choice.kept == NOISE
    assert [trial.name for trial in choice.trials] == ["real", NOISE, DIFFUSION]
    kept = choice.as_dict()["comparison"]
    assert np.all(np.abs(kept["band_db"]) < 4.0 * np.asarray(kept["band_sigma_db"]) + 0.1)


class Replayed:
    """Hiss that is another take of the machine: what a perfect model would make."""

    n_channels, sample_rate = 2, SAMPLE_RATE

    def stream(self, generator):
        return self

    def read(self, n_samples):
        return np.resize(bursts(9), (n_samples, 2))

    def read_hum(self, n_samples):
        return np.zeros((n_samples, 2))


def test_diffusion_is_kept_where_it_halves_the_distance(monkeypatch):
    monkeypatch.setattr(hiss_choice, "learn_hiss", lambda stretches, **kwargs: (Replayed(), None))
    choice = choose_hiss([bursts(1)], TrainHissParams(diffusion_updates=1), sample_rate=SAMPLE_RATE)
    distance = {trial.name: trial.distance for trial in choice.trials}
    assert distance[DIFFUSION] < 0.5 * distance[NOISE]
    assert choice.kept == DIFFUSION


def test_a_named_generator_is_kept_whatever_the_distances(monkeypatch):
    monkeypatch.setattr(hiss_choice, "learn_hiss", untrained)
    params = TrainHissParams(diffusion_updates=1, generator="diffusion")
    assert choose_hiss([bursts(1)], params, sample_rate=SAMPLE_RATE).kept == DIFFUSION
    assert choose_hiss([bursts(1)], TrainHissParams(generator="noise"), sample_rate=SAMPLE_RATE).kept == NOISE


def test_every_generator_meets_the_same_held_out_hiss():
    fits = {NOISE: lambda learned: fit_hiss(learned, sample_rate=SAMPLE_RATE)}
    real, noise = hiss_trials([bursts(1)], fits, sample_rate=SAMPLE_RATE, generator=np.random.default_rng(1))
    assert real.distance < noise.distance
    assert real.comparison.band_hz == noise.comparison.band_hz
