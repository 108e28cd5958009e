"""Critics: hinge and matching losses in closed form, and critics that learn to tell what differs."""

import pytest
import torch

from tapemeasure.models.critics import Critics, WaveformCritic, critics_loss, maker_loss, matching_loss


def verdicts(value):
    return [[torch.randn(2, 3, 5), torch.full((2, 1, 4), value)]]


def test_hinge_losses_are_those_of_the_paper():
    assert float(critics_loss(verdicts(1.0), verdicts(-1.0))) == 0.0
    assert float(critics_loss(verdicts(3.0), verdicts(-2.0))) == 0.0
    assert float(critics_loss(verdicts(0.0), verdicts(0.0))) == pytest.approx(2.0)
    assert float(critics_loss(verdicts(-1.0), verdicts(0.5))) == pytest.approx(3.5)
    assert float(maker_loss(verdicts(0.7))) == pytest.approx(-0.7)


def test_features_match_in_any_order_and_not_at_another_level():
    torch.manual_seed(1)
    critics, real = Critics(), 0.1 * torch.randn(4, 1, 8192)
    with torch.no_grad():
        assert float(matching_loss(critics(real), critics(real[[2, 0, 3, 1]]))) < 1e-8
        assert float(matching_loss(critics(real), critics(0.5 * real))) > 0.01


def test_every_critic_gives_a_verdict_and_a_gradient():
    torch.manual_seed(1)
    samples = (0.1 * torch.randn(2, 1, 4096)).requires_grad_()
    found = Critics()(samples)
    assert len(found) == 4
    maker_loss(found).backward()
    assert torch.isfinite(samples.grad).all()
    assert float(samples.grad.abs().max()) > 0.0


def test_silence_has_finite_features():
    for features in Critics()(torch.zeros(1, 1, 4096)):
        assert all(bool(torch.isfinite(layer).all()) for layer in features)


def test_the_waveform_critic_hears_what_spectra_do_not_tell():
    # the same spectra, turned round in time: a decay and an onset
    generator = torch.Generator().manual_seed(3)
    decay = torch.exp(-torch.arange(64) / 12.0)

    def signals(count):
        clicks = (torch.rand(count, 1, 2048, generator=generator) < 0.01).float()
        return torch.nn.functional.conv1d(torch.nn.functional.pad(clicks, (63, 0)), decay.flip(0)[None, None])

    torch.manual_seed(1)
    critic = WaveformCritic()
    optimizer = torch.optim.Adam(critic.parameters(), 2e-3)
    for _ in range(60):
        loss = critics_loss([critic(signals(8))], [critic(signals(8).flip(-1))])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        real, turned = (critic(samples)[-1].mean(dim=(1, 2)) for samples in (signals(32), signals(32).flip(-1)))
    assert float(real.min()) > float(turned.max())
