"""The built-in tape machine fitted to a pair: settings, the linear rest, and how well the recording fixes them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tapemeasure.analysis.alignment import alignment_quality
from tapemeasure.analysis.linear_fit import fit_fir, fit_gain
from tapemeasure.analysis.signal_errors import esr
from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.errors import NoMatchError, ParameterError
from tapemeasure.fit.held import Settled, settle
from tapemeasure.fit.knobs import KNOBS, MAGNETIC, check_names, vector_of
from tapemeasure.fit.linear_part import FILTER_S, LinearPart, Response, delayed
from tapemeasure.fit.objective import Objective, play, still
from tapemeasure.fit.pair import FitPair, PairCheck, Stretch, check_pair, long_stretches, loud_stretches
from tapemeasure.fit.response import power_at_grid, response_settings
from tapemeasure.fit.result import FittedKnob, HeldOutErrors, MachineFit, Start
from tapemeasure.fit.search import Found, best_starts, descend
from tapemeasure.fit.telling import notes_of
from tapemeasure.params import TapeSettings
from tapemeasure.units import db_from_amplitude

HELD_OUT_SHARE = 0.2
COARSE_SOLVER, COARSE_OVERSAMPLING = "NR4", 4
"""For the first look only: its settings differ a little from those of 16 x oversampling."""

STARTS = 3
SEARCH_STEPS, FINAL_STEPS = 10, 12
EXCERPT_S, EXCERPTS = 0.75, 4
RUN_IN_S, LONG_RUN_IN_S = 0.3, 2.0
LONG_PARTS = 4
FILTER_WINS = 0.5
"""A filter is taken where it leaves less than this share of the error of a gain..."""

GOOD_ESR = 1e-5
"""...and is looked for only where the gain leaves more than this."""


@dataclass(frozen=True)
class FitPlan:
    """What is fitted, and to which parts.

    Parameters
    ----------
    names : tuple of str
        Settings to search: `drive`, `saturation`, `bias`, `input_gain_db`, `spacing_um`, `thickness_um`, `gap_um`.
    response : str
        ``gain``, ``filter``, or ``auto``: the filter where a gain leaves twice its error.
    fit_parts, held_out_parts : tuple of (first, stop)
        Samples to fit to, and to judge by; empty: the first four fifths, and the last.
    longest_s : float
        How much is fitted to in the last stage, 2..600 s.
    threads : int
        Runs of the model at the same time; changes nothing of the result.
    """

    names: tuple[str, ...] = MAGNETIC
    response: Literal["auto", "gain", "filter"] = "auto"
    fit_parts: tuple[tuple[int, int], ...] = ()
    held_out_parts: tuple[tuple[int, int], ...] = ()
    longest_s: float = 20.0
    threads: int = 1

    def parts(self, n_samples: int) -> tuple[Sequence[tuple[int, int]], Sequence[tuple[int, int]]]:
        """Parts to fit to and to judge by, of a pair of `n_samples`."""
        edge = round((1.0 - HELD_OUT_SHARE) * n_samples)
        fitted, held_out = self.fit_parts or ((0, edge),), self.held_out_parts or ((edge, n_samples),)
        for first, stop in (*fitted, *held_out):
            if not 0 <= first < stop <= n_samples:
                raise ParameterError(f"fit: the part {first}..{stop} is not within the {n_samples} samples of the pair")
        return fitted, held_out


def fit_machine(
    stimulus: FloatArray,
    target: FloatArray,
    *,
    sample_rate: int,
    base: TapeSettings | None = None,
    plan: FitPlan | None = None,
    progress: Progress = no_progress,
) -> MachineFit:
    """Settings of the built-in tape machine that bring its output nearest to an aligned recording.

    Parameters
    ----------
    stimulus, target : ndarray, shape (n_samples,)
        Input, and what a machine made of it, on one time axis; full scale 1.0, at least 2 s.
    sample_rate : int
        Hz.
    base : TapeSettings, optional
        All that is not searched: solver, oversampling, speed, equalisation; its knobs are one of the starts, and what
        the recording does not fix stays at their value.
    plan : FitPlan, optional
        What is searched, and in which parts.
    progress : callable
        Told the completed fraction.

    Raises
    ------
    MismatchError
        If the shapes differ, or the pair is not aligned.
    SignalError
        If a signal is too short, silent, not finite or clipped.
    ParameterError
        If the plan names a wrong setting or part.
    NoMatchError
        If no settings bring the machine near.

    Notes
    -----
    Output gain and delay, or the filter, are solved for at every point, so that only the knobs are searched: a coarse
    grid on loud excerpts with a cheap solver, Gauss-Newton from the best three on excerpts with the machine's own
    solver, and from the best of those on up to `longest_s`. A recording of the model itself without noise is found
    again to an ESR below 1e-8. Drive and saturation act almost only through ``(0.01 + 6 drive) / (2 - 1.5
    saturation)``: which of the two it was is told by an effect of about -70 dB, and where hiss hides it the one
    that the recording does not fix is held at the base's value and told.

    References
    ----------
    D. C. Jiles, D. L. Atherton, "Theory of ferromagnetic hysteresis", J. Magn. Magn. Mater. 61, 1986.
    """
    base, plan = base or TapeSettings(), plan or FitPlan()
    check_names(plan.names)
    pair = FitPair(stimulus, target, sample_rate)
    check = check_pair(pair)
    if check.correlation < 0.0:
        pair = replace(pair, target=-target)
    fitted, held_out = plan.parts(len(stimulus))
    searches = _searches(pair, base, plan, fitted, check, progress=lambda share: progress(0.6 * share))
    objective, start = _chosen(searches, plan.response)
    settled = settle(
        replace(objective, stretches=_final_stretches(pair, fitted, plan.longest_s)),
        start,
        most_steps=FINAL_STEPS,
        progress=lambda share: progress(0.6 + 0.35 * share),
    )
    settings, delay, part = _with_linear_part(settled, base)
    errors = _held_out_errors(pair, fitted, held_out, settings=settings, delay=delay, settled=settled, part=part)
    knobs = _knobs(settled)
    ends = tuple(
        Start(o.response, _values(o, found.vector), found.esr) for o, found in sorted(searches, key=lambda s: s[1].esr)
    )
    progress(1.0)
    return MachineFit(
        settings=settings,
        knobs=knobs,
        response=settled.objective.response,
        delay_samples=delay,
        fit_esr=settled.found.esr,
        held_out=errors,
        check=check,
        searches=ends,
        notes=notes_of(knobs, errors, check, ends, magnetic=any(name in MAGNETIC for name in plan.names)),
    )


def _searches(
    pair: FitPair,
    base: TapeSettings,
    plan: FitPlan,
    parts: Sequence[tuple[int, int]],
    check: PairCheck,
    *,
    progress: Progress,
) -> list[tuple[Objective, Found]]:
    """The ends of the searches on excerpts."""
    responses: tuple[Response, ...] = ("gain", "filter") if plan.response == "auto" else (plan.response,)
    excerpts = loud_stretches(pair, parts, length_s=EXCERPT_S, run_in_s=RUN_IN_S, count=EXCERPTS)
    late = 1e-6 * (check.residual_lag_us or 0.0) * pair.sample_rate
    coarse = base.model_copy(
        update={"solver": COARSE_SOLVER, "oversampling": min(base.oversampling, COARSE_OVERSAMPLING)}
    )
    done, ends = 0, []
    for response in responses:
        cheap = Objective(pair, excerpts, coarse, plan.names, response, plan.threads, late)
        starts = best_starts(cheap, count=STARTS, progress=_share(progress, done, 2 * len(responses)))
        own = replace(cheap, base=base)
        for number, start in enumerate(starts):
            part = _share(progress, (done + 1) * STARTS + number, 2 * len(responses) * STARTS)
            ends.append((own, descend(own, start.vector, most_steps=SEARCH_STEPS, progress=part)))
        done += 2
        if min(found.esr for _, found in ends) < GOOD_ESR:
            break
    return ends


def _share(progress: Progress, index: int, count: int) -> Progress:
    """Progress of one of several equal parts of the work."""
    return lambda share: progress((index + share) / count)


def _chosen(searches: list[tuple[Objective, Found]], wanted: str) -> tuple[Objective, FloatArray]:
    """The best end; behind a filter only where a gain leaves much more."""
    best = {
        response: min((end for end in searches if end[0].response == response), key=lambda end: end[1].esr)
        for response in {objective.response for objective, _ in searches}
    }
    if wanted == "auto":
        # the filter was searched for only where the gain left much
        wins = "filter" in best and best["filter"][1].esr < FILTER_WINS * best["gain"][1].esr
        wanted = "filter" if wins else "gain"
    objective, found = best["filter" if wanted == "filter" else "gain"]
    if found.esr > 0.9:
        raise NoMatchError(
            f"fit: the best settings leave an ESR of {found.esr:.2f} (1 is silence); check that the recording is of "
            "this input and aligned with it"
        )
    return objective, found.vector


def _final_stretches(pair: FitPair, parts: Sequence[tuple[int, int]], longest_s: float) -> list[Stretch]:
    total_s = sum(stop - first for first, stop in parts) / pair.sample_rate
    if total_s <= longest_s:
        return long_stretches(pair, parts, longest_s=longest_s, run_in_s=LONG_RUN_IN_S)
    return loud_stretches(pair, parts, length_s=longest_s / LONG_PARTS, run_in_s=LONG_RUN_IN_S, count=LONG_PARTS)


def _with_linear_part(settled: Settled, base: TapeSettings) -> tuple[TapeSettings, float, LinearPart]:
    """The machine's settings with the linear part in them, the delay that is left out, and that part."""
    objective = settled.objective
    played = objective.played(settled.found.vector)
    part = objective.linear_part(played)
    knobs = _values(objective, settled.found.vector)
    loss = objective.settings(settled.found.vector).loss
    settings = base.model_copy(
        update={**{name: round(value, 6) for name, value in {**settled.held, **knobs}.items()}, "loss": loss}
    )
    if part.filter is None:
        if part.gain <= 0.0:
            raise NoMatchError("fit: the best gain is not above 0; the recording does not follow the input")
        gain_db = round(db_from_amplitude(part.gain), 4)
        return _validated(settings.model_copy(update={"output_gain_db": gain_db})), part.delay_samples, part
    rate = objective.pair.sample_rate
    found = response_settings(
        part.filter, input_power=power_at_grid(np.concatenate(played), sample_rate=rate), sample_rate=rate
    )
    return _validated(found.put_into(settings)), found.delay_samples, part


