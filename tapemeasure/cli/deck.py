"""``tapemeasure deck``: a virtual tape deck on a JACK server, to try a recording without a machine."""

import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapemeasure.cli import completion
from tapemeasure.cli.common import (
    TRAJECTORY_ENDINGS,
    FiniteRange,
    check_output,
    force_option,
    json_option,
    params_option,
    params_or_defaults,
    print_result,
)
from tapemeasure.cli.simulate import changed_profile, find_profile
from tapemeasure.errors import DeviceError, TapeMeasureError, UsageError
from tapemeasure.io import provenance, write_json
from tapemeasure.params import DeviceProfile, TapeProfile, preset_settings

if TYPE_CHECKING:
    from tapemeasure.devices.deck.client import DeckClient
    from tapemeasure.devices.deck.transport import Deck

POLL_S = 0.05
COMMANDS = "record, play, stop, fault SPEC, clear, status, quit"


@click.command(epilog="Exit codes: 0 ended as asked, 1 the server ended or the deck failed, 2 usage.")
@click.option("--name", default="Akai 4000D", show_default=True, metavar="NAME", help="As sound cards are listed by.")
@click.option("--device", "device_name", default="tape", show_default=True, metavar="NAME",
              shell_complete=completion.simulated_devices,
              help="The machine inside: a profile of the params file, or tape, identity.")  # fmt: skip
@click.option("--preset", metavar="NAME", shell_complete=completion.presets,
              help="A preset of the tape machine, e.g. akai_4000d.")  # fmt: skip
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Change a setting; may be repeated.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), metavar="N", help="Seed of everything random.")
@click.option("--heads", type=click.Choice(["2", "3"]), default="3", show_default=True,
              help="3: records and plays at once. 2: records; the command play rewinds and plays.")  # fmt: skip
@click.option("--channels", "n_channels", type=click.IntRange(1, 8), default=2, show_default=True, metavar="N",
              help="Channels in and out.")  # fmt: skip
@click.option("--tape", "tape_s", type=FiniteRange(1.0, 36000.0), default=1800.0, show_default=True, metavar="S",
              help="Length of the tape, seconds.")  # fmt: skip
@click.option("--fault", "fault_texts", multiple=True, metavar="SPEC",
              help="KIND[=VALUE][:CHANNEL][@START[+LENGTH]], seconds after the sound began; may be repeated. Kinds: "
              "dropout, lost_block, level, dead, inverted, hum, clip, speed, disconnect, xrun.")  # fmt: skip
@click.option("--reserve-ms", type=FiniteRange(0.0, 5000.0), default=0.0, show_default=True, metavar="MS",
              help="Delay from which lost_block can take samples when it is typed in.")  # fmt: skip
@click.option("--truth", "truth_file", metavar="FILE.csv|.npz", type=click.Path(path_type=Path),
              help="At the end, write the exact delay; a .json beside it tells sounds and faults.")  # fmt: skip
