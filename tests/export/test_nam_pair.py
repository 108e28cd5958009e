"""The pair for NAM: its checks, lengths, silences, 24 bits."""

import numpy as np
import pytest

from tapemeasure.errors import MismatchError, SignalError
from tapemeasure.export.nam_pair import LARGEST_REPLICATE_ESR, REPLICATE_S, SAMPLE_RATE, nam_pair

PASSAGE = round(REPLICATE_S * SAMPLE_RATE)


def programme(n_samples, seed=1):
    return 0.2 * np.random.default_rng(seed).standard_normal(n_samples).clip(-4.0, 4.0)


def twice():
    """A passage, a silence, another one, a silence, and the first passage again."""
    passage, silence = programme(PASSAGE), np.zeros(SAMPLE_RATE)
    return np.concatenate([passage, silence, programme(PASSAGE, 2), silence, passage])


def test_equal_passages_are_accepted():
    stimulus = twice()
    pair = nam_pair(stimulus, 0.5 * stimulus, sample_rate=SAMPLE_RATE)
    assert pair.replicate_esr == pytest.approx(0.0, abs=1e-9)
    assert pair.accepted
    # 24 bits: half a step
    assert np.abs(pair.input - stimulus).max() < 2.0**-24 * 1.01
    assert np.abs(pair.output - 0.5 * stimulus).max() < 2.0**-24 * 1.01


def test_the_replicate_error_is_that_of_the_noise():
    """Independent noise of 1 % of the signal's power in both: an ESR of about 2 % between them, which NAM refuses."""
    stimulus = twice()
    noise = np.random.default_rng(3).standard_normal(len(stimulus)) * 0.1 * 0.2
    pair = nam_pair(stimulus, stimulus + noise, sample_rate=SAMPLE_RATE)
    assert pair.replicate_esr == pytest.approx(2 * 0.01, rel=0.05)
    assert pair.replicate_esr > LARGEST_REPLICATE_ESR
    assert not pair.accepted
    assert pair.checks()["replicate_esr"] == pair.replicate_esr


def test_no_passage_twice_is_not_measurable():
    stimulus = programme(3 * PASSAGE)
    pair = nam_pair(stimulus, stimulus, sample_rate=SAMPLE_RATE)
    assert pair.replicate_esr is None
    assert pair.accepted


def test_validation_begins_behind_a_silence():
    stimulus = twice()
    pair = nam_pair(stimulus, stimulus, sample_rate=SAMPLE_RATE)
    assert pair.silence_before_validation
    assert pair.validation_start_samples == len(stimulus) - PASSAGE
    config = pair.data_config(input_name="input.wav", output_name="output.wav")
    assert config["train"]["stop_samples"] == config["validation"]["start_samples"] == len(stimulus) - PASSAGE
    assert "require_input_pre_silence" not in config["validation"]


def test_without_a_silence_none_is_asked_for():
    stimulus = programme(SAMPLE_RATE)
    stimulus[100 : 100 + round(0.3 * SAMPLE_RATE)] = 0.0
    pair = nam_pair(stimulus, stimulus, sample_rate=SAMPLE_RATE)
    assert not pair.silence_before_validation
    assert pair.validation_start_samples == round(0.9 * SAMPLE_RATE)
    config = pair.data_config(input_name="input.wav", output_name="output.wav")
    assert config["validation"]["require_input_pre_silence"] is None


def test_too_loud_signals_are_turned_down_and_told():
    """NAM refuses an output that reaches full scale, and its files end there."""
    stimulus = 2.0 * np.sin(np.arange(SAMPLE_RATE) / 10.0)
    pair = nam_pair(stimulus, 2.0 * stimulus, sample_rate=SAMPLE_RATE)
    assert pair.input_gain_db == pytest.approx(-6.02, abs=0.01)
    assert pair.output_gain_db == pytest.approx(-12.04, abs=0.01)
    assert np.abs(pair.output).max() < 1.0
    assert pair.data_config(input_name="a", output_name="b")["common"]["input_gain"] == -pair.input_gain_db


def test_another_rate_is_resampled():
    """A tone keeps its frequency and its amplitude."""
    tone = 0.5 * np.sin(2.0 * np.pi * 1000.0 * np.arange(44100) / 44100)
    pair = nam_pair(tone, tone, sample_rate=44100)
    assert (pair.sample_rate, len(pair.input), len(pair.output)) == (48000, 48000, 48000)
    expected = 0.5 * np.sin(2.0 * np.pi * 1000.0 * np.arange(48000) / 48000)
    assert np.abs(pair.input - expected)[1000:-1000].max() < 1e-3


def test_lengths_that_differ_are_refused():
    with pytest.raises(MismatchError, match="4800 samples, the aligned output 4799; align"):
        nam_pair(programme(4800), programme(4799), sample_rate=SAMPLE_RATE)


@pytest.mark.parametrize(("stimulus", "output", "which"), [(0.0, 1.0, "input"), (1.0, 0.0, "aligned output")])
def test_silence_is_refused(stimulus, output, which):
    signal = programme(4800)
    with pytest.raises(SignalError, match=f"the {which} is silent"):
        nam_pair(stimulus * signal, output * signal, sample_rate=SAMPLE_RATE)
