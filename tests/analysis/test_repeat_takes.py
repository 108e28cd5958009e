import numpy as np
import pytest

from tapemeasure.analysis.repeat_takes import sigma_key, spread_of_takes
from tapemeasure.errors import SignalError


def take(value: float, **more: object) -> dict[str, object]:
    return {
        "name": "a",
        "duration_s": 3.0,
        "wow_flutter": {"wow_pct": value, "wow_sigma_pct": 0.02, "duration_s": 3.0, "bandwidth_hz": 45.0},
        "noise": {"level_dbfs": -60.0 + value, "level_sigma_db": 0.1, "hum_lines": [{"level_dbfs": -70.0}]},
        "compression": [{"frequency_hz": 1000.0, "level_dbfs": [-6.0, 0.0], "level_1db_dbfs": value}],
        **more,
    }


def test_spread_is_the_standard_deviation_of_every_figure() -> None:
    values = [0.10, 0.12, 0.17]
    found = {figure.figure: figure for figure in spread_of_takes([take(value) for value in values])}
    assert set(found) == {"wow_flutter.wow_pct", "noise.level_dbfs", "compression[1000 Hz].level_1db_dbfs"}
    wow = found["wow_flutter.wow_pct"]
    assert wow.n_takes == 3
    assert wow.mean == pytest.approx(0.13)
    assert wow.spread == pytest.approx(np.std(values, ddof=1))
    assert wow.spread_sigma == pytest.approx(wow.spread / 2.0)
    assert wow.stated_sigma == pytest.approx(0.02)
    assert found["compression[1000 Hz].level_1db_dbfs"].stated_sigma is None
    # twice the uncertainty of three takes' mean covers 95 %: Student's 4.30
    assert 2.0 * wow.mean_sigma == pytest.approx(4.303 * wow.spread / np.sqrt(3.0), rel=0.03)


def test_what_a_take_lacks_and_failed_takes_do_not_count() -> None:
    lacking = take(0.2, noise=None)
    failed = {"name": "b", "error": "no pilot"}
    found = {figure.figure: figure for figure in spread_of_takes([take(0.1), lacking, failed, take(0.3)])}
    assert found["wow_flutter.wow_pct"].n_takes == 3
    assert found["noise.level_dbfs"].n_takes == 2
    equal = {figure.figure: figure for figure in spread_of_takes([take(0.1), take(0.1)])}
    assert equal["wow_flutter.wow_pct"].spread == 0.0


def test_one_take_has_no_spread() -> None:
    with pytest.raises(SignalError, match="two or more"):
        spread_of_takes([take(0.1), {"name": "b", "error": "no pilot"}])


def test_names_of_uncertainties() -> None:
    assert sigma_key(["dropouts", "per_minute"][1]) == "per_minute_sigma"
    assert sigma_key("coercive_level") == "coercive_sigma"
    assert sigma_key("speed_error_pct") == "speed_error_sigma_pct"
