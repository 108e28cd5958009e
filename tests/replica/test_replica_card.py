"""The card of a replica: what it tells, and what it does not claim."""

from tapemeasure.replica.card import replica_card

FIGURES = {"std_s": 6.7e-5, "kurtosis": -0.4, "weighted_2sigma_pct": 0.226}
TRIALS = [
    {"name": name, "copied": copied, "log_spectral_distance_db": distance, "figures": FIGURES, "other_figures": FIGURES}
    for name, copied, distance in (("real", None, 2.48), ("lines", 1.07, 2.59), ("diffusion", 0.9, 2.91))
]
DELAY = {"generator": "lines", "learned_from_s": 190.7, "trials": TRIALS, "reason": None}
HISS = {
    "generator": "noise",
    "learned_from_s": 18.5,
    "comparison": {"level_db": -0.09, "a_level_db": 0.002, "itu468_level_db": 0.05, "worst_band_db": 0.43},
}
ORIGIN = {"kind": "hardware", "takes": [{"name": "io_1", "input": "in.wav", "output": "out.wav"}]}


def card(*, esr=0.00087, fir=0.00136, delay=DELAY, hiss=HISS, origin=ORIGIN, facts=None, rows=None):
    errors = [{"model": "input", "esr": 1.27}, {"model": "fir", "esr": fir}, {"model": "gru", "esr": esr}]
    return replica_card(
        "akai",
        sample_rate=44100,
        latency_samples=512,
        recording_path={"scheme": "supervised1"} if facts is None else facts,
        errors=errors if rows is None else rows,
        alignment="delay tracked by pulses",
        delay=delay,
        hiss=hiss,
        origin=origin,
        files={"model.safetensors": "ab12"},
    )


def test_a_card_tells_how_to_play_how_good_and_from_what():
    text = card()
    for words in (
        "# Replica of akai",
        "look-ahead of the recording path 512 samples, 11.6 ms",
        "`tapemeasure live --model akai --device NAME --delay generated --hiss generated`",
        "| a linear filter | 0.00136 | -28.7 |",
        "| this replica (gru) | 0.00087 | -30.6 |",
        "A linear filter alone does not do better",
        "| distance of the spectra / dB | 2.59 | 2.48 (its own takes) |",
        "other kinds, distance of the spectra in dB: diffusion 2.91",
        "level -0.09 dB, A-weighted +0.00 dB, ITU-R 468 +0.05 dB",
        "learned from the take io_1 (in.wav -> out.wav)",
        "model.safetensors: sha256 ab12",
        "no audio of the takes is in these files",
    ):
        assert words in text
    assert "computed machine" not in text


def test_a_filter_that_is_better_is_told():
    assert "A linear filter alone does better on this machine: use the network with care." in card(esr=0.002)


def test_a_computed_machine_is_told():
    assert "itself a computed machine (kind tape), no real one" in card(origin={"kind": "tape", "takes": []})


def test_what_is_missing_is_told_and_not_offered():
    text = card(
        delay={"generator": None, "reason": "too little delay", "trials": []},
        hiss={"comparison": None, "reason": "no silence in any take"},
        facts={},
        rows=[],
    )
    assert "- none: too little delay" in text
    assert "- none: no silence in any take" in text
    assert "--delay generated" not in text
    assert "--hiss generated" not in text
    assert "error to signal" not in text


def test_a_delay_without_trials_tells_why():
    still = {"generator": "lines", "learned_from_s": 191.0, "trials": [], "reason": "the machine has no wow"}
    assert "- the machine has no wow" in card(delay=still)


def test_a_delay_too_short_to_tell_a_copy_is_not_said_to_be_none():
    trials = [{**trial, "copied": None} for trial in TRIALS]
    text = card(delay={**DELAY, "trials": trials})
    assert "| kurtosis | -0.40 | -0.40 |" in text
    assert "copy" not in text
