"""The training loop: learns, survives non-finite values, goes on after a kill to the same weights, exports the best."""

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

from tapemeasure.analysis.signal_errors import esr
from tapemeasure.errors import MismatchError, OutputError, ParameterError, SignalError, TrainingError
from tapemeasure.models.model_file import load_recording_path
from tapemeasure.params.stages import TrainNonlinearityParams
from tapemeasure.training.checkpoints import load_checkpoint
from tapemeasure.training.datasets import AlignedPair, RecordedPair
from tapemeasure.training.loop import train_recording_path
from tapemeasure.training.results import export_best, validation_errors

PARAMS = TrainNonlinearityParams(
    hidden_size=4,
    batch_size=3,
    segment_s=0.2,
    warm_up_samples=40,
    update_samples=60,
    learning_rate=0.02,
    max_epochs=4,
    patience_epochs=4,
)


def toy_pair(seed=1, n_samples=2400):
    """A saturating machine: its linear part is a gain of 0.8."""
    source = 0.5 * np.random.default_rng(seed).standard_normal(n_samples)
    return AlignedPair(f"toy_{seed}", source, 0.8 * np.tanh(2.0 * source) / 2.0, 2000)


def as_recorded(pair, delay_samples=9.3):
    """The pair as a machine with a steady delay records it."""
    n = np.arange(len(pair.target))
    late = np.interp(n - delay_samples, n, pair.target, left=0.0)
    return RecordedPair(pair.name, pair.input, late, pair.sample_rate, {}, np.full(len(n), delay_samples))


def train(folder, params=PARAMS, pairs=None, **kwargs):
    pairs = [toy_pair(1)] if pairs is None else pairs
    return train_recording_path(pairs, [toy_pair(2, 1200)], params, checkpoint=folder / "checkpoint.pt", **kwargs)


def weights(result):
    return torch.cat([weight.detach().flatten() for weight in result.model.parameters()])


class KilledError(Exception):
    pass


def test_the_loop_learns_and_returns_the_best_epoch(tmp_path):
    result = train(tmp_path, PARAMS.model_copy(update={"max_epochs": 12, "patience_epochs": 12}))
    errors = [record.validation_esr for record in result.epochs]
    assert len(errors) == 12
    assert result.best.validation_esr == min(errors)
    assert result.best.validation_esr < 0.5 * errors[0]
    pair = toy_pair(2, 1200)
    gain = float(pair.input @ pair.target) / float(pair.input @ pair.input)
    assert result.best.validation_esr < esr(gain * pair.input, pair.target)
    found, _ = validation_errors(result.model, [pair])
    assert found == pytest.approx(result.best.validation_esr, rel=1e-9)
    assert result.best.train_loss < 0.1
    rates = [record.learning_rate for record in result.epochs]
    assert rates == sorted(rates, reverse=True)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path):
    runs = [tmp_path / name for name in "abc"]
    one, again = train(runs[0]), train(runs[1])
    other = train(runs[2], PARAMS.model_copy(update={"seed": 2}))
    assert torch.equal(weights(one), weights(again))
    assert one.epochs == again.epochs
    assert not torch.equal(weights(one), weights(other))


def test_training_leaves_the_global_generator_and_the_threads_alone(tmp_path):
    threads = torch.get_num_threads()
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    train(tmp_path, PARAMS.model_copy(update={"max_epochs": 1}))
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


RICH = PARAMS.model_copy(update={"ema_updates": 3.0, "fir_taps": 16, "fir_learning_rate": 1e-3})


