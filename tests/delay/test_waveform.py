import numpy as np

from tapemeasure.delay.machine_fit import MachineFit
from tapemeasure.delay.waveform import add_blocks, block_filters

FRAME, HOP, RATE = 4096, 110, 44100


def plain_machine() -> MachineFit:
    """Passes all as it is; its noise is white, of power 1e-6 a sample."""
    n = FRAME // 2 + 1
    return MachineFit(np.ones((1, n), np.complex128), np.full(n, 1e-6 * np.sum(np.hanning(FRAME) ** 2)))


def normal_equations(warped: np.ndarray, output: np.ndarray) -> np.ndarray:
    filters = block_filters(plain_machine())
    steps = -(-len(warped) // filters.step)
    behind = steps * filters.step + filters.margin - len(warped)
    sums = np.zeros((6, len(warped) // HOP))
    padded = [np.pad(samples, (filters.margin, behind)).astype(np.float32) for samples in (warped, output)]
    add_blocks(sums, *padded, filters, first=0, hop=HOP)
    return sums


def test_a_loud_note_says_nothing_about_the_silence_beside_it() -> None:
    rng = np.random.default_rng(1)
    samples = 0.1 * rng.standard_normal(2 * RATE)
    silent = slice(RATE // 2, RATE)
    samples[silent] = 0.0
    information = normal_equations(samples, samples)[1]
    inner = slice(RATE // 2 // HOP + 4, RATE // HOP - 4)
    # 0.01 us in the noise; 10 us and more in the silence, where 0.5 s of hiss could tell less than that
    assert information[inner].max() < 1e-6 * np.median(information)


def test_gradient_over_information_is_the_delay() -> None:
    rng = np.random.default_rng(2)
    spectrum = np.fft.rfft(rng.standard_normal(2 * RATE))
    frequency = np.fft.rfftfreq(2 * RATE)
    spectrum[frequency > 0.3] = 0.0
    played = np.fft.irfft(spectrum)
    # a fiftieth of a sample
    heard = np.fft.irfft(spectrum * np.exp(-2j * np.pi * frequency * 0.02))
    gradient, diagonal, beside = normal_equations(0.1 * played, 0.1 * heard)[:3]
    middle = slice(100, -100)
    told = gradient[middle].sum() / (diagonal + 2.0 * beside)[middle].sum()
    assert abs(told - 0.02) < 2e-4
