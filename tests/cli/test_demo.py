"""`tapemeasure demo`: the whole way in a fresh folder."""

import json
from pathlib import Path

import pytest

from tapemeasure.cli.main import main


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["demo", *arguments])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.mark.slow
def test_a_newcomer_sees_the_whole_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "demo"
    code, out, err = _run(capsys, "-o", str(folder), "--json")
    assert code == 0, err
    result = json.loads(out)
    page = Path(result["page"])
    assert page == folder / "report" / "index.html"
    assert "<html" in page.read_text()[:2000]
    figures = result["figures"]
    assert all(value is not None for value in figures.values()), figures
    # the tracker's own target on a machine with a pilot, and the head delay of the preset
    assert figures["tracking_error_us_rms"] < 1.0
    assert figures["mean_delay_ms"] == pytest.approx(160.0, abs=1.0)
    assert "7/7" in err
    assert "next: open the page" in err


def test_a_folder_in_use_is_not_written_into(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    code, _, err = _run(capsys, "-o", str(tmp_path))
    assert code == 2
    assert "is not empty" in err
    code, _, err = _run(capsys, "-o", str(tmp_path / "mine.txt"))
    assert code == 2
    assert "is a file" in err


def test_a_preset_that_does_not_exist_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = _run(capsys, "-o", str(tmp_path / "demo"), "--preset", "nagra")
    assert code == 2
    assert "nagra" in err
    assert not (tmp_path / "demo").exists()
