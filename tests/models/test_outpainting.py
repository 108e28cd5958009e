"""Endless painting: how it is read changes nothing, and a seam's step is no larger than any other."""

import numpy as np
import pytest
import torch

from tapemeasure.models.outpainting import PaintedStream
from tapemeasure.models.unet1d import UNet1d, UNet1dConfig

WINDOW, CONTEXT = 64, 16


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return UNet1d(UNet1dConfig(window=WINDOW, fold=4, channels=(8, 12), embedding=8)).eval()


def stream(network, seed):
    return PaintedStream(network, context=CONTEXT, n_steps=3, generator=np.random.default_rng(seed))


def test_a_stream_does_not_depend_on_how_it_is_read(network):
    whole = stream(network, 1).read(500)
    painted = stream(network, 1)
    np.testing.assert_array_equal(np.concatenate([painted.read(n) for n in (0, 1, 63, 64, 300, 72)]), whole)
    assert not np.array_equal(stream(network, 2).read(500), whole)


def test_an_untrained_network_paints_noise_of_power_one_without_seams(network):
    fresh = WINDOW - CONTEXT
    points = stream(network, 3).read(WINDOW + 600 * fresh)[CONTEXT:]
    # 600 windows know the power to 1 %, the steps of 600 seams to 4 %
    assert np.mean(points**2) == pytest.approx(1.0, rel=0.1)
    steps = np.abs(np.diff(points))
    at_seam = np.arange(1, len(points)) % fresh == 0
    assert np.sqrt(np.mean(steps[at_seam] ** 2)) < 1.12 * np.sqrt(np.mean(steps[~at_seam] ** 2))
    assert np.max(steps[at_seam]) <= np.max(steps[~at_seam])
