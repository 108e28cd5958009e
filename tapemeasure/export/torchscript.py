"""A replica as TorchScript, with its state as an input and an output; for other programs that have libtorch."""

import io as stdio
import json
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tapemeasure.arrays import FloatArray
from tapemeasure.export.facts import check_signal, require_equal
from tapemeasure.replica.model import DIFFERENCE_GAIN, Replica

FACTS_FILE = "tapemeasure.json"


class ScriptedReplica(nn.Module):
    """Recording path whose state is (hidden, memory, last sample, past of the filter); zeros before the first block.

    Parameters
    ----------
    replica : Replica
    """

    readout: Tensor
    taps: Tensor

    def __init__(self, replica: Replica) -> None:
        super().__init__()
        self.is_gru = replica.cell == "gru"
        self.n_units = replica.n_units
        self.difference_gain = DIFFERENCE_GAIN
        self.bias = replica.bias
        self.skip_gain = replica.skip_gain
        self.gru = nn.GRU(2, replica.n_units if self.is_gru else 1)
        self.lstm = nn.LSTM(2, 1 if self.is_gru else replica.n_units)
        cell = self.gru if self.is_gru else self.lstm
        weights = (replica.input_weight, replica.hidden_weight, replica.input_bias, replica.hidden_bias)
        cell.load_state_dict(
            dict(zip(cell.state_dict(), (torch.from_numpy(weight.copy()) for weight in weights), strict=True))
        )
        taps = replica.taps if len(replica.taps) else np.ones(1)
        self.register_buffer("readout", torch.from_numpy(replica.readout.copy()))
        self.register_buffer("taps", torch.from_numpy(taps[::-1].astype(np.float32))[None, None])

    @torch.jit.export
    def start(self, batch: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """State before the first block."""
        state = torch.zeros(1, batch, self.n_units)
        return state, state.clone(), torch.zeros(batch, 1, 1), torch.zeros(batch, 1, self.taps.size(2) - 1)

    def forward(
        self, signal: Tensor, state: tuple[Tensor, Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Output (batch, 1, n_samples) of a signal of that shape, and the state behind it."""
        hidden, memory, last, past = state
        change = signal - torch.cat([last, signal[:, :, :-1]], dim=2)
        features = torch.cat([signal, self.difference_gain * change], dim=1).permute(2, 0, 1)
        if self.is_gru:
            units, hidden = self.gru(features, hidden)
        else:
            units, both = self.lstm(features, (hidden, memory))
            hidden, memory = both[0], both[1]
        path = (units @ self.readout).t().unsqueeze(1) + self.bias + self.skip_gain * signal
        joined = torch.cat([past, path], dim=2)
        output = torch.conv1d(joined, self.taps)
        kept = joined[:, :, joined.size(2) - past.size(2) :]
        return output, (hidden, memory, signal[:, :, -1:], kept)


def torchscript_bytes(replica: Replica, *, facts: dict[str, Any]) -> tuple[bytes, float]:
    """A TorchScript file, checked by reading it back, and its largest difference to the replica.

    Raises
    ------
    TrainingError
        If what it plays is not what the replica plays.
    """
    module = torch.jit.script(ScriptedReplica(replica).eval())
    buffer = stdio.BytesIO()
    torch.jit.save(module, buffer, _extra_files={FACTS_FILE: json.dumps(facts)})
    data = buffer.getvalue()
    signal, expected = check_signal(replica)
    errors = [
        require_equal(play_torchscript(data, signal, block_samples=size), expected, what=f"TorchScript, {size} a block")
        for size in (len(signal), 64)
    ]
    return data, max(errors)


def play_torchscript(data: bytes, signal: FloatArray, *, block_samples: int) -> FloatArray:
    """Output of an exported file for a signal of shape (n_samples,), played block by block."""
    module = torch.jit.load(stdio.BytesIO(data))  # type: ignore[no-untyped-call]
    state = module.start(1)
    blocks = []
    with torch.inference_mode():
        for first in range(0, len(signal), block_samples):
            block = torch.from_numpy(signal[first : first + block_samples].astype(np.float32))[None, None]
            output, state = module(block, state)
            blocks.append(output[0, 0].numpy().astype(np.float64))
    return np.concatenate(blocks)