@pytest.mark.parametrize("after_epoch", [1, 3])
@pytest.mark.parametrize("scheme", ["supervised1", "joint"])
def test_an_interrupted_training_goes_on_to_the_same_weights(tmp_path, scheme, after_epoch):
    params = RICH.model_copy(update={"scheme": scheme})
    recorded = [as_recorded(toy_pair(1))] if scheme == "joint" else []

    def kill_in_next_epoch(fraction):
        if fraction > (after_epoch + 0.1) / PARAMS.max_epochs:
            raise KilledError

    unbroken = train(tmp_path / "unbroken", params, recorded=recorded)
    broken = tmp_path / "broken"
    with pytest.raises(KilledError):
        train(broken, params, recorded=recorded, progress=kill_in_next_epoch)
    assert len(load_checkpoint(broken / "checkpoint.pt").epochs) == after_epoch
    lines = []
    resumed = train(broken, params, recorded=recorded, log=lines.append)
    assert f"going on after epoch {after_epoch} of at most 4" in lines[0]
    assert torch.equal(weights(resumed), weights(unbroken))
    assert resumed.epochs == unbroken.epochs
    assert resumed.correction_rms_s == unbroken.correction_rms_s


def test_a_truncated_checkpoint_costs_one_epoch_and_nothing_else(tmp_path):
    def kill_in_last_epoch(fraction):
        if fraction > 0.8:
            raise KilledError

    path = tmp_path / "broken" / "checkpoint.pt"
    with pytest.raises(KilledError):
        train(path.parent, progress=kill_in_last_epoch)
    path.write_bytes(path.read_bytes()[:-1])
    lines = []
    resumed, unbroken = train(path.parent, log=lines.append), train(tmp_path / "unbroken")
    assert "not a checkpoint that can be read" in lines[0]
    assert "the last good checkpoint, used instead" in lines[1]
    assert "going on after epoch 2 of at most 4" in lines[2]
    assert torch.equal(weights(resumed), weights(unbroken))
    assert resumed.epochs == unbroken.epochs


