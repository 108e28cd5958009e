"""The written report: complete, self-contained, escaped, the same twice, honest about gaps."""

import html
import itertools
import json
import re
from html.parser import HTMLParser

import pytest

from tapemeasure.errors import OutputError, UsageError
from tapemeasure.io import write_json
from tapemeasure.report.figures import FIGURES
from tapemeasure.report.write import write_report

VOID = {"meta", "link", "img", "br", "input"}


class Checker(HTMLParser):
    """Collects tags, and fails on tags that are closed in the wrong order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def own_text(text):
    """The page without its pictures, its audio and the packed script."""
    return re.sub(r'"data:[^"]*"|<script type="text/plain"[^<]*', "", text)


@pytest.fixture(scope="module")
def text(report):
    return report.page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tags(text):
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    return checker.tags


def test_errors_of_models_stand_beside_those_at_the_best_lag(text, results_folder):
    rows = json.loads((results_folder / "evaluation" / "machine.json").read_text())["rows"]
    fir = next(row for row in rows if row["model"] == "fir")
    assert "The same at the best lag / %" in text
    # the same three digits as in the table of errors
    start = text.index("That lag / µs")
    cells = re.findall(r"<td>([^<]*)</td>", text[text.index("filter", start) :])[:3]
    percent = [100.0 * fir["esr"], 100.0 * fir["best_lag_esr"]]
    assert [float(cell) for cell in cells[:2]] == pytest.approx(percent, rel=0.01)
    assert float(cells[2].replace("−", "-")) == pytest.approx(fir["lag_us"], abs=0.006)


def test_files_are_where_they_should_be(report, results_folder):
    assert json.loads(report.metrics_file.read_text(encoding="utf-8")) == report.metrics
    drawn = sorted(path.name for path in (report.page.parent / "plots").iterdir())
    curves = {f"{kind}.csv" for kind in ("speed", "response", "hiss", "thd", "models")}
    assert set(drawn) == {path.name for path in report.pictures} | curves
    assert {f"machine_take1_{kind}.svg" for kind in ("delay", "response", "harmonics", "thd", "gain", "noise")} <= {
        *drawn
    }
    assert {"machine_models.svg", "machine_training.svg", "machine_residual.svg"} <= {*drawn}


def test_nothing_points_outside(text, tags):
    assert not re.search(r"https?:|//[a-z]|@import|url\(", own_text(text))
    for _, attributes in tags:
        for name in ("src", "href"):
            if attributes.get(name):
                assert attributes[name].startswith(("data:", "#"))
    assert len(text) < 10_000_000


def test_links_and_labels_have_their_targets(tags):
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for _, attributes in tags:
        if (attributes.get("href") or "").startswith("#"):
            assert attributes["href"][1:] in ids
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids


def test_pictures_have_texts_with_numbers_and_tables_have_scopes(tags):
    pictures = [attributes for tag, attributes in tags if tag == "img"]
    assert len(pictures) == 18
    assert all(len(attributes["alt"]) > 40 for attributes in pictures)
    assert any("160.7" in attributes["alt"] for attributes in pictures)
    assert all(attributes.get("scope") in ("row", "col", "rowgroup") for tag, attributes in tags if tag == "th")
    assert sum(tag == "table" for tag, _ in tags) == sum(tag == "caption" for tag, _ in tags)


def test_headings_go_down_one_step_at_a_time(tags):
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_the_page_tells_figures_verdict_warnings_gaps_and_provenance(text):
    for expected in (
        "<title>Two decks</title>",
        "Verdict of machine",
        "Yes, the network beats the best linear filter",
        "3 samples are clipped",
        "No capture: no captures in raw/none",
        "not measured",
        "drive",
        "delays/machine/take1.npz",
    ):
        assert expected in text
    shown = html.unescape(text)
    assert all(figure.label in shown for figure in FIGURES if figure.key_figure)


def test_the_same_results_give_the_same_bytes(report, results_folder, tmp_path):
    again = write_report(results_folder, tmp_path / "report", metrics_file=tmp_path / "m.json", title="Two decks")
    assert again.page.read_bytes() == report.page.read_bytes()
    assert again.metrics_file.read_bytes() == report.metrics_file.read_bytes()


def test_names_and_reasons_are_escaped(tmp_path):
    nothing = {"kind": "hardware", "reason": "<script>alert(1)</script> & co", "takes": []}
    write_json(tmp_path / "data" / "captures" / "deck" / "takes.json", nothing)
    report = write_report(tmp_path / "data", tmp_path / "report", metrics_file=tmp_path / "m.json", title="<b>bold</b>")
    text = report.page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "<dialog" not in text
    assert "<b>bold" not in text
    assert "&lt;b&gt;bold" in text


def test_takes_without_any_result_and_many_takes(tmp_path):
    takes = [{"name": f"take {n}", "input": None, "output": None} for n in range(7)]
    write_json(tmp_path / "data" / "captures" / "deck" / "takes.json", {"kind": "hardware", "takes": takes})
    report = write_report(tmp_path / "data", tmp_path / "report", metrics_file=tmp_path / "m.json")
    text = report.page.read_text(encoding="utf-8")
    assert report.pictures == ()
    assert "None of its 7 takes was measured" in text
    assert "more take" not in text


def test_pictures_of_further_takes_stay_in_their_folder(results_folder, tmp_path):
    data = tmp_path / "data" / "delays" / "deck"
    data.mkdir(parents=True)
    trajectory = (results_folder / "delays" / "machine" / "take1.npz").read_bytes()
    for n in range(6):
        (data / f"take{n}.npz").write_bytes(trajectory)
        write_json(data / f"take{n}.json", {"mean_delay_s": 0.1})
    report = write_report(tmp_path / "data", tmp_path / "report", metrics_file=tmp_path / "m.json")
    text = report.page.read_text(encoding="utf-8")
    assert len(report.pictures) == 7
    assert text.count("<img ") == 5
    assert "2 more takes are in the table above" in text


@pytest.mark.parametrize("existing", ["report/index.html", "m.json", "report/plots/deck_models.svg"])
def test_nothing_is_overwritten_without_force(existing, tmp_path):
    rows = [{"model": "fir", "esr": 0.1}]
    write_json(tmp_path / "data" / "evaluation" / "deck.json", {"rows": rows})
    kept = tmp_path / existing
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text("mine", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="--force"):
        write_report(tmp_path / "data", tmp_path / "report", metrics_file=tmp_path / "m.json", force=False)
    assert sorted(tmp_path.rglob("*")) == before
    assert kept.read_text(encoding="utf-8") == "mine"


def test_an_output_folder_that_cannot_be_made_is_told(tmp_path):
    write_json(tmp_path / "data" / "evaluation" / "deck.json", {"rows": []})
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match="file"):
        write_report(tmp_path / "data", tmp_path / "file" / "report", metrics_file=tmp_path / "m.json")
