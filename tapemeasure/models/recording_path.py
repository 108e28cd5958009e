"""The recording path of a tape machine (amplifiers, hysteresis, filters) as a small recurrent network with state.

Signals are float32 tensors of shape (batch, 1, n_samples). Blocks of any length, fed one after another with the state
handed on, give what one long block gives.
"""

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from tapemeasure.errors import TrainingError, UsageError
from tapemeasure.io import write_bytes
from tapemeasure.models.fused_gru import can_fuse, fused_gru

FORMAT = "tapemeasure recording path"
VERSION = 1
LONGEST_MEMORY_SAMPLES = 1000.0
DIFFERENCE_GAIN = 8.0


class RecordingPathState(NamedTuple):
    """What the network remembers between two blocks.

    Parameters
    ----------
    hidden : Tensor, shape (1, batch, hidden_size)
        State of the GRU.
    last : Tensor, shape (batch, 1, 1)
        Last input sample.
    """

    hidden: Tensor
    last: Tensor

    def detached(self) -> "RecordingPathState":
        """The same state with no way back for gradients."""
        return RecordingPathState(self.hidden.detach(), self.last.detach())


@dataclass(frozen=True)
class RecordingPathConfig:
    """What a `RecordingPath` is built from.

    Parameters
    ----------
    hidden_size : int
        Units of the GRU.
    skip : bool
        Whether a learned share of the input is added to the output.
    sample_rate : int
        Hz; the network is right only for signals of this rate.
    """

    hidden_size: int
    skip: bool
    sample_rate: int


class RecordingPath(nn.Module):
    """GRU on the input sample and its difference to the one before, linear output, optional skip path.

    Notes
    -----
    A magnetic field's rate of change stands in the equations of hysteresis, so the difference is an input of its own
    (scaled to the size of ordinary programme). The update gates start with time constants spread evenly in their
    logarithm from 1 to 1000 samples: the network has a memory from the first step, which training otherwise finds
    late.

    References
    ----------
    .. [1] O. Mikkonen, A. Wright, E. Moliner, V. Valimaki, "Neural modeling of magnetic tape recorders", DAFx 2023.
    .. [2] C. Tallec, Y. Ollivier, "Can recurrent neural networks warp time?", ICLR 2018 (the start of the gates).
    """

    def __init__(self, config: RecordingPathConfig) -> None:
        super().__init__()
        self.config = config
        self.gru = nn.GRU(2, config.hidden_size, batch_first=True)
        self.output = nn.Linear(config.hidden_size, 1)
        self.skip_gain = nn.Parameter(torch.tensor(0.5)) if config.skip else None
        self._spread_time_constants()

    def _spread_time_constants(self) -> None:
        size = self.config.hidden_size
        time_constants = torch.logspace(0.0, math.log10(LONGEST_MEMORY_SAMPLES), size)
        biases = dict(self.gru.named_parameters())
        with torch.no_grad():
            biases["bias_ih_l0"].zero_()
            biases["bias_hh_l0"].zero_()
            # order of the gates: reset, update, new; sigmoid(log t) = 1 - 1 / (1 + t)
            biases["bias_ih_l0"][size : 2 * size] = torch.log(time_constants)

    def start(self, batch: int) -> RecordingPathState:
        """State before the first sample: silence for ever."""
        like = self.output.weight
        return RecordingPathState(
            like.new_zeros(1, batch, self.config.hidden_size),
            like.new_zeros(batch, 1, 1),
        )

    def forward(self, samples: Tensor, state: RecordingPathState | None = None) -> tuple[Tensor, RecordingPathState]:
        """Output of a block and the state behind it.

        Parameters
        ----------
        samples : Tensor, shape (batch, 1, n_samples)
            At least one sample, full scale 1.0.
        state : RecordingPathState, optional
            As the block before left it; None starts from silence.
        """
        state = self.start(samples.shape[0]) if state is None else state
        previous = torch.cat([state.last, samples[..., :-1]], dim=-1)
        features = torch.cat([samples, DIFFERENCE_GAIN * (samples - previous)], dim=1)
        if can_fuse(features):
            output, hidden = fused_gru(self.gru, self.output.weight, features, state.hidden)
            output = output + self.output.bias
        else:
            hidden_states, hidden = self.gru(features.transpose(1, 2), state.hidden)
            output = self.output(hidden_states).transpose(1, 2)
        if self.skip_gain is not None:
            output = output + self.skip_gain * samples
        return output, RecordingPathState(hidden, samples[..., -1:])


def save_recording_path(model: RecordingPath, path: Path | str, *, facts: Mapping[str, Any] | None = None) -> None:
    """Write a model as safetensors, with its configuration and `facts` (JSON values) in the header.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    header = {"format": FORMAT, "version": VERSION, "config": asdict(model.config), "facts": dict(facts or {})}
    tensors = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
    write_bytes(path, save(tensors, metadata={"tapemeasure": json.dumps(header, sort_keys=True)}))


def load_recording_path(path: Path | str) -> tuple[RecordingPath, dict[str, Any]]:
    """Read a model that `save_recording_path` wrote, and its facts; nothing is unpickled.

    Raises
    ------
    UsageError
        If there is no such file.
    TrainingError
        If it is no such model, of another version, truncated, or its weights do not fit its configuration.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"{path}: no such file; train a model first")
    data = path.read_bytes()
    header = _header(data, where=path)
    try:
        config = RecordingPathConfig(**header["config"])
        model = RecordingPath(config)
        tensors = load(data)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TrainingError(f"{path}: damaged model file ({error}); train it again") from error
    _check_shapes(model, tensors, where=path)
    model.load_state_dict(tensors)
    model.eval()
    return model, header["facts"]


def _header(data: bytes, *, where: Path) -> dict[str, Any]:
    """The JSON that `save_recording_path` put into the file's header."""
    problem = f"{where}: not a model of this program"
    try:
        (length,) = struct.unpack("<Q", data[:8])
        outer = json.loads(data[8 : 8 + length])
        header: dict[str, Any] = json.loads(outer["__metadata__"]["tapemeasure"])
        found, version = header["format"], header["version"]
    except (struct.error, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{problem} (its header cannot be read); train it again") from error
    if found != FORMAT:
        raise TrainingError(f"{problem} (it holds a {found!r}); give a {FORMAT!r}")
    if version != VERSION:
        raise TrainingError(f"{where}: version {version} of the format, this program reads {VERSION}; train it again")
    return header


def _check_shapes(model: RecordingPath, tensors: Mapping[str, Tensor], *, where: Path) -> None:
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise TrainingError(
                f"{where}: weight {name} has the shape {found.get(name, 'none')}, hidden_size "
                f"{model.config.hidden_size} needs {expected.get(name, 'none')}; train it again"
            )
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise TrainingError(f"{where}: weight {name} holds NaN or infinite values; train it again")
