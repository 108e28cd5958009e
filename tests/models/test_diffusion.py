"""Diffusion: for Gaussian signals the perfect network is known, so the sampler must give their exact statistics."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tapemeasure.errors import ParameterError, SignalError, TrainingError, UsageError
from tapemeasure.generators.drift import Drift
from tapemeasure.models.delay_diffusion import DiffusionDelay, load_diffusion_delay, save_diffusion_delay
from tapemeasure.models.diffusion import diffusion_loss, noisy_of
from tapemeasure.models.samplers import heun_sample
from tapemeasure.models.unet1d import UNet1d, UNet1dConfig
from tapemeasure.models.whitening import fit_whitening

RATE_HZ = 100.0
SMALL = UNet1dConfig(window=64, fold=2, channels=(4, 6), embedding=8)
NO_DRIFT = Drift(0.0, 0.0, 20.0)


def random_network(seed, config=SMALL):
    """A network that nobody trained, with an output that is not 0."""
    torch.manual_seed(seed)
    network = UNet1d(config)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(0.2 * torch.randn(weight.shape))
    return network.eval()


def model(network, *, drift=NO_DRIFT, taps=(1.0,)):
    return DiffusionDelay(network, 24, np.array(taps), drift, RATE_HZ, 0.16, 3)


class PerfectNetwork:
    """The output of least error for Gaussian windows of a known covariance, with or without known points."""

    def __init__(self, covariance):
        self.covariance = covariance

    def __call__(self, noisy, angle, known, is_known):
        rows = []
        for row, phi, given_points, flags in zip(noisy, angle.tolist(), known, is_known, strict=True):
            free, held = flags < 0.5, flags > 0.5
            mean, covariance = conditional(self.covariance, free, held, given_points)
            cosine, sine = math.cos(phi), math.sin(phi)
            total = cosine**2 * covariance + sine**2 * torch.eye(len(mean), dtype=noisy.dtype)
            surprise = torch.linalg.solve(total, row[free] - cosine * mean)
            clean, noise = mean + cosine * covariance @ surprise, sine * surprise
            out = torch.zeros_like(row)
            out[free] = sine * clean - cosine * noise
            rows.append(out)
        return torch.stack(rows)


def conditional(covariance, free, held, points):
    """Mean and covariance of the free points of a Gaussian window, given the held ones."""
    inside = covariance[free][:, free]
    if not bool(held.any()):
        return points.new_zeros(int(free.sum())), inside
    gain = covariance[free][:, held] @ torch.linalg.inv(covariance[held][:, held])
    return gain @ points[held], inside - gain @ covariance[held][:, free]


def correlated(n, memory):
    place = torch.arange(n, dtype=torch.float64)
    return torch.exp(-torch.abs(place[:, None] - place) / memory)


@pytest.mark.parametrize("n_known", [0, 3])
def test_the_sampler_gives_the_exact_conditional_distribution_of_a_gaussian_signal(n_known):
    n = 8
    covariance = correlated(n, 4.0)
    is_known = torch.zeros(n, dtype=torch.float64)
    is_known[:n_known] = 1.0
    points = torch.linspace(1.0, -0.5, n, dtype=torch.float64) * is_known
    mean, expected = conditional(covariance, is_known < 0.5, is_known > 0.5, points)
    # the sampler is affine in the noise here, so that zeros and unit vectors tell everything
    noise = torch.cat([torch.zeros(1, n), torch.eye(n)]).double()
    many = len(noise)
    out = heun_sample(PerfectNetwork(covariance), noise, points.expand(many, -1), is_known.expand(many, -1), n_steps=40)
    torch.testing.assert_close(out[:, :n_known], points[:n_known].expand(many, -1), rtol=0.0, atol=0.0)
    free = out[:, n_known:]
    torch.testing.assert_close(free[0], mean, rtol=0.0, atol=2e-3)
    columns = (free[1:] - free[0])[n_known:]
    torch.testing.assert_close(columns.T @ columns, expected, rtol=0.0, atol=5e-3)


def test_heun_is_of_second_order():
    network = PerfectNetwork(correlated(8, 4.0))
    noise, nothing = torch.eye(8).double(), torch.zeros(8, 8).double()
    exact = heun_sample(network, noise, nothing, nothing, n_steps=400)
    coarse, fine = (
        float(torch.max(torch.abs(heun_sample(network, noise, nothing, nothing, n_steps=n_steps) - exact)))
        for n_steps in (10, 20)
    )
    assert 3.0 < coarse / fine < 5.0


def test_white_noise_needs_one_step():
    noise, nothing = torch.randn(2, 8, generator=torch.Generator().manual_seed(1)).double(), torch.zeros(2, 8).double()
    out = heun_sample(PerfectNetwork(torch.eye(8).double()), noise, nothing, nothing, n_steps=1)
    torch.testing.assert_close(out, noise)


def test_no_step_is_refused():
    with pytest.raises(ParameterError, match="0 steps"):
        heun_sample(UNet1d(SMALL), *(torch.zeros(1, 64) for _ in range(3)), n_steps=0)


def test_loss_of_the_perfect_network_is_the_part_that_cannot_be_known():
    """For white data of power 1 the output 0 is perfect and loses 1; for data that is known before, nothing is lost."""
    generator = torch.Generator().manual_seed(3)
    clean, noise = (torch.randn(4000, 16, generator=generator).double() for _ in range(2))
    angle = 1.5 * torch.rand(4000, generator=generator).double() + 0.03
    nothing = torch.zeros_like(clean)
    white = diffusion_loss(PerfectNetwork(torch.eye(16).double()), clean[:50], noise[:50], angle[:50], nothing[:50])
    assert float(white) == pytest.approx(1.0, abs=0.15)

    def certain(noisy, angle, known, is_known):
        wanted = torch.sin(angle)[:, None] * clean
        return wanted - torch.cos(angle)[:, None] * (noisy - torch.cos(angle)[:, None] * clean) / torch.sin(angle)[:, None]  # fmt: skip  # noqa: E501

    assert float(diffusion_loss(certain, clean, noise, angle, nothing)) < 1e-20


def test_noise_keeps_the_power():
    generator = torch.Generator().manual_seed(5)
    clean, noise = (torch.randn(8, 4096, generator=generator) for _ in range(2))
    mixed = noisy_of(clean, noise, torch.linspace(0.0, 0.5 * math.pi, 8))
    torch.testing.assert_close(mixed[0], clean[0])
    torch.testing.assert_close(mixed[-1], noise[-1], rtol=0.0, atol=1e-6)
    torch.testing.assert_close(mixed.var(dim=1), torch.ones(8), rtol=0.0, atol=0.08)


def test_a_network_that_learned_nothing_adds_nothing():
    network = UNet1d(SMALL)
    windows = torch.randn(3, 64, generator=torch.Generator().manual_seed(1))
    out = network(windows, torch.tensor([0.1, 0.8, 1.5]), torch.zeros(3, 64), torch.zeros(3, 64))
    assert out.shape == (3, 64)
    assert torch.count_nonzero(out) == 0


def test_the_network_hears_noise_level_known_points_and_both_ends_of_its_window():
    network = random_network(1)
    windows = torch.zeros(1, 64)
    angle, known = torch.tensor([0.7]), torch.zeros(1, 64)
    plain = network(windows, angle, known, known)
    assert not torch.allclose(plain, network(windows, angle + 0.3, known, known))
    flags = known.clone()
    flags[0, 5] = 1.0
    assert not torch.allclose(plain, network(windows, angle, known, flags))
    for place in (0, 63):
        touched = windows.clone()
        touched[0, place] = 1.0
        assert not torch.allclose(plain[0, place], network(touched, angle, known, known)[0, place])


@pytest.mark.parametrize(
    "wrong", [{"window": 500}, {"channels": ()}, {"fold": 0}, {"channels": (8, 0)}, {"embedding": 0}]
)
def test_sizes_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ParameterError, match="U-net: a window of"):
        UNet1dConfig(**{"channels": (4, 4, 4), **wrong})


def coloured_speed(seed, n=6000):
    """Speed of a hundred-thousandth to a thousandth, with a hill at 8 Hz, a valley, and a line at 3 Hz."""
    from scipy.signal import butter, sosfilt

    generator = np.random.default_rng(seed)
    hill = sosfilt(butter(2, (6.0, 10.0), "bandpass", fs=RATE_HZ, output="sos"), generator.standard_normal(n))
    line = np.sin(2.0 * np.pi * 3.0 * np.arange(n) / RATE_HZ + seed)
    speed = 5e-4 * hill + 4e-4 * line + 2e-5 * generator.standard_normal(n)
    return speed - speed.mean()


def test_whitening_has_unit_power_and_is_undone_by_its_filter():
    speed = coloured_speed(1)
    whitening = fit_whitening([speed], rate_hz=RATE_HZ)
    white = whitening.whitened(speed)
    assert len(white) == len(speed) - 2 * whitening.edge
    assert np.mean(white**2) == pytest.approx(1.0, abs=1e-6)
    again = np.convolve(white, whitening.taps, mode="valid")
    np.testing.assert_allclose(
        again, speed[2 * whitening.edge : -2 * whitening.edge], atol=1e-9 * np.max(np.abs(speed))
    )


def test_whitened_spectrum_is_flat_at_the_resolution_of_its_windows():
    """The hill is 28 dB high; what is left of it, over bands wider than a window's bin, is within 2 dB."""
    from scipy.signal import welch

    speeds = [coloured_speed(seed) for seed in (1, 2)]
    whitening = fit_whitening(speeds, rate_hz=RATE_HZ)
    frequency_hz, power = welch(np.concatenate([whitening.whitened(s) for s in speeds]), fs=RATE_HZ, nperseg=128)
    smooth = np.convolve(power, np.ones(5) / 5.0, mode="valid")
    level_db = 10.0 * np.log10(smooth / np.mean(power))
    inside = (frequency_hz[2:-2] > 4.5) & (frequency_hz[2:-2] < 45.0)
    assert np.max(np.abs(level_db[inside])) < 2.0


