import numpy as np
import pytest

from tapemeasure.delay.bulk import find_bulk_delay
from tapemeasure.delay.gcc import best_path, coarse_path
from tapemeasure.delay.programme import match_programme
from tapemeasure.delay.resolution import SlowPair
from tapemeasure.devices.tape.model import TapeDevice
from tapemeasure.errors import NoMatchError
from tapemeasure.params import TapeSettings
from tapemeasure.params.tape import preset_settings
from tapemeasure.signals.programme import synthesize_programme


@pytest.mark.parametrize(("delay_s", "polarity"), [(0.0, 1), (0.1607, -1), (3.2, 1), (-1.5, -1)])
def test_delay_and_polarity_are_found(known, music: np.ndarray, delay_s: float, polarity: int) -> None:
    shift = round(delay_s * known.rate)
    late = np.concatenate([np.zeros(shift), music]) if shift >= 0 else music[-shift:]
    output = polarity * late + 1e-3 * np.random.default_rng(1).standard_normal(len(late))
    pair = SlowPair.of(music, output, sample_rate=known.rate)
    found = find_bulk_delay(pair, max_delay_s=5.0)
    assert coarse_path(pair, found)[1] == polarity
    assert np.median(found.delay_s) == pytest.approx(delay_s, abs=5e-4)


def test_an_output_thirty_seconds_late_is_found_by_its_loud_passages(known) -> None:
    music = known.music(8.0, seed=4)
    music[: 3 * known.rate] *= 1e-3
    hiss = 1e-3 * np.random.default_rng(5).standard_normal(40 * known.rate)
    output = hiss.copy()
    output[30 * known.rate : 38 * known.rate] -= music
    pair = SlowPair.of(music, output, sample_rate=known.rate)
    found = find_bulk_delay(pair, max_delay_s=40.0)
    assert coarse_path(pair, found)[1] == -1
    assert np.median(found.delay_s) == pytest.approx(30.0, abs=5e-4)


def test_a_short_output_is_found_in_a_long_input(known, music: np.ndarray) -> None:
    output = np.concatenate([np.zeros(700), music])[: 3 * known.rate // 2]
    found = find_bulk_delay(SlowPair.of(music, output, sample_rate=known.rate), max_delay_s=5.0)
    assert np.median(found.delay_s) == pytest.approx(700 / known.rate, abs=5e-4)


@pytest.mark.parametrize("kind", ["noise", "other music"])
def test_what_does_not_belong_together_is_refused(known, music: np.ndarray, kind: str) -> None:
    other = np.random.default_rng(2).standard_normal(len(music)) if kind == "noise" else known.music(4.0, seed=9)
    with pytest.raises(NoMatchError, match="no matching audio"):
        match_programme(music, other, sample_rate=known.rate, max_delay_s=5.0)


def test_a_delay_beyond_the_limit_is_not_found(known, music: np.ndarray) -> None:
    late = np.concatenate([np.zeros(2 * known.rate), music])
    with pytest.raises(NoMatchError, match=r"\+-1 s"):
        match_programme(music, late, sample_rate=known.rate, max_delay_s=1.0)


def test_the_best_path_does_not_jump_to_a_lone_peak() -> None:
    reward = np.zeros((20, 30))
    reward[np.arange(20), 10 + np.arange(20) // 4] = 1.0
    reward[8, 25] = 1.5
    np.testing.assert_array_equal(best_path(reward, max_step=2), 10 + np.arange(20) // 4)


def test_of_a_loop_the_smallest_delay_is_taken_and_the_others_are_told(known) -> None:
    loop = np.tile(known.music(2.0), 8)
    late = known.machine(loop, lambda time_s: 0.05 + 0.0 * time_s)
    bulk = find_bulk_delay(SlowPair.of(loop, late, sample_rate=known.rate), max_delay_s=10.0)
    assert np.median(bulk.delay_s) == pytest.approx(0.05, abs=5e-3)
    turns = (np.array(bulk.others_s) - 0.05) / 2.0
    assert len(turns) > 0
    assert turns == pytest.approx(np.round(turns), abs=5e-3)
    plain = known.music(6.0, seed=3)
    assert (
        find_bulk_delay(SlowPair.of(plain, known.machine(plain), sample_rate=known.rate), max_delay_s=10.0).others_s
        == ()
    )


@pytest.mark.parametrize("seed", [7, 9])
def test_the_polarity_of_bass_heavy_music_is_that_of_the_whole_path(seed: int) -> None:
    # the phase of the bass through the machine turns single passages upside down: both were once taken for inverted
    rate = 44100
    generator = np.random.default_rng(seed)
    music = synthesize_programme(length_samples=12 * rate, sample_rate=rate, peak_dbfs=-6.0, generator=generator)
    output = TapeDevice(TapeSettings(**preset_settings("akai_4000d")), seed=seed).run(music, sample_rate=rate).samples
    found = match_programme(music, output[:, 0], sample_rate=rate, max_delay_s=5.0)
    assert found.polarity == 1
    assert found.match > 0.5


def test_the_best_path_jumps_to_where_it_pays_for_the_price() -> None:
    reward = np.zeros((20, 30))
    reward[:10, 4], reward[10:, 25] = 1.0, 1.0
    np.testing.assert_array_equal(best_path(reward, max_step=2, jump_cost=3.0), np.where(np.arange(20) < 10, 4, 25))
    # for ten frames it would cost eleven
    assert np.ptp(best_path(reward, max_step=0, jump_cost=11.0)) == 0
