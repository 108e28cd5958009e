"""Excerpts: short, bounded, audible, from the right place."""

import base64
import io

import numpy as np
import pytest
import soundfile

from tapemeasure.io import write_audio
from tapemeasure.report.gather import DeviceResults, Results, TakeResults, gather
from tapemeasure.report.players import ALL_BYTES, Player, players

RATE = 8000


def decoded(player: Player) -> np.ndarray:
    header, data = player.data_uri.split(",")
    assert header == "data:audio/flac;base64"
    samples, sample_rate = soundfile.read(io.BytesIO(base64.b64decode(data)), dtype="int16")
    assert len(samples) == pytest.approx(player.length_s * sample_rate, abs=1)
    return samples / 32767.0


def of_take(take: TakeResults, **excerpts) -> list[Player]:
    return list(players(Results((DeviceResults("deck", takes=(take,), excerpts=excerpts),), {}))["deck"])


def test_the_synthetic_machine_has_every_player(results_folder):
    found = players(gather(results_folder))
    assert found["akai"] == []
    labels = " ".join(player.label for player in found["machine"])
    for word in ("input", "output as recorded", "delay undone", "hiss", "network", "difference", "replica"):
        assert word in labels
    for player in found["machine"]:
        assert 0.0 < player.length_s <= 5.0
        assert np.abs(decoded(player)).max() > 0.05


def test_the_loudest_stretch_is_played_without_a_timeline(tmp_path):
    samples = np.zeros(30 * RATE)
    samples[12 * RATE : 17 * RATE] = 0.5
    write_audio(tmp_path / "a.wav", samples, sample_rate=RATE)
    player, _ = of_take(TakeResults("a", input=tmp_path / "a.wav", output=tmp_path / "a.wav"))
    np.testing.assert_allclose(decoded(player), 0.5, atol=1e-4)


def test_what_would_clip_is_lowered_and_told(tmp_path):
    write_audio(tmp_path / "a.wav", np.full(RATE, 1.5), sample_rate=RATE)
    player, _ = of_take(TakeResults("a", input=tmp_path / "a.wav", output=tmp_path / "a.wav"))
    assert player.gain_db == -4.0
    np.testing.assert_allclose(decoded(player), 1.5 * 10 ** (-4 / 20), atol=1e-4)


def test_hiss_is_raised_and_silence_is_left_alone(tmp_path):
    write_audio(tmp_path / "hiss.wav", np.full((RATE, 2), 1e-3), sample_rate=RATE)
    write_audio(tmp_path / "zero.wav", np.zeros(RATE), sample_rate=RATE)
    hiss, residual = of_take(TakeResults("a", hiss_audio=(tmp_path / "hiss.wav",)), residual=tmp_path / "zero.wav")
    assert hiss.gain_db == 48.0
    assert residual.gain_db == 0.0
    assert not decoded(residual).any()


def test_an_output_shorter_than_where_the_programme_starts_has_no_player(tmp_path):
    samples = np.zeros(20 * RATE)
    samples[15 * RATE :] = 0.5
    write_audio(tmp_path / "in.wav", samples, sample_rate=RATE)
    write_audio(tmp_path / "out.wav", samples[:RATE], sample_rate=RATE)
    found = of_take(TakeResults("a", input=tmp_path / "in.wav", output=tmp_path / "out.wav"))
    assert [player.label for player in found] == ["input (a)"]


def test_many_devices_share_the_room(tmp_path):
    hiss = 0.1 * np.random.default_rng(1).standard_normal(5 * 48000)
    write_audio(tmp_path / "a.wav", hiss, sample_rate=48000)
    take = TakeResults("a", input=tmp_path / "a.wav", output=tmp_path / "a.wav", aligned=tmp_path / "a.wav")
    devices = tuple(DeviceResults(f"deck {n}", takes=(take,)) for n in range(8))
    found = players(Results(devices, {}))
    total = sum(len(player.data_uri) for group in found.values() for player in group)
    # white noise, the worst there is, hardly packs
    assert 0.5 * ALL_BYTES < total < 1.4 * ALL_BYTES
