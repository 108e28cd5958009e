"""What a fit found: settings, how well each is known, and how near the machine comes on what it did not hear."""

from dataclasses import asdict, dataclass
from typing import Any

from tapemeasure.fit.linear_part import Response
from tapemeasure.fit.pair import PairCheck
from tapemeasure.params import TapeSettings


@dataclass(frozen=True)
class FittedKnob:
    """A setting that was searched.

    Parameters
    ----------
    name : str
        Of the setting; its unit stands in it.
    value : float
        In the setting's unit.
    sigma : float
        Standard uncertainty, in the same unit.
    identified : bool
        Whether the recording fixes it; if not, it is held at the base's value where that costs nothing.
    note : str or None
        Why not, and with what it changes together.
    """

    name: str
    value: float
    sigma: float
    identified: bool
    note: str | None = None


@dataclass(frozen=True)
class HeldOutErrors:
    """Error-to-signal ratios on parts that were not fitted to.

    Parameters
    ----------
    duration_s : float
        Length of those parts.
    esr : float
        Of the machine with the fitted settings.
    filter_esr : float or None
        With the fitted filter in place of the settings that stand for it; None where there is no filter.
    linear_esr, gain_esr : float
        Of the best linear filter and the best gain, fitted to the same parts as the machine.
    residual_lag_rms_us : float or None
        How much the lag of single frames behind the fitted machine varies, microseconds; None where it cannot be told.
    """

    duration_s: float
    esr: float
    filter_esr: float | None
    linear_esr: float
    gain_esr: float
    residual_lag_rms_us: float | None


@dataclass(frozen=True)
class Start:
    """Where one of the searches ended: its settings, and the ESR on its excerpts."""

    response: Response
    values: dict[str, float]
    esr: float


@dataclass(frozen=True)
class MachineFit:
    """The tape machine that comes nearest to a recording.

    Parameters
    ----------
    settings : TapeSettings
        Of that machine.
    knobs : tuple of FittedKnob
        The settings that were searched.
    response : str
        ``gain``: nothing but a gain behind them; ``filter``: a response of levels and phases.
    delay_samples : float
        How much later the recording is than the machine: no setting holds a delay.
    fit_esr : float
        Error-to-signal ratio on what was fitted to.
    held_out : HeldOutErrors
        The same on what was not.
    check : PairCheck
        What was known of the pair before.
    searches : tuple of Start
        Where each search ended.
    notes : tuple of str
        What the user should know.
    """

    settings: TapeSettings
    knobs: tuple[FittedKnob, ...]
    response: Response
    delay_samples: float
    fit_esr: float
    held_out: HeldOutErrors
    check: PairCheck
    searches: tuple[Start, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values; of the settings those that are not the defaults."""
        values = asdict(self)
        values["settings"] = changed_settings(self.settings)
        return values


def changed_settings(settings: TapeSettings) -> dict[str, Any]:
    """Settings that differ from the defaults, as plain values for a YAML file."""
    plain: dict[str, Any] = settings.model_dump(mode="json", exclude_defaults=True)
    return plain


def as_preset(fit: MachineFit, *, about: str, source: str) -> dict[str, Any]:
    """A preset file: what it is, where it comes from, how near it is, and the settings.

    Notes
    -----
    `kind` and `settings` are what an entry under ``devices`` of params.yaml needs.
    """
    knobs = {knob.name: {"sigma": float(f"{knob.sigma:.3g}"), "identified": knob.identified} for knob in fit.knobs}
    return {
        "about": about,
        "source": source,
        "fitted": {
            "held_out_esr": float(f"{fit.held_out.esr:.4g}"),
            "linear_filter_esr": float(f"{fit.held_out.linear_esr:.4g}"),
            "gain_esr": float(f"{fit.held_out.gain_esr:.4g}"),
            "delay_left_out_samples": round(fit.delay_samples, 4),
            "knobs": knobs,
        },
        "kind": "tape",
        "settings": changed_settings(fit.settings),
    }
