"""The click group: commands are imported when they are run, errors become one line and an exit code."""

import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import click

from tapemeasure import __version__
from tapemeasure.errors import TapeMeasureError

TERMINATED_CODE = 128 + signal.SIGTERM

COMMANDS = {
    "demo": "Show the whole way in a minute, without a machine: signals, built-in machine, track, measure, report.",
    "devices": "List the sound devices and the profiles that match them.",
    "synthesize": "Make the test signals and their timeline.",
    "simulate": "Run a file through a device that is computed: the built-in machine, the plug-in, a wire.",
    "deck": "Run a virtual tape deck on a JACK server, to try a recording without a machine.",
    "record": "Play the test signals through a real machine and record what comes back.",
    "meter": "Show speed, wow and flutter, azimuth, level, response and noise while a machine plays.",
    "track": "Track the delay of an output behind its input.",
    "align": "Undo the delay of an output.",
    "hiss": "Cut the hiss out where the input is silent.",
    "measure": "Measure response, distortion, noise, and delay of a take.",
    "fit": "Find the built-in tape machine's settings that come nearest to a recording.",
    "emulate": "Run a file through a trained replica of a machine.",
    "live": "Play through a trained replica in real time, from a sound card's inputs to its outputs.",
    "export": "Write a trained replica for other programs: ONNX, RTNeural, TorchScript, a WAV pair for NAM.",
    "report": "Gather measurements into one page and one metrics file.",
    "params": "Check params.yaml, or lay a profile over it.",
}


class LazyGroup(click.Group):
    """A group that imports ``tapemeasure.cli.<name>`` only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command object of the module ``tapemeasure.cli.<cmd_name>``."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"tapemeasure.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from tapemeasure.io import source_commit

    commit = source_commit()
    click.echo(f"tapemeasure, version {__version__}" + (f", commit {commit}" if commit else ""))
    ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Tell version and commit.",
)
def cli() -> None:
    """Measure any magnetic tape recorder, and turn it into a neural replica.

    Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 the measurement failed, 2 wrong usage.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command ``tapemeasure``."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    with _told_to_end():
        code = _exit_code(arguments)
    sys.exit(code)


class Terminated(BaseException):
    """The system or the user asked the program to end (SIGTERM)."""


@contextmanager
def _told_to_end() -> Iterator[None]:
    """Let SIGTERM end the work as Ctrl-C does, so that no temporary file stays behind."""

    def end(number: int, frame: FrameType | None) -> None:
        # a second one must not interrupt the cleaning up
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit_code(arguments: Sequence[str]) -> int:
    name = next((argument for argument in arguments if argument in COMMANDS), "tapemeasure")
    try:
        answer = cli.main(args=list(arguments), prog_name="tapemeasure", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
        return answer if isinstance(answer, int) else 0
    except TapeMeasureError as error:
        click.echo(f"{name}: {error}", err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo(f"{name}: interrupted; what was finished is kept, nothing is half-written", err=True)
        return 1
    except Terminated:
        click.echo(f"{name}: told to end; what was finished is kept, nothing is half-written", err=True)
        return TERMINATED_CODE
    except MemoryError:
        click.echo(f"{name}: out of memory; give a shorter file", err=True)
        return 1
    except BrokenPipeError:
        _close_stdout()
        return 1
    except OSError as error:
        # every file has its own message; what is left is stdout itself (a full disk), or a file that went away
        where = "the result" if error.filename is None else error.filename
        click.echo(f"{name}: {where}: {error.strerror or error}; check the disk and the permissions", err=True)
        _close_stdout()
        return 1


def _close_stdout() -> None:
    """Keep the interpreter from complaining at exit about what stdout did not take."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