@click.option(
    "--for", "run_s", type=FiniteRange(0.1, 360000.0), metavar="S", help="End by itself after so many seconds."
)
@click.option("--free-wheel", is_flag=True, help="Let the server run as fast as it can, not in real time.")
@params_option
@force_option
@json_option
@click.pass_context
def command(
    context: click.Context,
    name: str,
    device_name: str,
    preset: str | None,
    assignments: Sequence[str],
    seed: int | None,
    heads: str,
    n_channels: int,
    tape_s: float,
    fault_texts: Sequence[str],
    reserve_ms: float,
    truth_file: Path | None,
    run_s: float | None,
    free_wheel: bool,
    params_file: str,
    force: bool,
    as_json: bool,
) -> None:
    """Run the built-in tape machine as a virtual deck on a JACK server, in real time.

    The deck appears as a sound card of that name, so that `tapemeasure record` can be tried without a machine and
    without a sound card. Start the server first, for example with
    `JACK_NO_AUDIO_RESERVATION=1 jackd --no-realtime -S -d dummy -r 44100 -p 1024 &`.

    Commands are read from stdin, one a line: record, play, stop, fault SPEC, clear, status, quit; the end of stdin ends
    the deck, unless --for is given.

    \b
    Examples:
      tapemeasure deck --name "Akai 4000D" --preset akai_4000d
      tapemeasure deck --device identity --fault dropout=40@12.5+0.05 --fault lost_block=256@20
      tapemeasure deck --heads 2 --fault speed=-3 --truth deck.npz
    """
    from tapemeasure.devices.deck.client import DeckClient
    from tapemeasure.devices.deck.faults import parse_fault
    from tapemeasure.devices.deck.transport import Deck
    from tapemeasure.devices.real_time import undisturbed

    profile = _profile(context, device_name, preset, assignments, params_file)
    faults = [parse_fault(text) for text in fault_texts]
    wrong = next((fault for fault in faults if (fault.channel or 1) > n_channels), None)
    if wrong is not None:
        raise UsageError(f"--fault {wrong.kind}: channel {wrong.channel}, the deck has {n_channels}; correct it")
    check_output(truth_file, endings=TRAJECTORY_ENDINGS, force=force)
    if truth_file is not None:
        check_output(truth_file.with_suffix(".json"), endings=(".json",), force=force)
    client = DeckClient(name, n_channels=n_channels)
    try:
        deck = Deck(
            sample_rate=client.sample_rate,
            n_channels=n_channels,
            tape_s=tape_s,
            head_delay_s=profile.settings.head_delay_ms * 1e-3 if isinstance(profile, TapeProfile) else 0.0,
            reserve_samples=round(reserve_ms * 1e-3 * client.sample_rate),
            faults=faults,
        )
        session = _Session(deck, client, profile, seed, three_heads=heads == "3")
        session.obey("record")
        with undisturbed():
            client.run(deck, free_wheel=free_wheel)
            click.echo(
                f"ready: {name}, {client.sample_rate} Hz, blocks of {client.block_samples} samples; commands: "
                f"{COMMANDS}",
                err=as_json,
            )
            session.serve(run_s)
    finally:
        client.close()
    facts = {"name": name, "profile": device_name, "seed": seed, **session.facts()}
    if truth_file is not None:
        _write_truth(deck, facts, profile, truth_file)
    print_result({**facts, "truth": truth_file}, as_json=as_json, rows=_rows(facts))
    if client.reason is not None and not deck.disconnected:
        raise DeviceError(f"{client.reason}; what was played until then is told")


def _profile(
    context: click.Context, name: str, preset: str | None, assignments: Sequence[str], params_file: str
) -> DeviceProfile:
    profile = find_profile(name, params_or_defaults(context, params_file))
    if preset is not None:
        if not isinstance(profile, TapeProfile):
            raise UsageError(f"--preset {preset}: the device {name} is no tape machine; leave it out")
        profile = TapeProfile.model_validate(
            {"kind": "tape", "seed": profile.seed, "settings": dict(preset_settings(preset))}
        )
    return changed_profile(profile, name=name, assignments=assignments, plugin=None)