def test_delay_filter_integrates_above_the_drift_and_stops_it():
    whitening = fit_whitening([coloured_speed(1)], rate_hz=RATE_HZ)
    taps = whitening.delay_taps()
    frequency_hz = np.array([0.02, 0.4, 2.0, 8.0, 20.0])
    turns = np.exp(-2j * np.pi * np.outer(frequency_hz, np.arange(len(taps))) / RATE_HZ)
    speed_turns = np.exp(-2j * np.pi * np.outer(frequency_hz, np.arange(len(whitening.taps))) / RATE_HZ)
    integral = np.abs(speed_turns @ whitening.taps) / (2.0 * RATE_HZ * np.sin(np.pi * frequency_hz / RATE_HZ))
    level_db = 20.0 * np.log10(np.abs(turns @ taps) / integral)
    np.testing.assert_allclose(level_db[1:], 0.0, atol=0.05)
    assert level_db[0] < -40.0


@pytest.mark.parametrize(
    ("speeds", "message"),
    [([], "0.0 s"), ([np.ones(500)], "5.0 s"), ([np.zeros(2000)], "does not move")],
)
def test_whitening_of_nothing_is_refused(speeds, message):
    with pytest.raises(SignalError, match=message):
        fit_whitening(speeds, rate_hz=RATE_HZ)


