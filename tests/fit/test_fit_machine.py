import numpy as np
import pytest

from tapemeasure.devices.tape import TapeDevice
from tapemeasure.errors import MismatchError, ParameterError, SignalError
from tapemeasure.fit.machine import FitPlan, fit_machine
from tapemeasure.fit.objective import Objective
from tapemeasure.fit.pair import FitPair, Stretch
from tapemeasure.fit.result import as_preset
from tapemeasure.params import TapeProfile, TapeSettings
from tapemeasure.signals.programme import synthesize_programme

RATE = 22050
CHEAP = TapeSettings(solver="NR4", oversampling=2, oversampling_mode="minimum_phase")
TWO = FitPlan(names=("drive", "bias"), response="gain")


def programme(seed: int = 3) -> np.ndarray:
    """The loud middle of a piece of music."""
    piece = synthesize_programme(
        length_samples=8 * RATE, sample_rate=RATE, peak_dbfs=0.0, generator=np.random.default_rng(seed)
    )
    return piece[2 * RATE : round(4.5 * RATE)]


def played(stimulus: np.ndarray, **settings: object) -> np.ndarray:
    machine = CHEAP.model_copy(update=settings)
    return TapeDevice(machine, seed=1).run(stimulus, sample_rate=RATE).samples[:, 0]


@pytest.fixture(scope="module")
def stimulus() -> np.ndarray:
    return programme()


@pytest.fixture(scope="module")
def fitted(stimulus):
    target = played(stimulus, drive=0.7, bias=0.2, output_gain_db=-6.0)
    return fit_machine(stimulus, target, sample_rate=RATE, base=CHEAP, plan=TWO)


def test_the_knobs_of_the_machine_are_found_again(fitted) -> None:
    assert fitted.settings.drive == pytest.approx(0.7, abs=1e-3)
    assert fitted.settings.bias == pytest.approx(0.2, abs=1e-3)
    assert fitted.settings.output_gain_db == pytest.approx(-6.0, abs=0.01)
    assert fitted.delay_samples == pytest.approx(0.0, abs=1e-3)
    assert fitted.held_out.esr < 1e-6
    assert fitted.held_out.linear_esr > 1e-3
    assert all(knob.identified for knob in fitted.knobs)


def test_what_is_fitted_is_a_profile_of_a_device(fitted) -> None:
    preset = as_preset(fitted, about="a machine", source="a pair")
    profile = TapeProfile.model_validate({"kind": preset["kind"], "settings": preset["settings"]})
    assert profile.settings == fitted.settings


def test_hiss_delay_and_inversion_are_told_apart_from_the_knobs(stimulus) -> None:
    shift = np.exp(-2j * np.pi * np.fft.rfftfreq(len(stimulus)) * 0.37)
    late = np.fft.irfft(np.fft.rfft(played(stimulus, drive=0.4, bias=0.3)) * shift, len(stimulus))
    hiss = 10.0 ** (-40.0 / 20.0) * np.random.default_rng(5).standard_normal(len(stimulus))
    fit = fit_machine(stimulus, hiss - late, sample_rate=RATE, base=CHEAP, plan=TWO)
    for knob, truth in zip(fit.knobs, (0.4, 0.3), strict=True):
        assert knob.identified
        assert 0.0 < knob.sigma < 0.05
        assert abs(knob.value - truth) < 5.0 * knob.sigma
    assert fit.delay_samples == pytest.approx(0.37, abs=0.02)
    assert any("inverted" in note for note in fit.notes)


def test_a_linear_recording_says_nothing_of_the_knobs() -> None:
    stimulus = 0.02 * programme(seed=4)
    hiss = 1e-4 * np.random.default_rng(6).standard_normal(len(stimulus))
    plan = FitPlan(names=("drive", "saturation"))
    fit = fit_machine(
        stimulus, 0.5 * stimulus + hiss, sample_rate=RATE, base=CHEAP.model_copy(update={"bias": 1.0}), plan=plan
    )
    assert not any(knob.identified for knob in fit.knobs)
    assert fit.settings.drive == CHEAP.drive
    # the machine's own high-pass at 35 Hz is to be undone
    assert fit.response == "filter"
    assert any("linear filter comes as near" in note for note in fit.notes)


def test_a_response_behind_the_tape_is_found_with_the_knobs(stimulus) -> None:
    shape = ((100.0, -3.0), (1000.0, 0.0), (10000.0, 4.0))
    target = played(stimulus, drive=0.7, bias=0.2, response_shape_db=shape)
    plan = FitPlan(names=("drive", "bias"), response="filter")
    fit = fit_machine(stimulus, target, sample_rate=RATE, base=CHEAP, plan=plan)
    assert fit.settings.drive == pytest.approx(0.7, abs=0.05)
    found = dict(fit.settings.response_shape_db or ())
    frequencies, levels = np.array(list(found)), np.array(list(found.values()))
    at = np.interp([200.0, 1000.0, 5000.0], frequencies, levels)
    wanted = np.interp(np.log([200.0, 1000.0, 5000.0]), np.log([p[0] for p in shape]), [p[1] for p in shape])
    np.testing.assert_allclose(at, wanted, atol=0.5)
    assert fit.held_out.esr < 0.01


def test_threads_change_nothing(stimulus) -> None:
    pair = FitPair(stimulus, played(stimulus, drive=0.7, bias=0.2), RATE)
    vector = np.array([0.5, 0.6])
    slopes = [
        Objective(pair, [Stretch(0, 100, RATE)], CHEAP, TWO.names, "gain", threads).jacobian(vector)
        for threads in (1, 3)
    ]
    np.testing.assert_array_equal(slopes[0], slopes[1])


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda x, y: (x, 0.0 * y), SignalError, "silent"),
        (lambda x, y: (0.0 * x, y), SignalError, "silent"),
        (lambda x, y: (x[: RATE // 2], y[: RATE // 2]), SignalError, "0.50 s"),
        (lambda x, y: (x, np.where(np.arange(len(y)) == 99, np.nan, y)), SignalError, "NaN"),
        (lambda x, y: (x, y[:-1]), MismatchError, "shape"),
        (lambda x, y: (x, np.roll(y, 5000)), MismatchError, "tapemeasure align"),
        (lambda x, y: (x, np.clip(y, -0.05 * y.max(), 0.05 * y.max())), SignalError, "clipped"),
        (lambda x, y: (x, programme(seed=9)), MismatchError, "not aligned"),
    ],
)
def test_bad_pairs_are_refused(stimulus, change, error, words) -> None:
    target = played(stimulus, drive=0.7, bias=0.2)
    with pytest.raises(error, match=words):
        fit_machine(*change(stimulus, target), sample_rate=RATE, base=CHEAP, plan=TWO)


@pytest.mark.parametrize("names", [("wow_pct",), (), ("drive", "drive")])
def test_wrong_settings_are_refused(stimulus, names) -> None:
    with pytest.raises(ParameterError, match="there are drive"):
        fit_machine(stimulus, stimulus, sample_rate=RATE, plan=FitPlan(names=names))


def test_parts_outside_the_pair_are_refused(stimulus) -> None:
    with pytest.raises(ParameterError, match="not within"):
        fit_machine(stimulus, stimulus, sample_rate=RATE, plan=FitPlan(fit_parts=((0, 10**9),)))
