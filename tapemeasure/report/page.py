"""The page: one HTML file that carries its style, pictures and audio within itself and needs no network."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2

from tapemeasure.report.gather import DeviceResults, Results, TakeResults, Values
from tapemeasure.report.machines import Comparison
from tapemeasure.report.metrics import ERRORS, FIGURES, MODELS, Figure, error_of, number, typical
from tapemeasure.report.pictures import Picture
from tapemeasure.report.players import Player
from tapemeasure.report.words import MODEL_NAMES, NOT_MEASURED, figure_text, model_verdict

MAX_PICTURED_TAKES = 4
KIND_NAMES = {
    "tape": "built-in tape machine (computed)",
    "chowtape": "tape plug-in (computed)",
    "hardware": "real machine",
    "identity": "a wire",
}


@dataclass(frozen=True)
class _Row:
    """One row of a table: its heading, and a text for each column."""

    label: str
    cells: tuple[str, ...]


def render_page(
    results: Results,
    *,
    title: str,
    pictures: Sequence[Picture],
    players: Mapping[str, Sequence[Player]],
    provenance: Values,
    comparison: Comparison | None = None,
) -> str:
    """HTML of the whole report.

    Parameters
    ----------
    results : Results
        What the stages wrote.
    title : str
        Heading of the page.
    pictures : sequence of Picture
        Already drawn; the first four takes of a device are shown with theirs.
    players : mapping of device name to sequence of Player
        What to listen to.
    provenance : mapping
        ``tapemeasure_version``, and ``sha256`` of the results by name.
    comparison : Comparison or None
        The machines side by side, where there are at least two with measurements.

    Notes
    -----
    The text is the same for equal results: no date, no host, no path outside the results.
    """
    template = _environment().get_template("page.html.j2")
    return template.render(
        title=title,
        devices=[
            _device(device, [p for p in pictures if p.device == device.name], players.get(device.name, ()))
            for device in results.devices
        ],
        summary=_summary(results.devices),
        comparison=None if comparison is None else _comparison(comparison, [p for p in pictures if p.device is None]),
        provenance=provenance,
        not_measured=NOT_MEASURED,
    )


@cache
def _environment() -> jinja2.Environment:
    folder = files("tapemeasure.report") / "templates"
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _summary(devices: Sequence[DeviceResults]) -> list[_Row]:
    rows = [
        _Row("Kind", tuple(_kind(device) for device in devices)),
        _Row("Takes", tuple(str(len(device.takes)) if device.takes else "no capture" for device in devices)),
    ]
    for figure in FIGURES:
        if figure.key_figure:
            rows.append(_Row(_label(figure), tuple(_text(typical(device, figure), figure) for device in devices)))
    beats = {True: "yes", False: "no", None: NOT_MEASURED}
    rows.append(_Row("Network beats the best linear filter", tuple(beats[_beats(device)] for device in devices)))
    return rows


def _comparison(comparison: Comparison, pictures: Sequence[Picture]) -> dict[str, Any]:
    return {
        "devices": comparison.devices,
        "rows": [_Row(label, cells) for label, cells in comparison.rows],
        "pictures": [_picture(picture) for picture in pictures],
    }


def _beats(device: DeviceResults) -> bool | None:
    fir, gru = error_of(device, "fir"), error_of(device, "gru")
    return None if fir is None or gru is None else gru < fir


def _kind(device: DeviceResults) -> str:
    return "not told" if device.kind is None else KIND_NAMES.get(device.kind, device.kind)


def _label(figure: Figure) -> str:
    return f"{figure.label} / {figure.unit}" if figure.unit else figure.label


def _text(value: float | None, figure: Figure) -> str:
    return figure_text(value, digits=figure.digits)


def _device(device: DeviceResults, pictures: Sequence[Picture], players: Sequence[Player]) -> dict[str, Any]:
    pictured = device.takes[:MAX_PICTURED_TAKES]
    beyond = {take.name for take in device.takes[MAX_PICTURED_TAKES:]} & {picture.take for picture in pictures}
    return {
        "name": device.name,
        "kind": _kind(device),
        "reason": device.reason,
        "take_names": [take.name for take in device.takes],
        "figures": _figure_rows(device.takes),
        "takes": [_take(take, [p for p in pictures if p.take == take.name]) for take in pictured],
        "unpictured": len(beyond),
        "has_model": device.evaluation is not None or device.training is not None,
        "verdict": model_verdict(device),
        "alignment": (device.evaluation or {}).get("alignment"),
        "errors": _error_rows(device),
        "model_pictures": [_picture(p) for p in pictures if p.take is None],
        "players": [_player(player) for player in players],
    }


def _figure_rows(takes: Sequence[TakeResults]) -> list[_Row]:
    """One row a figure that at least one take has, one column a take."""
    rows = []
    for figure in FIGURES:
        values = [figure.read(take) for take in takes]
        if any(value is not None for value in values):
            rows.append(_Row(_label(figure), tuple(_text(value, figure) for value in values)))
    return rows


def _error_rows(device: DeviceResults) -> list[_Row]:
    rows = []
    for model in MODELS:
        values = {error: error_of(device, model, error) for error in ERRORS}
        ratios = [values["esr"], values["dc_blocked_esr"]]
        cells = [figure_text(None if ratio is None else 100.0 * ratio, digits=3) for ratio in ratios]
        rows.append(_Row(MODEL_NAMES[model], (*cells, figure_text(values["mr_stft"], digits=3))))
    return rows


def _take(take: TakeResults, pictures: Sequence[Picture]) -> dict[str, Any]:
    warnings = [
        str(text)
        for values in (take.sidecar, take.delay, take.measurement)
        for text in (values or {}).get("warnings") or []
    ]
    return {
        "name": take.name,
        "split": take.split,
        "method": (take.delay or {}).get("method"),
        "inverted": bool((take.delay or {}).get("inverted_polarity")),
        "warnings": list(dict.fromkeys(warnings)),
        "pictures": [_picture(picture) for picture in pictures],
        "details": _details(take),
    }


def _details(take: TakeResults) -> list[_Row]:
    """What the sidecar tells about how the take was made, and what aligning it changed."""
    sidecar = take.sidecar or {}
    settings = sidecar.get("settings")
    rows = {key: sidecar.get(key) for key in ("device", "seed", "sample_rate", "latency_samples")}
    rows |= settings if isinstance(settings, Mapping) else {}
    rows["duration_s"] = number(take.measurement, "duration_s")
    rows |= {f"aligned: {key}": value for key, value in (take.alignment or {}).items()}
    scalars = {key: value for key, value in rows.items() if isinstance(value, str | bool | int | float)}
    return [_Row(key, (_plain_text(value),)) for key, value in scalars.items()]


def _plain_text(value: str | bool | int | float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _picture(picture: Picture) -> dict[str, str]:
    data = base64.b64encode(picture.path.read_bytes()).decode("ascii")
    return {
        "heading": picture.heading,
        "caption": picture.caption,
        "alt": picture.alt,
        "source": f"data:image/svg+xml;base64,{data}",
    }


def _player(player: Player) -> dict[str, str]:
    note = f"{figure_text(player.length_s, digits=2)} s"
    if player.gain_db > 0.0:
        note += f", raised by {player.gain_db:g} dB to be heard"
    elif player.gain_db < 0.0:
        note += f", lowered by {-player.gain_db:g} dB so that it does not clip"
    return {"label": player.label, "note": note, "source": player.data_uri}
