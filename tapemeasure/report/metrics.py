"""The scalars of metrics.json and of the CSV: figures of the takes, errors of the models."""

import csv
import io
from collections.abc import Mapping

from tapemeasure.report.figures import FIGURES, number, rounded
from tapemeasure.report.gather import REPLICA, DeviceResults, Results, TakeResults, Values
from tapemeasure.report.replica import replica_metrics
from tapemeasure.units import db_from_power

MODEL = "model"
OWN_NAMES = (MODEL, REPLICA)
BASELINES = ("input", "gain", "fir")
ERRORS = ("esr", "dc_blocked_esr", "mr_stft")
CSV_HEADER = ("device", "take", "figure", "value", "standard_uncertainty", "unit", "standard")

Metrics = dict[str, dict[str, dict[str, float | None]]]


def metrics(results: Results) -> Metrics:
    """Plain scalars, units in their keys: device, then take, ``model`` or ``replica``, then figure.

    Every take has every key, None where it was not measured; order and digits are stable, and nothing depends on the
    day. A take that is itself called ``model`` becomes ``take model``. Under ``replica`` stands how far the replica is
    from the machine.
    """
    return {device.name: _device_metrics(device) for device in results.devices}


def metrics_csv(results: Results) -> str:
    """The same figures as CSV, one line a figure that was measured, with uncertainty, unit and standard.

    Columns are `CSV_HEADER`; a figure's name carries its unit too, so that it can be found in metrics.json.
    """
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(CSV_HEADER)
    for device in results.devices:
        for take in (*device.takes, *([] if device.replica is None else [device.replica])):
            for figure in FIGURES:
                value, sigma = rounded(figure.read(take)), rounded(figure.sigma(take))
                if value is not None:
                    sigma_text = "" if sigma is None else f"{sigma}"
                    lines.writerow(
                        (device.name, take.name, figure.key, value, sigma_text, figure.unit, figure.standard)
                    )
        for key, value in (model_metrics(device) if _has_model(device) else {}).items():
            if value is not None:
                lines.writerow((device.name, MODEL, key, value, "", "", ""))
    return text.getvalue()


def _device_metrics(device: DeviceResults) -> dict[str, dict[str, float | None]]:
    names = (f"take {take.name}" if take.name in OWN_NAMES else take.name for take in device.takes)
    values = dict(zip(names, map(take_metrics, device.takes), strict=True))
    if _has_model(device):
        values[MODEL] = model_metrics(device)
    return values if device.replica is None else {**values, REPLICA: replica_metrics(device)}


def _has_model(device: DeviceResults) -> bool:
    return device.training is not None or device.evaluation is not None


def take_metrics(take: TakeResults) -> dict[str, float | None]:
    """Every figure of a take by its key."""
    return {figure.key: rounded(figure.read(take)) for figure in FIGURES}


def model_metrics(device: DeviceResults) -> dict[str, float | None]:
    """Errors of every model on the test set, the epoch that was exported, the network's size."""
    values = {f"{model}_{error}": error_of(device, model, error) for model in models_of(device) for error in ERRORS}
    values["gru_better_than_fir_db"] = improvement_db(device)
    values["best_epoch"] = number(device.training, "best_epoch")
    values["parameters"] = number(device.training, "parameters")
    return {key: rounded(value) for key, value in values.items()}


def models_of(device: DeviceResults) -> tuple[str, ...]:
    """Names of the rows of a device's evaluation; the known ones first, whether they are there or not."""
    found = [str(row["model"]) for row in _rows(device) if row.get("model")]
    return tuple(dict.fromkeys((*BASELINES, "gru", *found)))


def error_of(device: DeviceResults, model: str, error: str = "esr") -> float | None:
    """One error (`ERRORS`) of one model's row; None where it was not measured."""
    return next((number(row, error) for row in _rows(device) if row.get("model") == model), None)


def _rows(device: DeviceResults) -> list[Values]:
    rows = (device.evaluation or {}).get("rows") or []
    return [row for row in rows if isinstance(row, Mapping)]


def best_network(device: DeviceResults) -> str | None:
    """The model, of those that are no baseline, that leaves the least error; None where none was evaluated."""
    errors = {model: error_of(device, model) for model in models_of(device) if model not in BASELINES}
    known = {model: error for model, error in errors.items() if error is not None}
    return min(known, key=lambda model: known[model]) if known else None


def improvement_db(device: DeviceResults) -> float | None:
    """How much less error energy the best network leaves than the best linear filter, dB; negative if more."""
    network = best_network(device)
    fir, error = error_of(device, "fir"), None if network is None else error_of(device, network)
    return db_from_power(fir / error) if fir and error else None
