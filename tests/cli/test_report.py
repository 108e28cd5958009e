"""`tapemeasure report`: table, JSON, exit codes."""

import json
import os
import subprocess
import sys

import pytest

from tapemeasure.cli.main import main
from tapemeasure.io import sha256_of_file, write_json


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with a small `data` in it, as the current one."""
    monkeypatch.chdir(tmp_path)
    rows = [{"model": "fir", "esr": 0.1}, {"model": "gru", "esr": 0.01}]
    write_json("data/evaluation/deck.json", {"alignment": "tracked", "rows": rows})
    write_json("data/delays/deck/take1.json", {"mean_delay_s": 0.1607, "method": "pulses"})
    return tmp_path


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_info:
        main(["report", *arguments])
    return int(exit_info.value.code or 0)


def test_defaults_write_page_pictures_and_metrics(workplace, capsys):
    assert run() == 0
    out = capsys.readouterr().out
    assert "report/index.html" in out
    assert (workplace / "report" / "plots" / "deck_models.svg").is_file()
    metrics = json.loads((workplace / "report" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["deck"]["take1"]["mean_delay_ms"] == 160.7
    assert metrics["deck"]["model"]["gru_better_than_fir_db"] == 10.0


def test_json_is_one_object_with_provenance(workplace, capsys):
    assert run("-o", "page", "--metrics", "figures/m.json", "--title", "My deck", "--json") == 0
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    assert result["page"] == "page/index.html"
    assert result["metrics_file"] == "figures/m.json"
    assert result["pictures"] == ["page/plots/deck_models.svg"]
    assert result["metrics"] == json.loads((workplace / "figures" / "m.json").read_text(encoding="utf-8"))
    name = "evaluation/deck.json"
    assert result["provenance"]["sha256"][name] == sha256_of_file(workplace / "data" / name)
    assert "<title>My deck</title>" in (workplace / "page" / "index.html").read_text(encoding="utf-8")
    assert captured.err == ""


def test_csv_has_a_line_a_figure(workplace, capsys):
    assert run("--csv") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "device,take,figure,value,standard_uncertainty,unit,standard"
    assert "deck,take1,mean_delay_ms,160.7,,ms," in lines
    assert "deck,model,gru_better_than_fir_db,10.0,,," in lines
    assert run("--csv", "--json", "--force") == 2
    assert "one of them" in capsys.readouterr().err


def test_machines_of_two_folders_stand_side_by_side(workplace, capsys):
    write_json("later/data/delays/deck/take1.json", {"mean_delay_s": 0.2})
    assert run("--data", "data", "--data", "later/data", "--json") == 0
    metrics = json.loads(capsys.readouterr().out)["metrics"]
    assert {name: takes["take1"]["mean_delay_ms"] for name, takes in metrics.items()} == {
        "deck (later/data)": 200.0,
        f"deck ({workplace.name}/data)": 160.7,
    }


def test_existing_files_need_force(workplace, capsys):
    assert run() == 0
    assert run() == 2
    assert "--force" in capsys.readouterr().err
    assert run("--force") == 0


def test_metrics_go_into_the_folder_of_the_page(workplace):
    assert run("-o", "somewhere/page") == 0
    assert (workplace / "somewhere" / "page" / "metrics.json").is_file()


@pytest.mark.parametrize("folder", ["nothing", "empty"])
def test_no_results_are_wrong_usage(workplace, capsys, folder):
    (workplace / "empty").mkdir()
    assert run("--data", folder) == 2
    error = capsys.readouterr().err
    assert error.startswith("report: ")
    assert folder in error
    assert not (workplace / "report").exists()


def test_a_damaged_result_fails_with_its_name(workplace, capsys):
    (workplace / "data" / "delays" / "deck" / "take1.json").write_text("{", encoding="utf-8")
    assert run() == 1
    assert "take1.json" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_writable_is_told(workplace, capsys):
    (workplace / "locked").mkdir(mode=0o500)
    assert run("-o", "locked/page") == 1
    assert "not writable" in capsys.readouterr().err


def test_help_has_examples_one_a_line(capsys):
    assert run("--help") == 0
    assert "\n    tapemeasure report -o " in capsys.readouterr().out


def test_nothing_heavy_is_imported_for_the_help():
    code = (
        "import sys; from tapemeasure.cli.report import command; "
        "sys.exit(any(name in sys.modules for name in ('matplotlib', 'scipy', 'jinja2', 'numba')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
