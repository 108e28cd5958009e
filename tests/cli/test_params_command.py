"""``tapemeasure params``: checks, prints and writes profiles without losing a comment."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tapemeasure.cli.params import command
from tapemeasure.errors import ParameterError

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def project(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_check(project):
    answer = run("--params", project / "params.yaml")
    assert answer.exit_code == 0
    assert "no error found" in answer.stdout


def test_profile_is_printed_and_the_file_left_alone(project):
    before = (project / "params.yaml").read_bytes()
    answer = run("--params", project / "params.yaml", "--profile", "paper")
    assert yaml.safe_load(answer.stdout)["train_nonlinearity"]["hidden_size"] == 64
    assert (project / "params.yaml").read_bytes() == before


def test_profile_is_written_with_the_comments(project):
    assert run("--params", project / "params.yaml", "--profile", "ci", "--write").exit_code == 0
    text = (project / "params.yaml").read_text()
    assert "# Every stage has one key" in text
    assert yaml.safe_load(text)["stimuli"]["silence_s"] == 2.0


def test_json_is_one_object(project):
    answer = run("--params", project / "params.yaml", "--profile", "ci", "--json")
    assert json.loads(answer.stdout)["stimuli"]["silence_s"] == 2.0


def test_unknown_profile_lists_those_there_are(project):
    answer = run("--params", project / "params.yaml", "--profile", "big")
    assert isinstance(answer.exception, ParameterError)
    assert "there are ci, paper" in str(answer.exception)


def test_wrong_profile_is_not_written(project):
    (project / "profiles" / "bad.yaml").write_text("track: {pilott: auto}\n")
    before = (project / "params.yaml").read_bytes()
    answer = run("--params", project / "params.yaml", "--profile", "bad", "--write")
    assert isinstance(answer.exception, ParameterError)
    assert "did you mean pilot" in str(answer.exception)
    assert (project / "params.yaml").read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"- a list", b"a: [", b"\xff\xfe", b"", b"track: 3", b"track: {rate_hz: 1, rate_hz: 2}"]
)
def test_file_that_is_no_profile_is_named(project, content):
    (project / "profiles" / "bad.yaml").write_bytes(content)
    answer = run("--params", project / "params.yaml", "--profile", "bad", "--write")
    assert isinstance(answer.exception, ParameterError)
    assert "bad.yaml" in str(answer.exception)
    assert (project / "params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()


def test_write_needs_a_profile(project):
    assert run("--params", project / "params.yaml", "--write").exit_code == 2
