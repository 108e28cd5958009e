"""A whole replica block by block: any cut gives the same bits, and the same as delay and hiss put on afterwards."""

import itertools
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapemeasure.delay.apply import apply_delay
from tapemeasure.errors import MismatchError, SignalError
from tapemeasure.generators.ahead import Ahead, ReadyNoise
from tapemeasure.generators.amounts import Amounts
from tapemeasure.generators.base import measured_delay
from tapemeasure.generators.bootstrap import fit_bootstrap
from tapemeasure.generators.hiss import fit_hiss
from tapemeasure.generators.play import CHUNK_POINTS, DelayRange, HissSource, delay_chunks, delay_range, generated_delay
from tapemeasure.generators.sinusoids import fit_random_phase, fit_sinusoids
from tapemeasure.generators.tape_motion import SplineMotion, TrajectoryMotion, chunks_of, spline_chunks
from tapemeasure.generators.whole_replica import WholeReplica, played_through
from tapemeasure.replica.model import Replica
from tapemeasure.replica.player import played_blocks
from tapemeasure.trajectory import DelayTrajectory

RATE = 8000
RATE_HZ = 100.0
HEAD_DELAY_S = 0.05
MORE = Amounts(wow=1.5, drift=2.0)


def known(delay_s):
    n = len(delay_s)
    return DelayTrajectory(0.0, RATE_HZ, delay_s, np.zeros(n), np.ones(n, dtype=bool))


def machine():
    generator = np.random.default_rng(1)
    time_s = np.arange(6000) / RATE_HZ
    wow = 2e-4 * np.sin(2.0 * np.pi * 0.7 * time_s) + 5e-5 * np.sin(2.0 * np.pi * 8.0 * time_s)
    return measured_delay([known(HEAD_DELAY_S + wow + 2e-6 * generator.standard_normal(6000))])


LEARNED = machine()
MODELS = {name: fit(LEARNED) for name, fit in
          (("lines", fit_sinusoids), ("random_phase", fit_random_phase), ("bootstrap", fit_bootstrap))}  # fmt: skip
HISS = fit_hiss([1e-3 * np.random.default_rng(2).standard_normal((2 * RATE, 1))], sample_rate=RATE)
SIGNAL = 0.3 * np.random.default_rng(3).standard_normal((3 * RATE, 2))


def recording_path(*, lead_samples=11):
    """Four units and a filter that only delays by its lead."""
    generator = np.random.default_rng(4)
    weights = [generator.standard_normal(shape).astype(np.float32) for shape in ((12, 2), (12, 4), 12, 12, 4)]
    taps = np.zeros(lead_samples + 1)
    taps[-1] = 1.0
    return Replica(RATE, "gru", *weights, 0.0, 1.0, taps, lead_samples)


def wire():
    """A recording path that changes nothing."""
    none = [np.zeros(shape, np.float32) for shape in ((12, 2), (12, 4), 12, 12, 4)]
    return Replica(RATE, "gru", *none, 0.0, 1.0, np.zeros(0), 0)


def moving(name="lines", *, amounts=MORE, seed=1):
    model = MODELS[name]
    pieces = spline_chunks(delay_chunks(model, generator=np.random.default_rng(seed), amounts=amounts))
    return SplineMotion(lambda: next(pieces), rate_hz=RATE_HZ, limits=delay_range(model, amounts))


def whole(**options):
    noise = HissSource(HISS, n_channels=2, sample_rate=RATE, generator=np.random.default_rng(7))
    return WholeReplica(
        recording_path(), **{"n_channels": 2, "motion": moving(), "noise": noise.read, "gain": 1.4, **options}
    )


@pytest.fixture(scope="module")
def at_once():
    return whole().process(SIGNAL)


