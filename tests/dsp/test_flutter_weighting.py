import numpy as np
import pytest
from scipy import signal

from tapemeasure.dsp.flutter_weighting import FLUTTER_TABLE, flutter_weighting_db, flutter_weighting_sections
from tapemeasure.errors import ParameterError

TABLE = np.array(FLUTTER_TABLE)


def test_the_curve_passes_the_17_points_and_nothing_sticks_out_between() -> None:
    np.testing.assert_allclose(flutter_weighting_db(TABLE[:, 0]), TABLE[:, 1], atol=0.01)
    fine_db = flutter_weighting_db(np.geomspace(0.1, 200.0, 2000))
    assert fine_db.max() == pytest.approx(0.0, abs=0.01)
    assert np.all(np.diff(fine_db[np.geomspace(0.1, 200.0, 2000) < 4.0]) > 0.0)


def test_the_curve_goes_on_beyond_the_table() -> None:
    assert flutter_weighting_db([0.0])[0] == -np.inf
    assert flutter_weighting_db([0.05])[0] == pytest.approx(-48.0 - 17.4, abs=0.1)
    assert flutter_weighting_db([400.0])[0] == pytest.approx(-23.0 - 5.7, abs=0.1)


@pytest.mark.parametrize("rate_hz", [100.0, 500.0, 1000.0, 2940.0, 44100.0])
def test_the_causal_filter_follows_the_table(rate_hz: float) -> None:
    points = TABLE[TABLE[:, 0] < 0.45 * rate_hz]
    _, response = signal.freqz_sos(flutter_weighting_sections(rate_hz), points[:, 0], fs=rate_hz)
    np.testing.assert_allclose(20 * np.log10(np.abs(response)), points[:, 1], atol=0.3)


def test_the_causal_filter_is_stable_and_its_rate_is_checked() -> None:
    ringing = signal.sosfilt(flutter_weighting_sections(1000.0), np.r_[1.0, np.zeros(60000)])
    assert np.abs(ringing[-1000:]).max() < 1e-6 * np.abs(ringing).max()
    with pytest.raises(ParameterError, match="100 Hz"):
        flutter_weighting_sections(50.0)
