"""Which sound card a name means, and what is said where there is none or no PortAudio."""

import sys
from pathlib import Path

import pytest

from tapemeasure.devices.sound_cards import SoundCard, find_connection, list_sound_cards
from tapemeasure.errors import DeviceError, MissingDependencyError

DECK = SoundCard(0, "Akai 4000D", "JACK", 2, 2, 44100, is_default_input=True, is_default_output=True)
OTHER = SoundCard(1, "Akai 4000D copy", "JACK", 2, 2, 44100)
MIC = SoundCard(2, "USB Audio CODEC", "MME", 2, 0, 44100)
SPEAKER = SoundCard(3, "USB Audio CODEC", "MME", 0, 2, 44100)
SPEAKER_WASAPI = SoundCard(4, "USB Audio CODEC", "WASAPI", 0, 2, 44100)


@pytest.mark.parametrize(
    ("match", "played", "recorded"),
    [
        ("default", DECK, DECK),
        ("1", OTHER, OTHER),
        ("akai 4000d", DECK, DECK),
        ("akai copy", OTHER, OTHER),
        ("usb codec", SPEAKER, MIC),
    ],
)
def test_a_card_is_found_by_name_part_index_or_default(match: str, played: SoundCard, recorded: SoundCard) -> None:
    connection = find_connection([DECK, OTHER, MIC, SPEAKER], match=match)
    assert (connection.output, connection.input) == (played, recorded)


def test_an_ambiguous_name_lists_the_candidates() -> None:
    with pytest.raises(DeviceError, match=r"(?s)'akai' means several.*0  Akai 4000D \(JACK\).*1  Akai 4000D copy"):
        find_connection([DECK, OTHER, MIC], match="akai")


def test_a_card_under_two_host_apis_needs_the_host_api() -> None:
    cards = [MIC, SPEAKER, SPEAKER_WASAPI]
    with pytest.raises(DeviceError, match=r"means several sound cards.*host_api"):
        find_connection(cards, match="usb")
    assert find_connection(cards, match="usb", host_api="mme").output == SPEAKER
    with pytest.raises(DeviceError, match="both need the same host API"):
        find_connection([MIC, SPEAKER_WASAPI], match="usb")


def test_without_cards_the_message_says_so() -> None:
    with pytest.raises(DeviceError, match="none at all"):
        find_connection([], match="akai")
    with pytest.raises(DeviceError, match="no default sound card"):
        find_connection([], match="default")
    with pytest.raises(DeviceError, match="no sound card matching 'usb' that records"):
        find_connection([SPEAKER], match="usb")


def test_a_missing_library_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingDependencyError, match=r"apt install libportaudio2.*brew install portaudio"):
        list_sound_cards()
    monkeypatch.setitem(sys.modules, "sounddevice", None)  # type: ignore[arg-type]
    with pytest.raises(MissingDependencyError, match="pip install sounddevice"):
        list_sound_cards()
