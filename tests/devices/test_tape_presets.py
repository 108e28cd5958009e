"""Presets: valid, documented, level and flat; that of the Akai 4000D against the real machine's recordings."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from tapemeasure.devices.tape import TapeDevice
from tapemeasure.devices.tape.noise import hiss_density_db
from tapemeasure.dsp.spectra import NOMINAL_THIRD_OCTAVES_HZ
from tapemeasure.errors import ParameterError
from tapemeasure.params import TapeSettings, preset_settings, tape_presets

STANDARD = (
    "reel_15ips_iec",
    "reel_15ips_nab",
    "reel_7p5ips_iec",
    "reel_7p5ips_nab",
    "reel_3p75ips",
    "cassette_1p875ips",
)
QUIET = {
    "capstan_pct": 0.0, "reel_pct": 0.0, "drift_pct": 0.0, "wow_pct": 0.0, "flutter_pct": 0.0, "scrape_pct": 0.0,
    "crosstalk_db": None, "print_through_db": None, "hiss_dbfs": None, "hum_dbfs": None,
}  # fmt: skip
AKAI_BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "akai_preset.py"


@pytest.mark.parametrize("name", tape_presets())
def test_preset_plays(name):
    """Says what it is and where it comes from; its settings are valid, and give finite samples of the same length."""
    preset = tape_presets()[name]
    assert set(preset) == {"about", "source", "settings"}
    assert preset["about"]
    assert preset["source"]
    tone = 0.1 * np.sin(np.arange(2000)[:, np.newaxis] * [0.1, 0.2])
    samples = TapeDevice(TapeSettings(**preset_settings(name)), seed=1).run(tone, sample_rate=44100).samples
    assert samples.shape == tone.shape
    assert np.isfinite(samples).all()


def test_unknown_preset_lists_those_there_are():
    """With the names."""
    with pytest.raises(ParameterError, match=r"reel_99.*akai_4000d.*sony_tc260"):
        preset_settings("reel_99")


@pytest.mark.parametrize("sample_rate", [44100, 96000])
@pytest.mark.parametrize("name", STANDARD)
def test_standard_machine_is_level_and_flat(name, sample_rate):
    """Small signals: 0 dB at 1 kHz within 0.2 dB, within 1 dB of it from 500 Hz to 8 kHz, duller the slower."""
    settings = TapeSettings(**{**preset_settings(name), **QUIET})
    impulse = np.zeros(sample_rate // 4)
    impulse[sample_rate // 8] = 0.01
    played = TapeDevice(settings, seed=1).run(impulse, sample_rate=sample_rate).samples[:, 0] / 0.01
    level_db = 20 * np.log10(abs(np.fft.rfft(played)))
    frequencies = np.fft.rfftfreq(len(played), 1 / sample_rate)
    at_1khz = np.interp(1000.0, frequencies, level_db)
    assert at_1khz == pytest.approx(0.0, abs=0.2)
    inside = (frequencies > 500.0) & (frequencies < 8000.0)
    np.testing.assert_allclose(level_db[inside], at_1khz, atol=1.0)
    if settings.speed_ips < 7.5:
        assert np.interp(18000.0, frequencies, level_db) < -4.0


@pytest.fixture(scope="module")
def akai(akai_recordings):
    """The benchmark's module, the machine's takes, and those of the preset."""
    spec = importlib.util.spec_from_file_location("akai_preset_benchmark", AKAI_BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    takes = module.read_takes(akai_recordings)
    settings = TapeSettings(**preset_settings("akai_4000d"))
    return module, takes, settings, module.measure(takes)


def test_akai_response(akai):
    """Preset and machine, both tracked by their pilots: within 0.5 dB from 50 Hz to 15 kHz."""
    module, takes, settings, machine = akai
    preset = module.measure(module.played_takes(settings, takes))
    bands = np.array(NOMINAL_THIRD_OCTAVES_HZ)
    carried = (bands >= 50.0) & (bands <= 15000.0) & (machine.response_sigma_db < 0.3)
    assert np.count_nonzero(carried) == 25
    np.testing.assert_allclose(preset.response_db[carried], machine.response_db[carried], atol=0.5)
    assert preset.crosstalk_db == pytest.approx(machine.crosstalk_db, abs=1.0)


def test_akai_hiss(akai):
    """The preset's density, integrated over third octaves, is the machine's hiss within 1 dB from 200 Hz to 16 kHz."""
    _, _, settings, machine = akai
    for index, band_hz in enumerate(NOMINAL_THIRD_OCTAVES_HZ):
        if 200.0 <= band_hz <= 16000.0:
            exact_hz = 1000.0 * 10.0 ** ((index - 17) / 10.0)
            inside = np.linspace(exact_hz * 10**-0.05, exact_hz * 10**0.05, 501)
            power = np.mean(10 ** (hiss_density_db(settings, inside) / 10)) * (inside[-1] - inside[0])
            assert 10 * np.log10(power) == pytest.approx(machine.hiss_dbfs[index], abs=1.0), band_hz


def test_akai_waveform(akai):
    """Without its transport the preset is within 2.5 dB of the best FIR fitted to each take, far from a mere gain."""
    module, takes, settings, _ = akai
    for preset_db, best_fir_db, gain_db in module.errors_db(settings, takes):
        assert preset_db < best_fir_db + 2.5
        assert preset_db < gain_db - 10.0