def test_a_process_killed_by_the_system_goes_on_to_the_same_weights(tmp_path):
    script = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[1])
        import test_loop

        def kill_in_third_epoch(fraction):
            if fraction > 0.6:
                os.kill(os.getpid(), signal.SIGKILL)

        test_loop.train(Path(sys.argv[2]), progress=kill_in_third_epoch)
        """
    )
    folder = tmp_path / "killed"
    here = os.path.dirname(__file__)
    process = subprocess.run([sys.executable, "-c", script, here, str(folder)], timeout=120, check=False)
    assert process.returncode == -signal.SIGKILL
    assert {path.name for path in folder.iterdir()} == {"checkpoint.pt", "checkpoint.pt.previous"}
    assert torch.equal(weights(train(folder)), weights(train(tmp_path / "unbroken")))


def test_a_finished_training_returns_at_once(tmp_path):
    first = train(tmp_path)
    lines = []
    second = train(tmp_path, log=lines.append)
    assert len(lines) == 1
    assert torch.equal(weights(first), weights(second))
    assert first.epochs == second.epochs


@pytest.mark.parametrize("change", ["params", "data"])
def test_a_checkpoint_of_other_data_or_settings_is_left_aside(tmp_path, change):
    train(tmp_path)
    lines = []
    params = PARAMS.model_copy(update={"learning_rate": 0.01}) if change == "params" else PARAMS
    result = train(tmp_path, params, [toy_pair(3)] if change == "data" else None, log=lines.append)
    assert sum("other data or settings" in line for line in lines) == 2
    assert "training starts anew" in lines[2]
    assert sum(line.startswith("epoch") for line in lines) == len(result.epochs) == 4


def poisoned_pair():
    """Finite in 64 bits, but its error has no finite square in 32."""
    good = toy_pair(1)
    target = good.target.copy()
    target[-30:] = 1e30
    return dataclasses.replace(good, target=target)


def test_non_finite_losses_are_undone_and_the_best_epoch_is_still_found(tmp_path):
    lines = []
    params = PARAMS.model_copy(update={"max_epochs": 5, "patience_epochs": 5})
    result = train(tmp_path, params, [poisoned_pair()], log=lines.append)
    assert result.recoveries == 5
    assert sum("a value is not finite" in line for line in lines) == 5
    assert torch.isfinite(weights(result)).all()
    assert all(np.isfinite(record.validation_esr) for record in result.epochs)
    assert result.best.validation_esr == min(record.validation_esr for record in result.epochs)
    assert result.best.validation_esr < result.epochs[0].validation_esr


def test_recovery_also_survives_a_kill(tmp_path):
    def kill(fraction):
        if fraction > 0.5:
            raise KilledError

    with pytest.raises(KilledError):
        train(tmp_path / "broken", PARAMS, [poisoned_pair()], progress=kill)
    resumed = train(tmp_path / "broken", PARAMS, [poisoned_pair()])
    unbroken = train(tmp_path / "unbroken", PARAMS, [poisoned_pair()])
    assert torch.equal(weights(resumed), weights(unbroken))
    assert resumed.recoveries == unbroken.recoveries


def test_a_training_that_is_never_finite_ends_with_an_error_and_not_with_nan(tmp_path):
    hopeless = dataclasses.replace(toy_pair(1), target=np.full(2400, 1e30))
    with pytest.raises(TrainingError, match="none of 4 epochs gave a finite loss"):
        train(tmp_path, pairs=[hopeless])


def test_patience_ends_the_training(tmp_path):
    # a rate this small changes nothing, so the first epochs are as good as any
    params = PARAMS.model_copy(update={"max_epochs": 30, "patience_epochs": 2, "learning_rate": 1e-12})
    assert len(train(tmp_path, params).epochs) < 30


def test_the_dc_blocked_loss_decides_where_it_is_asked_for(tmp_path):
    result = train(tmp_path, PARAMS.model_copy(update={"loss": "dc_blocked_esr"}))
    errors = [record.validation_dc_blocked_esr for record in result.epochs]
    assert result.best.validation_dc_blocked_esr == min(errors)
    assert errors[-1] < errors[0]


def test_progress_runs_from_0_to_1(tmp_path):
    fractions = []
    train(tmp_path, progress=fractions.append)
    assert fractions[0] == 0.0
    assert fractions[-1] == 1.0
    assert fractions == sorted(fractions)


def test_the_exported_model_is_the_best_epoch(tmp_path):
    result = train(tmp_path)
    path = tmp_path / "model.safetensors"
    export_best(result, path, validation=[toy_pair(2, 1200)], facts={"device": "toy"})
    model, facts = load_recording_path(path)
    assert facts["device"] == "toy"
    assert facts["best_epoch"] == result.best_epoch
    assert validation_errors(model, [toy_pair(2, 1200)])[0] == pytest.approx(result.best.validation_esr, rel=1e-9)
    assert result.as_dict()["validation_esr"] == facts["validation_esr"]


def test_an_export_that_does_not_give_the_recorded_error_is_refused(tmp_path):
    result = train(tmp_path)
    with torch.no_grad():
        result.model.output.bias += 0.5
    with pytest.raises(TrainingError, match=r"its validation ESR is .*, that of epoch \d was"):
        export_best(result, tmp_path / "model.safetensors", validation=[toy_pair(2, 1200)])


def test_bad_input_is_refused_before_any_work(tmp_path):
    good = toy_pair(1)
    with pytest.raises(SignalError, match="0 training pairs, 1 validation pairs"):
        train(tmp_path, pairs=[])
    with pytest.raises(SignalError, match="0 validation pairs"):
        train_recording_path([good], [], PARAMS, checkpoint=tmp_path / "c.pt")
    with pytest.raises(SignalError, match="scheme supervised2 needs the pairs as recorded"):
        train(tmp_path, PARAMS.model_copy(update={"scheme": "supervised2"}))
    with pytest.raises(MismatchError, match="sample rates"):
        train(tmp_path, pairs=[dataclasses.replace(good, sample_rate=44100)])
    with pytest.raises(ParameterError, match=r"segment_s = 0.04: 80 samples at 2000 Hz; .* need 100"):
        train(tmp_path, PARAMS.model_copy(update={"segment_s": 0.04}))
    with pytest.raises(SignalError, match="silent"):
        train(tmp_path, pairs=[dataclasses.replace(good, target=np.zeros(2400))])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_gives_the_reason(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="checkpoint"):
        train(tmp_path / "taken")
