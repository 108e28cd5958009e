"""Critics that tell recordings from what a network makes: by spectrograms of several resolutions, and by waveforms."""

import torch
from torch import Tensor, nn

FFT_SIZES = (512, 1024, 2048)
QUIET_MAGNITUDE = 1e-3
"""Added to every magnitude before its logarithm, so that hiss counts little."""

SLOPE = 0.2


class SpectrogramCritic(nn.Module):
    """Convolutions over time on the logarithm of a spectrogram, one channel a bin.

    Parameters
    ----------
    fft_size : int
        Samples of a window; the hop is a quarter of it.
    width : int
        Channels behind the first layer.
    """

    def __init__(self, fft_size: int, *, width: int = 32) -> None:
        super().__init__()
        self.fft_size = fft_size
        self.layers = nn.ModuleList(
            [nn.Conv1d(fft_size // 2 + 1, width, 1), nn.Conv1d(width, width, 3), nn.Conv1d(width, 1, 3)]
        )

    def forward(self, samples: Tensor) -> list[Tensor]:
        """Features of every layer; the last, (batch, 1, n_frames), is the verdict: above 0 for recordings."""
        window = torch.hann_window(self.fft_size)
        spectrum = torch.stft(samples[:, 0], self.fft_size, self.fft_size // 4, window=window, return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        return _through(self.layers, torch.log10((power + QUIET_MAGNITUDE**2).sqrt()))


class WaveformCritic(nn.Module):
    """Strided convolutions on the samples: it hears the phase, which spectrograms do not tell."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Conv1d(1, 16, 41, 8), nn.Conv1d(16, 32, 21, 4), nn.Conv1d(32, 32, 11, 4), nn.Conv1d(32, 1, 5)]
        )

    def forward(self, samples: Tensor) -> list[Tensor]:
        """Features of every layer; the last, (batch, 1, n_places), is the verdict: above 0 for recordings."""
        return _through(self.layers, samples)


class Critics(nn.Module):
    """Three spectrogram critics and a waveform critic, each with its own verdict.

    References
    ----------
    K. Kumar et al., "MelGAN", NeurIPS 2019 (several critics, hinge, matched features); O. Mikkonen, A. Wright,
    E. Moliner, V. Valimaki, "Neural modeling of magnetic tape recorders", DAFx 2023 (spectrograms of three sizes).
    """

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([*(SpectrogramCritic(size) for size in FFT_SIZES), WaveformCritic()])

    def forward(self, samples: Tensor) -> list[list[Tensor]]:
        """Features of every critic for signals of shape (batch, 1, n_samples), each list ending with the verdict."""
        return [part(samples) for part in self.parts]


def _through(layers: nn.ModuleList, features: Tensor) -> list[Tensor]:
    found = []
    for index, layer in enumerate(layers):
        features = layer(features if index == 0 else nn.functional.leaky_relu(features, SLOPE))
        found.append(features)
    return found


def critics_loss(of_real: list[list[Tensor]], of_made: list[list[Tensor]]) -> Tensor:
    """Hinge loss of the critics: verdicts above 1 for recordings and below -1 for what is made cost nothing."""
    losses = [
        torch.relu(1.0 - real[-1]).mean() + torch.relu(1.0 + made[-1]).mean()
        for real, made in zip(of_real, of_made, strict=True)
    ]
    return torch.stack(losses).mean()


def maker_loss(of_made: list[list[Tensor]]) -> Tensor:
    """Loss of what makes the signals: minus the critics' mean verdict."""
    return -torch.stack([made[-1].mean() for made in of_made]).mean()


def matching_loss(of_real: list[list[Tensor]], of_made: list[list[Tensor]]) -> Tensor:
    """Distance of the features' mean and standard deviation over a batch, relative to the recordings' deviation.

    Notes
    -----
    The signals are not of the same moments, so only what is true of all of them together can be compared.
    """
    losses = []
    for real, made in zip(of_real, of_made, strict=True):
        for real_layer, made_layer in zip(real[:-1], made[:-1], strict=True):
            spread = real_layer.std(dim=(0, 2)).detach() + 1e-6
            means = (made_layer.mean(dim=(0, 2)) - real_layer.mean(dim=(0, 2)).detach()) / spread
            spreads = made_layer.std(dim=(0, 2)) / spread - 1.0
            losses.append(means.square().mean() + spreads.square().mean())
    return torch.stack(losses).mean()
