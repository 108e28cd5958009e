"""The table of models: closed forms for the linear rows, fitted on train, scored on test; the network beside them."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from tapemeasure.analysis.signal_errors import signal_errors
from tapemeasure.errors import MismatchError, ParameterError, SignalError, TrainingError
from tapemeasure.models.recording_path import RecordingPath, RecordingPathConfig
from tapemeasure.params.stages import EvaluateParams
from tapemeasure.training.datasets import AlignedPair
from tapemeasure.training.evaluate import evaluate_take, excerpts

PARAMS = EvaluateParams(fir_taps=64)


def pair(machine, seed=1, n_samples=8000):
    source = 0.2 * np.random.default_rng(seed).standard_normal(n_samples)
    return AlignedPair(f"take_{seed}", source, machine(source), 8000)


def filtered(source):
    return lfilter([0.5, 0.2, -0.1], [1.0], source)


def network(sample_rate=8000):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return RecordingPath(RecordingPathConfig(4, True, sample_rate))


def evaluate(train, test, model=None, params=PARAMS, **kwargs):
    return evaluate_take(train, test, model, params=params, alignment="known exactly", **kwargs)


def rows_of(evaluation):
    return {row.model: row for row in evaluation.rows}


def test_a_wire_has_no_error_in_any_row():
    rows = rows_of(evaluate([pair(lambda x: x)], [pair(lambda x: x, seed=2)]))
    assert rows["input"] == dataclasses.replace(rows["input"], esr=0.0, dc_blocked_esr=0.0, mr_stft=0.0)
    assert rows["gain"].esr < 1e-20
    assert rows["fir"].esr < 1e-8


def test_a_gain_is_found_and_the_input_row_tells_what_it_was_worth():
    evaluation = evaluate([pair(lambda x: 0.5 * x)], [pair(lambda x: 0.5 * x, seed=2)])
    assert evaluation.gain == pytest.approx(0.5)
    assert rows_of(evaluation)["input"].esr == pytest.approx(1.0)
    assert rows_of(evaluation)["gain"].esr < 1e-20


def test_a_linear_machine_is_won_by_the_filter():
    rows = rows_of(evaluate([pair(filtered)], [pair(filtered, seed=2)]))
    assert rows["fir"].esr < 1e-4 < rows["gain"].esr < rows["input"].esr


def test_a_lag_of_the_targets_stands_apart_from_the_error():
    def later(source, samples=3):
        return np.concatenate([np.zeros(samples), filtered(source)[:-samples]])

    rows = rows_of(evaluate([pair(later)], [pair(filtered, seed=2)]))
    assert rows["fir"].esr > 0.1
    assert rows["fir"].best_lag_esr < 2e-3
    assert rows["fir"].lag_us == pytest.approx(3e6 / 8000, rel=1e-3)
    assert rows["fir"].residual_lag_rms_us < 1.0


def test_baselines_are_fitted_on_train_and_scored_on_test():
    evaluation = evaluate([pair(lambda x: 0.5 * x)], [pair(lambda x: x, seed=2)])
    assert evaluation.gain == pytest.approx(0.5)
    assert rows_of(evaluation)["gain"].esr == pytest.approx(0.25)
    assert rows_of(evaluation)["fir"].esr == pytest.approx(0.25, rel=1e-3)


def test_the_network_row_is_its_streamed_output():
    model, test = network(), [pair(np.tanh, seed=2), pair(np.tanh, seed=3, n_samples=3000)]
    evaluation = evaluate([pair(np.tanh)], test, model)
    with torch.no_grad():
        expected = [model(torch.tensor(p.input, dtype=torch.float32)[None, None])[0].numpy()[0, 0] for p in test]
    measured = signal_errors(expected, [p.target for p in test])
    assert rows_of(evaluation)["gru"].esr == pytest.approx(measured.esr, rel=1e-3)
    assert rows_of(evaluation)["gru"].mr_stft == pytest.approx(measured.mr_stft, rel=1e-2)
    assert evaluation.test_s == pytest.approx(11000 / 8000)


def test_without_a_network_there_is_no_row_and_no_audio():
    test = [pair(np.tanh, seed=2)]
    evaluation = evaluate([pair(np.tanh)], test)
    assert [row.model for row in evaluation.rows] == ["input", "gain", "fir"]
    assert excerpts(evaluation, test) == {}


def test_the_json_states_the_alignment_beside_all_rows():
    values = evaluate([pair(np.tanh)], [pair(np.tanh, seed=2)], network()).as_dict()
    assert values["alignment"] == "known exactly"
    assert [row["model"] for row in values["rows"]] == ["input", "gain", "fir", "gru"]
    of_signals, of_timing = {"esr", "dc_blocked_esr", "mr_stft"}, {"best_lag_esr", "lag_us", "residual_lag_rms_us"}
    assert set(values["rows"][0]) == {"model"} | of_signals | of_timing
    assert "outputs" not in values


def test_the_excerpt_is_the_loudest_stretch_and_adds_up():
    quiet, loud = pair(np.tanh, seed=2), pair(np.tanh, seed=3)
    source = 0.01 * loud.input
    source[4000:4800] *= 100.0
    loud = dataclasses.replace(loud, input=source, target=2.0 * np.tanh(source))
    quiet = dataclasses.replace(quiet, input=0.001 * quiet.input, target=0.001 * quiet.target)
    test = [quiet, loud]
    audio = excerpts(evaluate([pair(np.tanh)], test, network()), test, duration_s=0.1)
    np.testing.assert_array_equal(audio["input"], source[4000:4800])
    np.testing.assert_allclose(audio["model"] + audio["residual"], audio["target"], atol=1e-15)


def test_progress_ends_at_1():
    fractions = []
    evaluate([pair(np.tanh)], [pair(np.tanh, seed=2)], network(), progress=fractions.append)
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)


def test_bad_input_is_refused():
    good, model = pair(np.tanh), network()
    with pytest.raises(SignalError, match="no aligned pair"):
        evaluate([good], [])
    with pytest.raises(SignalError, match="no aligned pair"):
        evaluate([], [good])
    with pytest.raises(MismatchError, match=r"\[8000, 44100\]"):
        evaluate([good], [dataclasses.replace(good, sample_rate=44100)])
    with pytest.raises(MismatchError, match="trained at 44100 Hz, the test set has 8000 Hz"):
        evaluate([good], [good], network(44100))
    with pytest.raises(SignalError, match="target is silent"):
        evaluate([good], [dataclasses.replace(good, target=np.zeros(8000))])
    with pytest.raises(ParameterError, match="9000 taps"):
        evaluate([good], [good], params=EvaluateParams(fir_taps=9000))
    with torch.no_grad():
        model.output.bias.fill_(float("nan"))
    with pytest.raises(TrainingError, match="output for take_1 is NaN"):
        evaluate([good], [good], model)
