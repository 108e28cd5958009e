"""The virtual deck without a server: transport, faults, truth, block by block."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapemeasure.devices.deck.faults import KINDS, Fault, parse_fault
from tapemeasure.devices.deck.machine import TapeMachine, Wire, new_machine
from tapemeasure.devices.deck.slip import Slip
from tapemeasure.devices.deck.transport import Deck
from tapemeasure.devices.deck.truth import deck_facts, deck_trajectories, for_take
from tapemeasure.errors import DeviceError, ParameterError
from tapemeasure.params import ChowtapeProfile, IdentityProfile, TapeProfile, TapeSettings

RATE = 8000
CHEAP = TapeSettings(solver="RK2", oversampling=1, head_delay_ms=50.0, wow_depth=0.3, wow_variance=0.5)


def _played(deck: Deck, samples: np.ndarray, *, block: int = 256) -> np.ndarray:
    pieces = [samples[start : start + block] for start in range(0, len(samples), block)]
    return np.concatenate([deck.process(piece) for piece in pieces])


def _deck(*faults: str, **arguments: float) -> Deck:
    deck = Deck(sample_rate=RATE, n_channels=2, faults=[parse_fault(text) for text in faults], **arguments)
    deck.start("rolling", Wire())
    return deck


def _noise(seconds: float, *, silence_s: float = 0.5) -> np.ndarray:
    noise = np.random.default_rng(5).uniform(-0.5, 0.5, (round(seconds * RATE), 2))
    return np.concatenate([np.zeros((round(silence_s * RATE), 2)), noise])


def test_a_wire_deck_gives_back_every_sample() -> None:
    samples = _noise(1.0)
    np.testing.assert_array_equal(_played(_deck(), samples), samples)


@given(block=st.integers(1, 700), lost=st.integers(-300, 300), at=st.integers(100, 3000))
def test_lost_samples_are_left_out_at_their_place_whatever_the_blocks(block: int, lost: int, at: int) -> None:
    samples = np.arange(1.0, 4001.0)[:, np.newaxis]
    slip = Slip(300, 1)
    slip.lose(at, lost)
    out = np.concatenate([slip.process(samples[k : k + block]) for k in range(0, 4000, block)])[:, 0]
    position = np.arange(4000)
    source = position - 300 + np.where(position >= max(at, 2), lost, 0)
    np.testing.assert_array_equal(out, np.where(source >= 0, source + 1.0, 0.0))


def test_more_cannot_get_lost_than_there_is_in_reserve() -> None:
    with pytest.raises(DeviceError, match="301 samples cannot get lost, 300 are in reserve"):
        Slip(300, 1).lose(1000, 301)


def test_a_tape_that_slows_down_has_its_exact_delay() -> None:
    # heads 800 samples apart; at half the speed the delay grows by 800 within 1600 samples
    slip = Slip(64, 1)
    slip.change_speed(1000, ratio=0.5, gap_samples=800.0, length_samples=None)
    delay = slip.delay_samples(np.array([0.0, 1000.0, 1800.0, 2600.0, 9000.0])) - 64.0
    np.testing.assert_allclose(delay, [0.0, 0.0, 400.0, 800.0, 800.0])


def test_faults_begin_anew_with_every_sound() -> None:
    deck = _deck("dead@0.25+0.1")
    samples = np.concatenate([_noise(1.0), _noise(1.0)])
    dead = np.flatnonzero(np.all(_played(deck, samples) == 0.0, axis=1) & np.any(samples != 0.0, axis=1))
    first = round(0.75 * RATE)
    expected = np.concatenate([np.arange(first, first + 800), np.arange(first, first + 800) + round(1.5 * RATE)])
    np.testing.assert_array_equal(dead, expected)
    assert deck.sounds == [round(0.5 * RATE), round(2.0 * RATE)]
    assert [event["start_s"] for event in deck_facts(deck)["events"]] == pytest.approx([0.75, 2.25])


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("level=-20", lambda x, y: np.allclose(y, 0.1 * x)),
        ("level=-20:2", lambda x, y: np.allclose(y[:, 1], 0.1 * x[:, 1]) and np.array_equal(y[:, 0], x[:, 0])),
        ("dead:1", lambda x, y: np.all(y[:, 0] == 0.0) and np.array_equal(y[:, 1], x[:, 1])),
        ("inverted", lambda x, y: np.array_equal(y, -x)),
        ("clip=40", lambda x, y: np.abs(y).max() == 1.0 and np.mean(np.abs(y) == 1.0) > 0.9),
        ("hum=-20", lambda x, y: abs(np.sqrt(np.mean((y - x) ** 2)) - 0.1) < 1e-3),
    ],
)
def test_constant_faults(text: str, check: object) -> None:
    samples = _noise(1.0)[round(0.5 * RATE) :]
    assert check(samples, _played(_deck(text), samples))  # type: ignore[operator]


def test_what_gets_lost_is_in_reserve_again_with_the_next_sound_and_not_behind_one() -> None:
    deck = _deck("lost_block=100@0.8")
    short, long = _noise(0.3, silence_s=1.0), _noise(1.0, silence_s=1.0)
    samples = np.concatenate([short, long, long, np.zeros((RATE, 2))])
    out = _played(deck, samples)
    assert [event["start_s"] for event in deck.log] == pytest.approx([3.1, 5.1])
    delay_s = deck_trajectories(deck)["delay"].at(np.array([3.0, 3.2, 5.0, 5.2]))
    np.testing.assert_allclose(delay_s * RATE, [100.0, 0.0, 100.0, 0.0], atol=1e-6)
    at = round(5.15 * RATE)
    np.testing.assert_array_equal(out[at : at + 500], samples[at : at + 500])


def test_a_dropout_has_its_depth_and_length() -> None:
    samples = np.ones((RATE, 2))
    out = _played(_deck("dropout=20:2@0.5+0.05"), samples)
    np.testing.assert_array_equal(out[:, 0], 1.0)
    below = np.flatnonzero(out[:, 1] < 1.0) / RATE
    assert (below.min(), below.max()) == pytest.approx((0.5, 0.55), abs=1e-3)
    assert out[:, 1].min() == pytest.approx(0.1)


def test_two_heads_record_rewind_and_play_at_another_speed() -> None:
    deck = Deck(sample_rate=RATE, n_channels=1, faults=[Fault("speed", 1.0)])
    time_s = np.arange(4 * RATE) / RATE
    tone = np.sin(2.0 * np.pi * 500.0 * time_s)[:, np.newaxis]
    deck.start("recording")
    np.testing.assert_array_equal(_played(deck, tone), 0.0)
    deck.start("playing", Wire())
    out = _played(deck, np.zeros_like(tone))[:, 0]
    truth = deck_trajectories(deck)["delay"]
    assert deck.reserve_samples == 32
    np.testing.assert_allclose(truth.delay_s, -0.01 * truth.time_s + 1.01 * 32 / RATE, atol=1e-12)
    # one percent faster: 505 Hz, read by a windowed sinc of better than -80 dB
    expected = np.sin(2.0 * np.pi * 500.0 * (time_s - truth.at(time_s)))
    np.testing.assert_allclose(out[200:30000], expected[200:30000], atol=1e-4)


def test_the_tape_machine_plays_as_much_as_it_is_given_and_knows_its_delay() -> None:
    machine = TapeMachine(CHEAP, RATE, 1, 4 * RATE, 3)
    deck = Deck(sample_rate=RATE, n_channels=1, tape_s=4.0)
    deck.start("rolling", machine)
    samples = np.zeros((4 * RATE, 1))
    clicks = np.arange(round(0.5 * RATE), round(3.4 * RATE), round(0.2 * RATE))
    samples[clicks] = 0.3
    out = _played(deck, samples, block=500)[:, 0]
    assert len(out) == len(samples)
    truth = deck_trajectories(deck)["delay"]
    late = []
    for click in clicks:
        window = out[click : click + round(0.15 * RATE)]
        late.append(int(np.argmax(np.abs(window))))
    found_s = np.array(late) / RATE
    known_s = truth.at(clicks / RATE + found_s)
    # the peak of a click through the machine's filters: to a sample but for a constant
    assert np.std(found_s - known_s) < 0.6 / RATE


def test_the_truth_lies_on_the_takes_own_time_axis() -> None:
    deck = _deck("lost_block=100@1.0")
    samples = np.concatenate([_noise(2.0), np.zeros((RATE, 2))])
    out = _played(deck, samples)
    truth = for_take(deck_trajectories(deck)["delay"], sound_s=deck.sounds[0] / RATE, first_sound_s=0.0)
    take = out[deck.sounds[0] :]
    delay = np.round(truth.at(np.array([0.9, 1.1])) * RATE).astype(int)
    assert delay.tolist() == [100, 0]
    for moment in (0.9, 1.1):
        at, late = round(moment * RATE), int(np.round(truth.at(np.array([moment]))[0] * RATE))
        np.testing.assert_array_equal(take[at : at + 10], samples[deck.sounds[0] + at - late :][:10])


def test_the_tape_ends() -> None:
    deck = Deck(sample_rate=RATE, n_channels=2, tape_s=1.0)
    deck.start("rolling", Wire())
    out = _played(deck, np.ones((3 * RATE, 2)))
    assert np.all(out[: RATE - 256] == 1.0)
    assert np.all(out[RATE + 256 :] == 0.0)
    assert deck.log[-1]["kind"] == "end_of_tape"


@pytest.mark.parametrize(
    "text", ["smoke", "dropout=", "level=abc", "dropout=500@1", "lost_block=1.5@1", "hum:0", "dead@1..2"]
)
def test_what_is_no_fault_is_told(text: str) -> None:
    with pytest.raises(ParameterError, match="fault"):
        parse_fault(text)


def test_every_kind_can_be_written() -> None:
    assert {parse_fault(kind).kind for kind in KINDS} == set(KINDS)
    assert parse_fault("lost_block=-64@1.5") == Fault("lost_block", -64.0, None, 1.5, None)


def test_machines_of_profiles() -> None:
    assert isinstance(new_machine(IdentityProfile(kind="identity"), sample_rate=RATE, n_channels=2, n_samples=8), Wire)
    tape = new_machine(TapeProfile(kind="tape", settings=CHEAP), sample_rate=RATE, n_channels=1, n_samples=800)
    assert isinstance(tape, TapeMachine)
    with pytest.raises(DeviceError, match="kind chowtape cannot run as a deck"):
        new_machine(ChowtapeProfile(kind="chowtape"), sample_rate=RATE, n_channels=1, n_samples=8)
