"""Which pictures results give, and what stands under them."""

from pathlib import Path

from tapemeasure.report.gather import DeviceResults, Results, TakeResults
from tapemeasure.report.pictures import draw_pictures


def test_harmonics_are_those_of_the_loudest_sweep(tmp_path: Path) -> None:
    rows = [
        {"order": order, "level_dbfs": level_dbfs, "frequency_hz": [100.0, 1000.0], "magnitude_db": [-40.0, -50.0]}
        for level_dbfs in (-18.0, 0.0)
        for order in (2, 3)
    ]
    take = TakeResults("take1", measurement={"harmonic_response": rows})
    results = Results(devices=(DeviceResults("machine", takes=(take,)),), sha256={})
    [picture] = draw_pictures(results, tmp_path)
    assert picture.caption.startswith("Sweep at 0 dBFS:")
    drawn = picture.path.read_text(encoding="utf-8")
    assert "2nd" in drawn
    assert "3rd" in drawn