def test_a_piece_shorter_than_the_edges_whitens_to_nothing():
    whitening = fit_whitening([coloured_speed(1)], rate_hz=RATE_HZ)
    assert len(whitening.whitened(np.ones(2 * whitening.edge))) == 0


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 90), min_size=1, max_size=6))
def test_how_a_stream_is_asked_changes_nothing(lengths):
    generator = model(random_network(2), drift=Drift(1e-7, 1e-5, 20.0), taps=(0.5, 0.3, -0.2))
    whole = generator.stream(np.random.default_rng(4)).read(sum(lengths))
    stream = generator.stream(np.random.default_rng(4))
    np.testing.assert_array_equal(np.concatenate([stream.read(length) for length in lengths]), whole)


def test_streams_of_other_seeds_are_other_streams():
    generator = model(random_network(2))
    first, second = (generator.stream(np.random.default_rng(seed)).read(300) for seed in (1, 2))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.3


def test_a_network_that_learned_nothing_gives_noise_of_the_filters_spectrum():
    """White noise through the taps: power within 4 standard errors, from the first point on."""
    taps = fit_whitening([coloured_speed(1)], rate_hz=RATE_HZ).delay_taps()
    generator = model(UNet1d(UNet1dConfig(window=1024, fold=8, channels=(4,))), taps=taps)
    starts = [generator.stream(np.random.default_rng(seed)).read(400) for seed in range(12)]
    expected = float(np.sum(taps**2))
    speed_power = [float(np.mean(np.diff(start) ** 2)) for start in starts]
    assert np.mean(speed_power) == pytest.approx(float(np.sum(np.diff(taps, prepend=0.0, append=0.0) ** 2)), rel=0.1)
    spread = np.std([start**2 for start in starts], axis=0).mean() / math.sqrt(len(starts))
    assert np.mean([start[:50] ** 2 for start in starts]) == pytest.approx(expected, abs=4.0 * spread)