def _validated(settings: TapeSettings) -> TapeSettings:
    return TapeSettings.model_validate(settings.model_dump())


def _values(objective: Objective, vector: FloatArray) -> dict[str, float]:
    return {name: KNOBS[name].outside(float(inner)) for name, inner in zip(objective.names, vector, strict=True)}


def _held_out_errors(
    pair: FitPair,
    fitted: Sequence[tuple[int, int]],
    held_out: Sequence[tuple[int, int]],
    *,
    settings: TapeSettings,
    delay: float,
    settled: Settled,
    part: LinearPart,
) -> HeldOutErrors:
    rate = pair.sample_rate
    stretches = [Stretch(max(0, first - round(LONG_RUN_IN_S * rate)), first, stop) for first, stop in held_out]
    inputs = [s.played(pair.input) for s in stretches]
    target = np.concatenate([pair.target[first:stop] for first, stop in held_out])

    def joined(outputs: Sequence[FloatArray]) -> FloatArray:
        return np.concatenate([s.compared(output) for s, output in zip(stretches, outputs, strict=True)])

    machine = joined([delayed(play(still(settings), x, sample_rate=rate), delay) for x in inputs])
    searched = replace(settled.objective, stretches=stretches).played(settled.found.vector)
    known = [pair.input[first:stop] for first, stop in fitted], [pair.target[first:stop] for first, stop in fitted]
    taps = round(FILTER_S * rate)
    linear, gain = fit_fir(*known, taps=taps, lookahead_samples=taps // 8), fit_gain(*known)
    return HeldOutErrors(
        duration_s=len(target) / rate,
        esr=esr(machine, target),
        filter_esr=esr(joined([part.apply(z) for z in searched]), target) if part.filter is not None else None,
        linear_esr=esr(joined([linear.apply(x) for x in inputs]), target),
        gain_esr=esr(joined([gain * x for x in inputs]), target),
        residual_lag_rms_us=alignment_quality(machine, target, target, sample_rate=rate).residual_lag_rms_us,
    )


def _knobs(settled: Settled) -> tuple[FittedKnob, ...]:
    """What is known of every setting, in the order of the search."""
    vector = vector_of(settled.objective.base, settled.all_names)
    known = dict(zip(settled.objective.names, settled.found.vector.tolist(), strict=True))
    knobs = []
    for name, held in zip(settled.all_names, vector.tolist(), strict=True):
        inner = known.get(name, held)
        value = KNOBS[name].outside(inner)
        sigma = KNOBS[name].sigma(inner, settled.sigma[name])
        knobs.append(FittedKnob(name, round(value, 6), sigma, name not in settled.why, settled.why.get(name)))
    return tuple(knobs)
