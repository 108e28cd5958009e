"""The page: one HTML file that carries its style, pictures and audio within itself and needs no network."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup, escape

from tapemeasure.report.advice import advise, missing
from tapemeasure.report.figures import FIGURES, Figure, number, typical
from tapemeasure.report.gather import DeviceResults, Results, TakeResults, Values
from tapemeasure.report.machines import Comparison
from tapemeasure.report.metrics import best_network, error_of, models_of
from tapemeasure.report.pictures import ALL_TAKES, BOTH, Picture
from tapemeasure.report.players import Player
from tapemeasure.report.replica import pairs
from tapemeasure.report.verdict import judge
from tapemeasure.report.words import (
    NOT_MEASURED,
    figure_text,
    measured_text,
    model_name,
    model_verdict,
    signed_text,
)
from tapemeasure.report.zoom import csp_hash, plot_script, zoom_all

MAX_PICTURED_TAKES = 4
COMPUTED_KINDS = ("tape", "chowtape", "identity", "neural")
"""There is nothing to clean in these: their settings make the figures."""

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
    unit: str = ""
    standard: str = ""


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
    zoomed = zoom_all(pictures)
    script = _template_text("zoom.js").strip()
    return template.render(
        title=title,
        script=script,
        script_hashes=[csp_hash(script.encode()), plot_script().csp_hash] if zoomed else [],
        plot_script=plot_script().packed if zoomed else "",
        devices=[
            _device(device, [p for p in pictures if p.device == device.name], players.get(device.name, ()))
            for device in results.devices
        ],
        summary=_summary(results.devices),
        comparison=None if comparison is None else _comparison(comparison, [p for p in pictures if p.device is None]),
        zoomed={p.path.name: zoomed[p.path.name] for p in _shown(results, pictures, zoomed)},
        provenance=provenance,
        not_measured=NOT_MEASURED,
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template_text),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["code"] = _with_code
    return environment


def _with_code(text: str) -> Markup:
    """Text with what stands between backticks as code."""
    parts = (
        Markup("<code>{}</code>").format(part) if n % 2 else escape(part) for n, part in enumerate(text.split("`"))
    )
    return Markup("").join(parts)


def _template_text(name: str) -> str:
    return (files("tapemeasure.report") / "templates" / name).read_text(encoding="utf-8")


def _shown(results: Results, pictures: Sequence[Picture], zoomed: Mapping[str, str]) -> list[Picture]:
    """Pictures of the page that can be enlarged."""
    beyond = {(device.name, take.name) for device in results.devices for take in device.takes[MAX_PICTURED_TAKES:]}
    return [p for p in pictures if p.path.name in zoomed and (p.device, p.take) not in beyond]


def _summary(devices: Sequence[DeviceResults]) -> list[_Row]:
    rows = [
        _Row("Kind", tuple(_kind(device) for device in devices)),
        _Row("Takes", tuple(str(len(device.takes)) if device.takes else "no capture" for device in devices)),
    ]
    for figure in FIGURES:
        if figure.key_figure:
            rows.append(
                _Row(
                    _label(figure),
                    tuple(_text(typical(device, figure), figure, takes=device.takes) for device in devices),
                )
            )
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
    network = best_network(device)
    fir, error = error_of(device, "fir"), None if network is None else error_of(device, network)
    return None if fir is None or error is None else error < fir


def _kind(device: DeviceResults) -> str:
    return "not told" if device.kind is None else KIND_NAMES.get(device.kind, device.kind)


def _label(figure: Figure) -> str:
    return f"{figure.label} / {figure.unit}" if figure.unit else figure.label


def _text(value: float | None, figure: Figure, sigma: float | None = None, *, takes: Sequence[TakeResults]) -> str:
    if value is None and any(figure.out_of_range(take) for take in takes):
        return "not reached"
    return measured_text(value, sigma, digits=figure.digits)


def _device(device: DeviceResults, pictures: Sequence[Picture], players: Sequence[Player]) -> dict[str, Any]:
    pictured = device.takes[:MAX_PICTURED_TAKES]
    verdict = judge(device)
    beyond = {take.name for take in device.takes[MAX_PICTURED_TAKES:]} & {picture.take for picture in pictures}
    return {
        "name": device.name,
        "kind": _kind(device),
        "reason": device.reason,
        "verdict": verdict,
        "advice": () if device.kind in COMPUTED_KINDS else advise(device, verdict),
        "missing": missing(verdict),
        "reasons": _reasons(device),
        "take_names": [take.name for take in device.takes],
        "figures": _figure_rows(device.takes),
        "shared_pictures": [_picture(p) for p in pictures if p.take == ALL_TAKES],
        "takes": [_take(take, [p for p in pictures if p.take == take.name]) for take in pictured],
        "unpictured": len(beyond),
        "has_model": device.evaluation is not None or device.training is not None,
        "model_verdict": model_verdict(device),
        "alignment": (device.evaluation or {}).get("alignment"),
        "errors": _error_rows(device),
        "model_pictures": [_picture(p) for p in pictures if p.take is None],
        "replica": _replica(device, [p for p in pictures if p.take == BOTH]),
        "players": [_player(player) for player in players],
    }


def _reasons(device: DeviceResults) -> list[str]:
    """Why something was not measured, in the words of the measurement."""
    reasons = [str(text) for take in device.takes for text in (take.measurement or {}).get("not_measured") or []]
    return list(dict.fromkeys(reasons))


def _figure_rows(takes: Sequence[TakeResults]) -> list[tuple[str, list[_Row]]]:
    """Groups of figures that at least one take has, one column a take."""
    groups: dict[str, list[_Row]] = {}
    for figure in FIGURES:
        values = [(figure.read(take), figure.sigma(take)) for take in takes]
        if any(value is not None for value, _ in values):
            cells = tuple(
                _text(value, figure, sigma, takes=[take]) for take, (value, sigma) in zip(takes, values, strict=True)
            )
            groups.setdefault(figure.group, []).append(_Row(figure.label, cells, figure.unit, figure.standard))
    return list(groups.items())


def _error_rows(device: DeviceResults) -> list[_Row]:
    rows = []
    for model in models_of(device):
        errors = {
            name: error_of(device, model, name)
            for name in ("esr", "best_lag_esr", "lag_us", "dc_blocked_esr", "mr_stft")
        }
        # shares in per cent, a lag to a hundredth of a microsecond
        factors = {"esr": 100.0, "best_lag_esr": 100.0, "dc_blocked_esr": 100.0}
        values = [
            None if error is None else round(error, 2) if name == "lag_us" else factors.get(name, 1.0) * error
            for name, error in errors.items()
        ]
        rows.append(_Row(model_name(model), tuple(figure_text(value, digits=3) for value in values)))
    return rows


def _replica(device: DeviceResults, pictures: Sequence[Picture]) -> dict[str, Any] | None:
    """Every figure of the machine and of its replica, and how far they are apart; None without a replica."""
    groups: dict[str, list[_Row]] = {}
    given = [] if device.replica is None else [device.replica]
    for pair in pairs(device):
        figure = pair.figure
        cells = (
            _text(pair.machine, figure, pair.machine_sigma, takes=device.takes),
            _text(pair.replica, figure, pair.replica_sigma, takes=given),
            signed_text(pair.difference, pair.sigma, digits=figure.digits),
            NOT_MEASURED if pair.in_sigmas is None else f"{abs(pair.in_sigmas):.1f}",
        )
        groups.setdefault(figure.group, []).append(_Row(figure.label, cells, figure.unit))
    return {"figures": list(groups.items()), "pictures": [_picture(p) for p in pictures]} if groups else None


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
    return {
        "name": picture.path.name,
        "heading": picture.heading,
        "where": ", ".join(part for part in (picture.heading, picture.device, picture.take) if part),
        "caption": picture.caption,
        "alt": picture.alt,
        "source": f"data:image/svg+xml,{_svg_text(picture.path.read_text(encoding='utf-8'))}",
    }


def _svg_text(svg: str) -> str:
    """A drawing as the text of a data: URI, a quarter shorter than base64."""
    body = re.sub(r"\s+", " ", svg[svg.index("<svg") :])
    return quote(body, safe=" =/;,()+-._!*@?$[]|~")


def _player(player: Player) -> dict[str, str]:
    note = f"{figure_text(player.length_s, digits=2)} s"
    if player.gain_db > 0.0:
        note += f", raised by {player.gain_db:g} dB to be heard"
    elif player.gain_db < 0.0:
        note += f", lowered by {-player.gain_db:g} dB so that it does not clip"
    return {"label": player.label, "note": note, "source": player.data_uri}
