"""Sound cards: what PortAudio lists, and which of them a name or a number means.

Names are kept with their host API and never as an index, which changes when a plug is pulled; MME cuts names at 31
characters, so that part of a name is enough everywhere.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tapemeasure.errors import DeviceError, MissingDependencyError

DEFAULT = "default"


@dataclass(frozen=True)
class SoundCard:
    """One entry of PortAudio's list.

    Parameters
    ----------
    index : int
        Its number in this session; never stored.
    name, host_api : str
        As PortAudio gives them.
    input_channels, output_channels : int
        Channels it records and plays at most.
    default_sample_rate : int
        Hz.
    is_default_input, is_default_output : bool
        Whether the system records or plays through it by itself.
    """

    index: int
    name: str
    host_api: str
    input_channels: int
    output_channels: int
    default_sample_rate: int
    is_default_input: bool = False
    is_default_output: bool = False

    def __str__(self) -> str:
        return f"{self.name} ({self.host_api})"


@dataclass(frozen=True)
class Connection:
    """The card that plays and the card that records; for most interfaces one and the same."""

    output: SoundCard
    input: SoundCard


def portaudio() -> Any:
    """The module ``sounddevice`` with PortAudio running.

    Raises
    ------
    MissingDependencyError
        If the package or the PortAudio library is not installed.
    DeviceError
        If PortAudio does not start.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise MissingDependencyError(
            "the Python package sounddevice is not installed; `pip install sounddevice`"
        ) from error
    except OSError as error:
        raise MissingDependencyError(
            "the PortAudio library is not installed; Debian, Ubuntu: `apt install libportaudio2`, macOS: "
            "`brew install portaudio`, Windows: `pip install --force-reinstall sounddevice`"
        ) from error
    except Exception as error:
        # PortAudioError lives in the module that failed to import, so only its name can be compared
        if type(error).__name__ != "PortAudioError":
            raise
        raise DeviceError(f"PortAudio does not start ({error}); check the system's audio service") from error
    return sounddevice


def list_sound_cards() -> list[SoundCard]:
    """All sound cards that PortAudio sees, in its order; errors as in `portaudio`."""
    sounddevice = portaudio()
    host_apis = [str(api["name"]) for api in sounddevice.query_hostapis()]
    default_input, default_output = sounddevice.default.device
    return [
        SoundCard(
            index=int(entry["index"]),
            name=str(entry["name"]),
            host_api=host_apis[entry["hostapi"]],
            input_channels=int(entry["max_input_channels"]),
            output_channels=int(entry["max_output_channels"]),
            default_sample_rate=round(entry["default_samplerate"]),
            is_default_input=entry["index"] == default_input,
            is_default_output=entry["index"] == default_output,
        )
        for entry in sounddevice.query_devices()
    ]


def find_connection(cards: Sequence[SoundCard], *, match: str, host_api: str | None = None) -> Connection:
    """The cards that a name, a part of a name, an index or ``default`` means.

    Parameters
    ----------
    cards : sequence of SoundCard
        What there is.
    match : str
        ``default``; an index; or words that the name contains in this order, in either case. A name that is matched
        as a whole wins over those that only contain it.
    host_api : str, optional
        Part of the host API's name, where one card is listed under several.

    Raises
    ------
    DeviceError
        If nothing matches (the message lists what there is) or several cards do (it lists the candidates).

    Examples
    --------
    >>> deck = SoundCard(3, "Akai 4000D", "JACK Audio Connection Kit", 2, 2, 44100)
    >>> find_connection([deck], match="akai").input.name
    'Akai 4000D'
    """
    usable = [card for card in cards if host_api is None or host_api.lower() in card.host_api.lower()]
    if cards and not usable:
        known = ", ".join(dict.fromkeys(card.host_api for card in cards))
        raise DeviceError(f"host_api {host_api!r}: no sound card is listed under it; there are {known}")
    if match == DEFAULT:
        outputs = [card for card in usable if card.is_default_output]
        inputs = [card for card in usable if card.is_default_input]
    else:
        named = _named(usable, match)
        if not named:
            raise DeviceError(f"no sound card matches {match!r}; there {_listing(cards)}")
        outputs = named
        inputs = named
    connection = Connection(
        output=_only(outputs, match, "plays", lambda card: card.output_channels),
        input=_only(inputs, match, "records", lambda card: card.input_channels),
    )
    if connection.output.host_api != connection.input.host_api:
        raise DeviceError(
            f"{match!r} plays through {connection.output} and records through {connection.input}; both need the same "
            "host API: set host_api in the device's settings"
        )
    return connection


def find_input(cards: Sequence[SoundCard], *, match: str, host_api: str | None = None) -> SoundCard:
    """The card that records, for work that plays nothing; arguments and errors as in `find_connection`."""
    usable = [card for card in cards if host_api is None or host_api.lower() in card.host_api.lower()]
    if match == DEFAULT:
        return _only([card for card in usable if card.is_default_input], match, "records", _input_channels)
    named = _named(usable, match)
    if not named:
        raise DeviceError(f"no sound card matches {match!r}; there {_listing(cards)}")
    return _only(named, match, "records", _input_channels)


def _input_channels(card: SoundCard) -> int:
    return card.input_channels


def _named(cards: Sequence[SoundCard], match: str) -> list[SoundCard]:
    by_index = [card for card in cards if match.isdecimal() and card.index == int(match)]
    if by_index:
        return by_index
    whole = [card for card in cards if card.name.lower() == match.lower()]
    return whole or [card for card in cards if _contains_words(card.name.lower(), match.lower().split())]


def _contains_words(name: str, words: Sequence[str]) -> bool:
    position = 0
    for word in words:
        found = name.find(word, position)
        if found < 0:
            return False
        position = found + len(word)
    return True


def _only(cards: Sequence[SoundCard], match: str, verb: str, channels: Callable[[SoundCard], int]) -> SoundCard:
    candidates = [card for card in cards if channels(card) > 0]
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        what = "the system has no default sound card" if match == DEFAULT else f"no sound card matching {match!r}"
        raise DeviceError(f"{what} that {verb}; `tapemeasure devices` lists what there is")
    raise DeviceError(
        f"{match!r} means several sound cards; give more of the name, or set host_api. There {_listing(candidates)}"
    )


def _listing(cards: Sequence[SoundCard]) -> str:
    if not cards:
        return "is none at all: plug one in, or start the audio server"
    lines = [
        f"\n  {card.index}  {card}, {card.input_channels} in, {card.output_channels} out, {card.default_sample_rate} Hz"
        for card in cards
    ]
    return "are" + "".join(lines)