@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(1, 6000), min_size=1, max_size=6))
def test_any_cut_gives_the_same_bits(at_once, sizes):
    replica, parts, done = whole(), [], 0
    for size in itertools.cycle(sizes):
        if done >= len(SIGNAL):
            break
        parts.append(replica.process(SIGNAL[done : done + size]))
        done += size
    np.testing.assert_array_equal(np.concatenate(parts), at_once)


def test_it_is_the_recording_path_with_delay_and_hiss_put_on_afterwards():
    """Another implementation as the oracle: a file's recording path, its delay from one spline, its hiss."""
    trajectory = generated_delay(MODELS["lines"], duration_s=3.0, generator=np.random.default_rng(1), amounts=MORE)
    played = np.concatenate(list(played_blocks(recording_path(), [1.4 * SIGNAL], n_channels=2))) / 1.4
    expected = apply_delay(played, trajectory, sample_rate=RATE)
    expected += HissSource(HISS, n_channels=2, sample_rate=RATE, generator=np.random.default_rng(7)).read(len(expected))
    output = np.concatenate(list(played_through(whole(), [SIGNAL[:9000], SIGNAL[9000:]], n_samples=len(SIGNAL))))
    # the far end apart: behind a file there is silence, behind the path its own answer to it
    np.testing.assert_allclose(output[:-200], expected[:-200], rtol=0.0, atol=1e-8)


def test_without_a_whole_start_it_comes_earlier_by_whole_samples(at_once):
    early = whole(whole_start=False)
    assert early.lag_samples < 0
    output = early.process(SIGNAL)
    np.testing.assert_array_equal(output[: early.lag_samples], at_once[-early.lag_samples :])


@pytest.mark.parametrize("whole_start", [True, False])
def test_the_latency_is_as_told(whole_start):
    """A click comes out that much later, within the wobble."""
    replica = WholeReplica(wire(), n_channels=1, motion=moving(), whole_start=whole_start)
    click = np.zeros((RATE, 1))
    click[3000] = 1.0
    limits = delay_range(MODELS["lines"], MORE)
    came = int(np.argmax(np.abs(replica.process(click)[:, 0]))) - 3000
    assert came == pytest.approx(replica.latency_samples, abs=0.55 * (limits.high_s - limits.low_s) * RATE + 1.0)
    assert replica.latency_samples == pytest.approx(HEAD_DELAY_S * RATE if whole_start else 40.0, abs=8.0)


def test_tracks_share_the_delay():
    both = WholeReplica(recording_path(), n_channels=2, motion=moving()).process(np.repeat(SIGNAL[:, :1], 2, axis=1))
    np.testing.assert_array_equal(both[:, 0], both[:, 1])
    noise = HissSource(HISS, n_channels=2, sample_rate=RATE, generator=np.random.default_rng(7)).read(2 * RATE)
    assert abs(np.corrcoef(noise.T)[0, 1]) < 0.03


