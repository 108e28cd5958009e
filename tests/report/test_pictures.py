"""Which pictures results give, and what stands under them."""

from pathlib import Path

from tapemeasure.report.gather import DeviceResults, Results, TakeResults, gather
from tapemeasure.report.pictures import BOTH, draw_pictures


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


def test_what_the_machine_does_to_levels_is_drawn(results_folder: Path, tmp_path: Path) -> None:
    drawn = draw_pictures(gather(results_folder), tmp_path)
    pictures = {picture.heading: picture for picture in drawn if picture.take != BOTH}
    compression = pictures["Output against input level"]
    assert "At 1 kHz the third harmonic reaches 3 % where the output is at" in compression.caption
    assert "MOL3" in compression.path.read_text(encoding="utf-8")
    assert "output / full scale" in pictures["Hysteresis"].path.read_text(encoding="utf-8")
    assert "where the input is zero, the output keeps" in pictures["Hysteresis"].caption
    assert "% with 250 Hz and 8 kHz" in pictures["Intermodulation"].caption
    assert "250 + 8000 Hz" in pictures["Intermodulation"].path.read_text(encoding="utf-8")


def test_a_limit_that_was_not_reached_is_said(tmp_path: Path) -> None:
    curve = {
        "frequency_hz": 1000.0,
        "level_dbfs": [-30.0, 0.0],
        "output_dbfs": [-30.0, None],
        "small_signal_gain_db": 0.0,
    }
    take = TakeResults("take1", measurement={"compression": [curve], "maximum_output": None})
    [picture] = draw_pictures(Results(devices=(DeviceResults("machine", takes=(take,)),), sha256={}), tmp_path)
    assert picture.caption.startswith("At no level that was played the third harmonic reaches 3 %.")
