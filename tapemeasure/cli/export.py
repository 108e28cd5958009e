"""``tapemeasure export``: a trained replica for other programs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tapemeasure.cli.common import check_output, force_option, json_option, print_result, warn
from tapemeasure.cli.emulate_options import conditions_of_options
from tapemeasure.errors import UsageError
from tapemeasure.io import json_text, write_bytes, write_text

ENDINGS = {"onnx": ".onnx", "rtneural": ".json", "torchscript": ".pt"}


@click.command(name="export")
@click.argument("model", metavar="M", type=click.Path(path_type=Path))
@click.option("--to", "kind", required=True, type=click.Choice([*ENDINGS, "pair"]), help="What to write.")
@click.option("-o", "--output", "output", metavar="FILE|FOLDER", type=click.Path(path_type=Path),
              help="File to write (a folder for pair); by default named after the device.")  # fmt: skip
@click.option("--set", "assignments", metavar="NAME=VALUE", multiple=True,
              help="A setting of the machine, for a model that was trained on several. May be repeated.")  # fmt: skip
@click.option("--plain", is_flag=True,
              help="rtneural: one recurrent and one dense layer only, as AIDA-X wants it (cell lstm).")  # fmt: skip
@click.option("--without-filter", is_flag=True,
              help="rtneural: a gain in place of the linear filter; what that costs is told.")  # fmt: skip
@click.option("--input", "input_file", metavar="FILE", type=click.Path(path_type=Path),
              help="pair: what was played; by default that of the device's take.")  # fmt: skip
@click.option("--aligned", "aligned_file", metavar="FILE", type=click.Path(path_type=Path),
              help="pair: what `align` wrote; by default that of the device's take.")  # fmt: skip
@click.option("--take", metavar="NAME", help="pair: take of the device; the first by default.")
@click.option("--channel", metavar="N", type=click.IntRange(min=1), default=1, show_default=True,
              help="pair: channel of the programme, counted from 1.")  # fmt: skip
@json_option
@force_option
def command(
    model: Path,
    kind: str,
    output: Path | None,
    assignments: Sequence[str],
    plain: bool,
    without_filter: bool,
    input_file: Path | None,
    aligned_file: Path | None,
    take: str | None,
    channel: int,
    as_json: bool,
    force: bool,
) -> None:
    """Write the trained model M (its file, or a folder such as data/models/akai) for other programs.

    Every file is played before it is written and held against the model. A model that a plain linear filter equals is
    refused without --force. pair writes no model but what NAM's trainer makes one from: the input and the output of a
    take with its wow and flutter undone, with that trainer's own checks.

    \b
    Examples:
      tapemeasure export data/models/akai --to onnx -o akai.onnx
      tapemeasure export data/models/akai --to rtneural --json
      tapemeasure export akai.safetensors --to rtneural --plain --without-filter
      tapemeasure export data/models/akai --to pair -o nam/
      tapemeasure export data/models/akai --to pair --input in.wav --aligned aligned.wav -o nam/
    """
    if kind != "rtneural" and (plain or without_filter):
        raise UsageError(f"--{'plain' if plain else 'without-filter'} is for --to rtneural; leave it out")
    if kind == "pair":
        from tapemeasure.cli.export_pair import write_pair

        result, rows = write_pair(
            model, output, input_file=input_file, aligned_file=aligned_file, take=take, channel=channel, force=force
        )
    elif input_file or aligned_file or take:
        raise UsageError("--input, --aligned and --take are for --to pair; leave them out")
    else:
        result, rows = _write_model(
            model, kind, output, assignments, plain=plain, without_filter=without_filter, force=force
        )
    print_result(result, as_json=as_json, rows=rows)


def _write_model(
    model: Path,
    kind: str,
    output: Path | None,
    assignments: Sequence[str],
    *,
    plain: bool,
    without_filter: bool,
    force: bool,
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    from tapemeasure.export.facts import export_facts, refuse_worse_than_filter
    from tapemeasure.replica.model import model_path, read_replica

    model_file = model_path(model)
    replica = read_replica(model_file, conditions=conditions_of_options(assignments))
    target = output or Path(f"{replica.facts.get('device') or model_file.absolute().parent.name}{ENDINGS[kind]}")
    check_output(target, endings=(ENDINGS[kind],), force=force, inputs=[model_file])
    refuse_worse_than_filter(replica, model_file=model_file, force=force)
    if replica.worse_than_filter:
        warn(f"{model_file}: a plain linear filter has no larger error; exported because of --force")
    facts = export_facts(replica, model_file=model_file)
    if without_filter:
        replica, facts = _without_filter(replica, facts)
    if kind == "rtneural":
        from tapemeasure.export.rtneural import rtneural_model

        description, error = rtneural_model(replica, facts=facts, plain=plain)
        write_text(target, json_text(description) + "\n", force=force)
    else:
        if kind == "onnx":
            from tapemeasure.export.onnx_graph import onnx_bytes as make_bytes
        else:
            from tapemeasure.export.torchscript import torchscript_bytes as make_bytes
        data, error = make_bytes(replica, facts=facts)
        write_bytes(target, data, force=force)
    result = {"exported": target, "to": kind, "largest_difference": error, "metadata": facts}
    rows = [
        ("exported", str(target)),
        ("model", f"{model_file} ({replica.cell}-{replica.n_units}, {len(replica.taps)} taps)"),
        ("sample rate", f"{replica.sample_rate} Hz, and no other"),
        ("latency", f"{replica.latency_samples} samples"),
        ("largest difference", f"{error:.2g} of full scale, to the model itself"),
    ]
    if without_filter:
        rows.append(("cost of no filter", f"ESR {facts['without_filter_esr']:.4g} on pink noise"))
    return result, rows


def _without_filter(replica: Any, facts: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    if len(replica.taps) == 0:
        raise UsageError("--without-filter: the model has no linear filter; leave it out")
    from tapemeasure.export.approximate import without_filter

    simple = without_filter(replica)
    warn(f"without the linear filter the model's output changes by an ESR of {simple.esr:.4g} (pink noise)")
    told = {
        "latency_samples": simple.replica.latency_samples,
        "without_filter_esr": simple.esr,
        "without_filter_lag_samples": simple.lag_samples,
    }
    return simple.replica, facts | told
