"""dvc.yaml against the code: every stage depends on every module that it imports, and on nothing that is not there."""

import ast
import re
from pathlib import Path

import grimp
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
GRAPH = grimp.build_graph("tapemeasure", "stages")


def definition(stage):
    return PIPELINE[stage].get("do", PIPELINE[stage])


def script_of(stage):
    return re.search(r"python -m (stages\.\w+)", definition(stage)["cmd"]).group(1)


def path_of(module):
    path = ROOT / module.replace(".", "/")
    return (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).relative_to(ROOT)


def modules_run_by(script):
    """The script, all it imports at any depth (inside functions too), and the packages around those."""
    reached = {script} | GRAPH.find_upstream_modules(script)
    reached |= {".".join(module.split(".")[:depth]) for module in reached for depth in range(1, module.count(".") + 1)}
    return {module for module in reached if path_of(module).stat().st_size}


def covered(path, dependencies):
    return any(path == Path(dependency) or Path(dependency) in path.parents for dependency in dependencies)


@pytest.mark.parametrize("stage", PIPELINE)
def test_stage_depends_on_all_the_code_it_runs(stage):
    dependencies = [text for text in definition(stage)["deps"] if not text.startswith(("data/", "${"))]
    missing = [
        str(path) for path in map(path_of, sorted(modules_run_by(script_of(stage)))) if not covered(path, dependencies)
    ]
    assert missing == []


@pytest.mark.parametrize("stage", PIPELINE)
def test_stage_depends_on_no_code_that_it_does_not_run(stage):
    run = [path_of(module) for module in modules_run_by(script_of(stage))]
    for dependency in definition(stage)["deps"]:
        if dependency.startswith(("stages/", "tapemeasure/")):
            assert any(covered(path, [dependency]) for path in run), dependency


@pytest.mark.parametrize("stage", PIPELINE)
def test_stage_tracks_the_params_it_reads(stage):
    # each script reads load_params().<key>; every such key must stand under `params` of its stage
    tree = ast.parse(path_of(script_of(stage)).read_text())
    keys = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_params(node.value)}
    listed = {str(key).split(".")[0] for key in definition(stage).get("params", [])}
    # what the methods of Params read
    reads = {"device": {"devices"}, "training_of": {"train_nonlinearity", "devices"}}
    assert set().union(*(reads.get(key, {key}) for key in keys)) <= listed


def _is_params(node):
    named = isinstance(node, ast.Name) and node.id == "params"
    return named or (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "load_params")


def test_every_stage_script_is_in_the_pipeline_and_thin():
    scripts = {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__", "common", "pairs"}
    assert scripts == {script_of(stage).removeprefix("stages.") for stage in PIPELINE}
    for script in scripts:
        assert len((ROOT / "stages" / f"{script}.py").read_text().splitlines()) <= 80, script