class _Session:
    """Commands that the deck obeys, from stdin."""

    def __init__(
        self, deck: "Deck", client: "DeckClient", profile: DeviceProfile, seed: int | None, *, three_heads: bool
    ) -> None:
        self.deck, self.client = deck, client
        self._profile, self._seed, self._three_heads = profile, seed, three_heads
        self._begin_s = time.process_time()

    def serve(self, run_s: float | None) -> None:
        """Obey until quit, the end of stdin, the time or the server's end."""
        reader = threading.Thread(target=self._read, args=(run_s is None,), daemon=True)
        reader.start()
        end_s = time.monotonic() + (float("inf") if run_s is None else run_s)
        told = 0
        signal.signal(signal.SIGTERM, lambda number, frame: self.client.ended.set())
        try:
            while not self.client.ended.is_set() and time.monotonic() < end_s:
                time.sleep(POLL_S)
                for event in self.deck.log[told:]:
                    click.echo(f"{event['start_s']:9.3f} s  {event['kind']} {event.get('reason', '')}", err=True)
                    told += 1
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)

    def _read(self, end_with_input: bool) -> None:
        for line in sys.stdin:
            if line.strip() == "quit":
                break
            try:
                if line.strip():
                    self.obey(line.strip())
                    click.echo(f"ok: {line.strip()}, {self.deck.state}", err=True)
            except TapeMeasureError as error:
                click.echo(f"deck: {error}", err=True)
        else:
            if not end_with_input:
                return
        self.client.ended.set()

    def obey(self, text: str) -> None:
        """Carry out one command.

        Raises
        ------
        UsageError, DeviceError, ParameterError
            If it is none, or cannot be done.
        """
        from tapemeasure.devices.deck.faults import parse_fault

        word, _, rest = text.partition(" ")
        deck = self.deck
        if word == "record":
            if self._three_heads:
                deck.start("rolling", self._machine(round(deck.tape_s * deck.sample_rate)))
            else:
                deck.start("recording")
        elif word == "play" and not self._three_heads:
            if deck.reel.recorded_samples == 0:
                raise UsageError("play: nothing was recorded; type record, then play the test signals")
            deck.halt()
            deck.start("playing", self._machine(deck.reel.recorded_samples))
        elif word == "stop":
            deck.halt()
        elif word == "fault":
            deck.put_in(parse_fault(rest))
        elif word == "clear":
            deck.clear()
        elif word == "status":
            click.echo(
                f"{deck.state}, {deck.position / deck.sample_rate:.3f} s, {self.client.load.xruns} xruns", err=True
            )
        else:
            raise UsageError(f"{text}: no such command; there are {COMMANDS}")

    def _machine(self, n_samples: int) -> Any:
        from tapemeasure.devices.deck.machine import new_machine

        return new_machine(
            self._profile,
            sample_rate=self.deck.sample_rate,
            n_channels=self.deck.n_channels,
            n_samples=n_samples,
            seed=self._seed,
        )

    def facts(self) -> dict[str, Any]:
        """What the deck played, and how busy it was."""
        from tapemeasure.devices.deck.truth import deck_facts

        load, block_s = self.client.load, self.client.block_samples / self.deck.sample_rate
        total_s = load.blocks * block_s
        return {
            **deck_facts(self.deck),
            "block_samples": self.client.block_samples,
            "xruns": load.xruns,
            "real_time": self.client.real_time,
            "busy_pct": 100.0 * load.busy_s / total_s if total_s else None,
            "longest_callback_pct": 100.0 * load.longest_s / block_s,
            "ended": self.client.reason or "as asked",
        }


def _write_truth(deck: "Deck", facts: dict[str, Any], profile: DeviceProfile, path: Path) -> None:
    from tapemeasure.devices.deck.truth import deck_trajectories

    for name, trajectory in deck_trajectories(deck).items():
        trajectory.save(path if name == "delay" else path.with_stem(f"{path.stem}_{name}"))
    write_json(
        path.with_suffix(".json"), {**facts, "machine": profile.model_dump(mode="json"), "provenance": provenance()}
    )


def _rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    busy = "nothing was played" if facts["busy_pct"] is None else f"{facts['busy_pct']:.1f} % of real time"
    return [
        ("deck", f"{facts['name']} ({facts['profile']}), {facts['sample_rate']} Hz"),
        ("tape moved", f"{facts['played_samples'] / facts['sample_rate']:.3f} s, {len(facts['sounds_s'])} sounds"),
        ("events", ", ".join(f"{event['kind']} at {event['start_s']:.3f} s" for event in facts["events"]) or "none"),
        ("load", f"{busy}, {facts['xruns']} xruns{', real-time priority' if facts['real_time'] else ''}"),
        ("ended", facts["ended"]),
    ]