def test_a_saved_model_plays_the_same(tmp_path):
    generator = model(random_network(2), drift=Drift(1e-7, 1e-5, 20.0), taps=(0.5, 0.3, -0.2))
    save_diffusion_delay(generator, tmp_path / "delay.safetensors", facts={"device": "toy"})
    loaded, facts = load_diffusion_delay(tmp_path / "delay.safetensors")
    assert facts == {"device": "toy"}
    assert dataclasses.replace(loaded, network=generator.network, taps=generator.taps) == generator
    np.testing.assert_array_equal(
        loaded.stream(np.random.default_rng(1)).read(500), generator.stream(np.random.default_rng(1)).read(500)
    )


def test_damaged_files_are_told_of(tmp_path):
    path = tmp_path / "delay.safetensors"
    with pytest.raises(UsageError, match="no such file"):
        load_diffusion_delay(path)
    path.write_bytes(b"not a model")
    with pytest.raises(TrainingError, match=r"delay\.safetensors"):
        load_diffusion_delay(path)
    save_diffusion_delay(model(random_network(2)), path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(TrainingError, match="train it again"):
        load_diffusion_delay(path)


@pytest.mark.parametrize("wrong", [{"context": 64}, {"n_steps": 0}, {"taps": np.array([np.nan])}])
def test_contents_that_make_no_sense_are_told_of(tmp_path, wrong):
    path = tmp_path / "delay.safetensors"
    save_diffusion_delay(dataclasses.replace(model(random_network(2)), **wrong), path)
    with pytest.raises(TrainingError, match="damaged model of delay"):
        load_diffusion_delay(path)


def test_weights_that_are_not_finite_or_of_another_size_are_told_of(tmp_path):
    path = tmp_path / "delay.safetensors"
    network = random_network(2)
    with torch.no_grad():
        next(network.parameters())[0] = math.nan
    save_diffusion_delay(model(network), path)
    with pytest.raises(TrainingError, match="not finite"):
        load_diffusion_delay(path)
    other = random_network(2)
    other.config = dataclasses.replace(SMALL, channels=(4, 8))
    save_diffusion_delay(model(other), path)
    with pytest.raises(TrainingError, match="train it again"):
        load_diffusion_delay(path)