def test_a_known_delay_is_held_behind_its_end():
    motion = TrajectoryMotion(known(np.linspace(0.010, 0.012, 100)))
    assert motion.read(0, 1, sample_rate=RATE)[0] == pytest.approx(0.010, abs=1e-12)
    np.testing.assert_allclose(motion.read(2 * RATE, 5, sample_rate=RATE), 0.012, atol=1e-12)
    output = WholeReplica(wire(), n_channels=2, motion=motion).process(SIGNAL)
    # 96 samples late from the first second on
    np.testing.assert_allclose(output[2 * RATE :], SIGNAL[2 * RATE - 96 : -96], atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_ten_minutes_have_no_seam(name):
    """The joints of the spline's chunks are no rougher than what lies between: by delay, speed and its change."""
    motion, step = moving(name), 40
    parts = [motion.read(first, 40000, sample_rate=RATE)[::step] for first in range(0, 600 * RATE, 40000)]
    delay_s = np.concatenate(parts)
    assert motion.held_samples == 0
    per_chunk = CHUNK_POINTS * RATE // (step * int(RATE_HZ))
    for order in (1, 2, 3):
        rough = np.abs(np.diff(delay_s, order))
        at_joint = np.zeros(len(rough), dtype=bool)
        for beside in range(-order, 1):
            at_joint[per_chunk + beside :: per_chunk] = True
        assert rough[at_joint].max() <= rough[~at_joint].max()
        assert np.sqrt(np.mean(rough[at_joint] ** 2)) == pytest.approx(np.sqrt(np.mean(rough**2)), rel=0.25)


def test_the_spline_of_chunks_is_the_spline_of_the_whole():
    delay_s = np.concatenate(
        list(itertools.islice(delay_chunks(MODELS["lines"], generator=np.random.default_rng(1), amounts=MORE), 12))
    )
    pieces = spline_chunks(chunks_of(delay_s))
    motion = SplineMotion(lambda: next(pieces), rate_hz=RATE_HZ, limits=DelayRange(0.0, 1.0))
    n = 25 * RATE
    found = np.concatenate([motion.read(first, 5000, sample_rate=RATE) for first in range(0, n, 5000)])
    np.testing.assert_allclose(found, known(delay_s).at(np.arange(n) / RATE), rtol=0.0, atol=1e-14)


def test_a_delay_that_is_not_ready_is_held_and_counted():
    made = spline_chunks(delay_chunks(MODELS["lines"], generator=np.random.default_rng(1), amounts=MORE))
    ready = iter([next(made), None, None])
    motion = SplineMotion(lambda: next(ready), rate_hz=RATE_HZ, limits=delay_range(MODELS["lines"], MORE))
    n_ready = CHUNK_POINTS * RATE // int(RATE_HZ)
    delay_s = motion.read(0, n_ready + 10, sample_rate=RATE)
    assert motion.held_samples == 10
    np.testing.assert_array_equal(delay_s[n_ready:], delay_s[n_ready])


def test_amounts_that_turn_time_round_are_told():
    with pytest.raises(SignalError, match="give less --wow"):
        delay_range(MODELS["lines"], Amounts(flutter=1e4))


def test_a_delay_stays_in_its_range():
    limits = delay_range(MODELS["lines"], MORE)
    motion = moving()
    delay_s = np.concatenate([motion.read(first, RATE, sample_rate=RATE) for first in range(0, 200 * RATE, RATE)])
    assert limits.low_s < delay_s.min() < delay_s.max() < limits.high_s
    assert limits.high_s - limits.low_s < 2.0 * np.ptp(delay_s)


def test_what_is_made_ahead_comes_in_order_and_never_waits():
    gate = threading.Event()

    def chunks():
        for number in itertools.count():
            if number == 3:
                gate.wait()
            yield np.full((4, 1), float(number))

    ahead = Ahead(chunks(), depth=3)
    try:
        ahead.fill()
        noise = ReadyNoise(ahead, n_channels=1)
        assert noise.read(10)[:, 0].tolist() == [0.0] * 4 + [1.0] * 4 + [2.0] * 2
        assert noise.read(5)[:, 0].tolist() == [2.0, 2.0, 0.0, 0.0, 0.0]
        assert noise.missed_samples == 3
        assert noise.read(0).shape == (0, 1)
        gate.set()
        ahead.fill()
        assert noise.read(4)[:, 0].tolist() == [3.0] * 4
    finally:
        gate.set()
        ahead.close()


def test_what_ends_the_making_is_told():
    def chunks():
        yield np.zeros(3)
        raise SignalError("nothing left")

    ahead = Ahead(chunks(), depth=2)
    with pytest.raises(SignalError, match="nothing left"):
        ahead.fill()
    assert ahead.take().shape == (3,)
    assert ahead.take() is None
    ahead.close()


def test_hiss_of_another_rate_is_refused():
    with pytest.raises(MismatchError, match=rf"learned at {RATE} Hz, what is played has 96000 Hz"):
        HissSource(HISS, n_channels=2, sample_rate=96000, generator=np.random.default_rng(7))
