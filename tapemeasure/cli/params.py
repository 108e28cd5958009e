"""``tapemeasure params``: check params.yaml, or lay a profile over it."""

from io import StringIO
from pathlib import Path

import click

from tapemeasure.cli.common import json_option, params_option
from tapemeasure.cli.completion import overlays
from tapemeasure.errors import ParameterError
from tapemeasure.io import json_text, write_text
from tapemeasure.params import Params, lay_over, load_params, read_yaml, validated


@click.command(name="params")
@params_option
@json_option
@click.option("--profile", metavar="NAME", shell_complete=overlays,
              help="Lay profiles/NAME.yaml (beside the params file) over the settings.")  # fmt: skip
@click.option("--write", is_flag=True, help="Write the result back instead of printing it; comments are kept.")
def command(params_file: str, as_json: bool, profile: str | None, write: bool) -> None:
    """Check the settings, and print them with a profile laid over.

    \b
    Examples:
      tapemeasure params                        check params.yaml
      tapemeasure params --profile ci           print the small profile
      tapemeasure params --profile ci --write   use it for the next `dvc repro`
    """
    if write and profile is None:
        raise click.UsageError("--write goes with --profile NAME")
    path = Path(params_file)
    params = load_params(path)
    text = f"{path}: no error found\n"
    if profile is not None:
        params, text = _with_profile(path, path.parent / "profiles" / f"{profile}.yaml")
    if write:
        write_text(path, text)
        click.echo(f"{path}: profile {profile} written; undo it with your version control", err=True)
    if as_json:
        click.echo(json_text(params.model_dump(mode="json")))
    elif not write:
        click.echo(text, nl=False)


def _with_profile(path: Path, overlay_path: Path) -> tuple[Params, str]:
    """Checked settings and their YAML, comments kept."""
    from ruamel.yaml import YAML

    if not overlay_path.is_file():
        there = ", ".join(sorted(file.stem for file in overlay_path.parent.glob("*.yaml"))) or "none"
        raise ParameterError(f"{overlay_path}: no such profile; there are {there}")
    yaml = YAML(typ="rt")
    yaml.width = 120
    settings = yaml.load(path.read_text(encoding="utf-8"))
    lay_over(settings, read_yaml(overlay_path))
    buffer = StringIO()
    yaml.dump(settings, buffer)
    text = buffer.getvalue()
    return validated(Params, YAML(typ="safe").load(text), where=str(overlay_path)), text
