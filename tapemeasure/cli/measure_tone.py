"""``tapemeasure measure --tone``: a recorded test tape without an input."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tapemeasure.cli.common import warn
from tapemeasure.cli.detail_rows import din_rows, flutter_rows, tape_rows, with_sigma
from tapemeasure.cli.measure_options import MeasureOptions
from tapemeasure.cli.pair import require_channel
from tapemeasure.errors import MismatchError, UsageError
from tapemeasure.io import provenance, read_audio


def tone_result(files: tuple[str, ...], chosen: MeasureOptions) -> dict[str, Any]:
    """JSON of one recorded tone; its warnings go to stderr."""
    from tapemeasure.analysis.tone_take import measure_tone

    if len(files) != 1 or Path(files[0]).is_dir():
        raise UsageError(f"--tone {' '.join(files)}: give one recording of the tone")
    samples, sample_rate = read_audio(files[0])
    require_channel(samples, chosen.channel, path=Path(files[0]))
    erased = None
    if chosen.erased is not None:
        erased, erased_rate = read_audio(chosen.erased)
        require_channel(erased, chosen.channel, path=Path(chosen.erased))
        if erased_rate != sample_rate:
            raise MismatchError(
                f"{chosen.erased} is {erased_rate} Hz, {files[0]} is {sample_rate} Hz; record both at the same rate"
            )
    found = measure_tone(
        samples,
        sample_rate=sample_rate,
        nominal_hz=chosen.nominal_hz,
        channel=chosen.channel - 1,
        transport=chosen.transport(),
        erased=erased,
    )
    name = Path(files[0]).stem
    for text in found.warnings:
        warn(f"{name}: {text}")
    inputs = {"tone": Path(files[0])} | ({} if chosen.erased is None else {"erased": Path(chosen.erased)})
    return {"name": name, "tone": Path(files[0]), **found.as_dict(), "provenance": provenance(inputs=inputs)}


def tone_rows(take: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rows (label, value with unit) of one recorded tone."""
    rows = [
        ("tone", str(take["name"])),
        ("length", f"{take['duration_s']:.2f} s at {take['sample_rate']} Hz, channel {take['channel'] + 1}"),
        ("frequency", with_sigma(take["frequency_hz"], take["frequency_sigma_hz"], "Hz")),
        ("level, peak", with_sigma(take["level_dbfs"], take["level_sigma_db"], "dBFS")),
        *flutter_rows(take["wow_flutter"]),
        *tape_rows(take),
        *din_rows(take["din45500"]),
    ]
    return rows + [("not measured", text) for text in take["not_measured"]]
