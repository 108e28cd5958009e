"""The card that a meter listens to: it need not play."""

import pytest

from tapemeasure.devices.sound_cards import SoundCard, find_input
from tapemeasure.errors import DeviceError

RECORDER = SoundCard(0, "USB In", "ALSA", 2, 0, 48000, is_default_input=True)
BOTH = SoundCard(1, "Akai 4000D", "JACK", 2, 2, 44100)
PLAYER = SoundCard(2, "USB Out", "ALSA", 0, 2, 48000)
CARDS = [RECORDER, BOTH, PLAYER]


@pytest.mark.parametrize(
    ("match", "card"), [("usb in", RECORDER), ("akai", BOTH), ("default", RECORDER), ("usb", RECORDER), ("1", BOTH)]
)
def test_the_one_that_records_is_found(match: str, card: SoundCard) -> None:
    assert find_input(CARDS, match=match) is card


@pytest.mark.parametrize(
    ("match", "host_api", "text"),
    [
        ("revox", None, "no sound card matches 'revox'"),
        ("usb out", None, "that records"),
        ("default", "JACK", "no default sound card that records"),
    ],
)
def test_none_that_records_is_told(match: str, host_api: str | None, text: str) -> None:
    with pytest.raises(DeviceError, match=text):
        find_input(CARDS, match=match, host_api=host_api)
