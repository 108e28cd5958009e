"""The recording path of a tape machine (amplifiers, hysteresis, filters): a small recurrent network before a filter.

With the input x, its conditions c (settings of the machine, scaled) and the state s of the recurrent cell::

    f[n] = [x[n], 8 (x[n] - x[n-1]), c_1 ... c_m]
    s[n] = cell(f[n], s[n-1])                       GRU or LSTM: `cell.*` as torch names them
    v[n] = output.weight s[n] + output.bias + skip_gain x[n]
    g    = fir[0] + c_1 fir[1] + ... + c_m fir[m]   the linear part; a single 1 where `fir_taps` is 0
    h    = g * L(static_delay)                      six Lagrange taps, where `static_delay` is on
    y[n] = sum_k h[k] v[n-k]

y[n] stands for the target at n - `latency_samples`: the filter may look that far ahead of the machine, so that
fractions of a sample fit into it. `render` takes it out; where a replica plays, the machine's own longer delay takes
it up.

Signals are float32 tensors of shape (batch, 1, n_samples). Blocks of any length, fed one after another with the state
handed on, give what one long block gives.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from tapemeasure.models.delay_line import LAGRANGE_LEAD_SAMPLES, lagrange_taps
from tapemeasure.models.filtering import filter_block
from tapemeasure.models.fused_gru import can_fuse, fused_gru

LONGEST_MEMORY_SAMPLES = 1000.0
DIFFERENCE_GAIN = 8.0
RESIDUAL_START = 0.01
"""Size of the network's share before training where a filter stands behind it: the start is nearly linear."""


class RecordingPathState(NamedTuple):
    """What the network remembers between two blocks.

    Parameters
    ----------
    hidden : Tensor, shape (1, batch, hidden_size)
        State of the cell.
    memory : Tensor, shape (1, batch, hidden_size)
        Second state of an LSTM; zeros in a GRU.
    last : Tensor, shape (batch, 1, 1)
        Last input sample.
    past : Tensor, shape (batch, 1, filter taps - 1)
        What went into the filter last.
    """

    hidden: Tensor
    memory: Tensor
    last: Tensor
    past: Tensor

    def detached(self) -> "RecordingPathState":
        """The same state with no way back for gradients."""
        return RecordingPathState(*(part.detach() for part in self))


@dataclass(frozen=True)
class RecordingPathConfig:
    """What a `RecordingPath` is built from.

    Parameters
    ----------
    hidden_size : int
        Units of the cell.
    skip : bool
        Whether a learned share of the input goes past the cell.
    sample_rate : int
        Hz; the network is right only for signals of this rate.
    cell : str
        ``gru`` or ``lstm``.
    fir_taps : int
        Taps of the linear part; 0 for none.
    lead_samples : int
        How far the linear part looks ahead, samples; 0 without it.
    static_delay : bool
        Whether a fraction of a sample of delay is learned.
    condition_names : tuple of str
        Settings of the machine that the network hears, in order.
    condition_centres, condition_scales : tuple of float
        A condition of value z reaches the network as ``(z - centre) / scale``.
    """

    hidden_size: int
    skip: bool
    sample_rate: int
    cell: Literal["gru", "lstm"] = "gru"
    fir_taps: int = 0
    lead_samples: int = 0
    static_delay: bool = False
    condition_names: tuple[str, ...] = ()
    condition_centres: tuple[float, ...] = ()
    condition_scales: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("condition_names", "condition_centres", "condition_scales"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not len(self.condition_names) == len(self.condition_centres) == len(self.condition_scales):
            raise ValueError(f"{len(self.condition_names)} conditions need as many centres and scales")
        if self.cell not in ("gru", "lstm"):
            raise ValueError(f"cell {self.cell!r} is neither gru nor lstm")
        if not 0 <= self.lead_samples <= max(self.fir_taps - 1, 0):
            raise ValueError(f"a lead of {self.lead_samples} samples does not fit into {self.fir_taps} taps")

    @property
    def latency_samples(self) -> int:
        """Samples by which the output is later than the target that it stands for."""
        return self.lead_samples + (LAGRANGE_LEAD_SAMPLES if self.static_delay else 0)


class RecordingPath(nn.Module):
    """Recurrent cell on the input sample and its difference to the one before, skip path, linear filter behind both.

    Notes
    -----
    A magnetic field's rate of change stands in the equations of hysteresis, so the difference is an input of its own
    (scaled to the size of ordinary programme). The update gates start with time constants spread evenly in their
    logarithm from 1 to 1000 samples: the network has a memory from the first step, which training otherwise finds
    late. The filter stands behind the network as the playback side stands behind the tape, so what saturates is
    filtered as well.

    References
    ----------
    .. [1] O. Mikkonen, A. Wright, E. Moliner, V. Valimaki, "Neural modeling of magnetic tape recorders", DAFx 2023.
    .. [2] C. Tallec, Y. Ollivier, "Can recurrent neural networks warp time?", ICLR 2018 (the start of the gates).
    """

    def __init__(self, config: RecordingPathConfig) -> None:
        super().__init__()
        self.config = config
        n_inputs = 2 + len(config.condition_names)
        kind = nn.GRU if config.cell == "gru" else nn.LSTM
        self.cell: nn.GRU | nn.LSTM = kind(n_inputs, config.hidden_size, batch_first=True)
        self.output = nn.Linear(config.hidden_size, 1)
        self.skip_gain = nn.Parameter(torch.tensor(0.5)) if config.skip else None
        self.static_delay = nn.Parameter(torch.tensor(0.5)) if config.static_delay else None
        self.fir: nn.Parameter | None = None
        if config.fir_taps:
            self.fir = nn.Parameter(torch.zeros(1 + len(config.condition_names), config.fir_taps))
            self._start_linear(self.fir)
        self._spread_time_constants()

    def _start_linear(self, fir: Tensor) -> None:
        with torch.no_grad():
            fir[0, self.config.lead_samples] = 1.0
            self.output.weight.mul_(RESIDUAL_START)
            self.output.bias.zero_()
            if self.skip_gain is not None:
                self.skip_gain.fill_(1.0)

    def _spread_time_constants(self) -> None:
        size = self.config.hidden_size
        time_constants = torch.logspace(0.0, math.log10(LONGEST_MEMORY_SAMPLES), size)
        biases = dict(self.cell.named_parameters())
        with torch.no_grad():
            biases["bias_ih_l0"].zero_()
            biases["bias_hh_l0"].zero_()
            # second gate of both: update of reset, update, new; forget of input, forget, cell, output;
            # sigmoid(log t) = 1 - 1 / (1 + t)
            biases["bias_ih_l0"][size : 2 * size] = torch.log(time_constants)

    def filter_taps(self, conditions: Tensor | None = None) -> Tensor:
        """Taps h of the filter behind the network, shape (1 or batch, n_taps).

        Parameters
        ----------
        conditions : Tensor, shape (batch, n_conditions), optional
            Scaled; None where the network hears none.
        """
        taps = self.output.weight.new_ones(1, 1) if self.fir is None else self.fir[:1]
        if self.fir is not None and conditions is not None:
            taps = taps + conditions @ self.fir[1:]
        if self.static_delay is not None:
            delay = lagrange_taps(self.static_delay.clamp(0.0, 1.0))
            padded = nn.functional.pad(taps[:, None], (len(delay) - 1, len(delay) - 1))
            taps = nn.functional.conv1d(padded, delay.flip(0)[None, None])[:, 0]
        return taps

    def scaled(self, values: Tensor) -> Tensor:
        """Conditions in their own units, (batch, n_conditions), as the network wants them."""
        centres = values.new_tensor(self.config.condition_centres)
        return (values - centres) / values.new_tensor(self.config.condition_scales)

    def start(self, batch: int) -> RecordingPathState:
        """State before the first sample: silence for ever."""
        config, like = self.config, self.output.weight
        n_taps = max(config.fir_taps, 1) + (5 if config.static_delay else 0)
        return RecordingPathState(
            like.new_zeros(1, batch, config.hidden_size),
            like.new_zeros(1, batch, config.hidden_size),
            like.new_zeros(batch, 1, 1),
            like.new_zeros(batch, 1, n_taps - 1),
        )

    def forward(
        self, samples: Tensor, state: RecordingPathState | None = None, conditions: Tensor | None = None
    ) -> tuple[Tensor, RecordingPathState]:
        """Output of a block and the state behind it.

        Parameters
        ----------
        samples : Tensor, shape (batch, 1, n_samples)
            At least one sample, full scale 1.0.
        state : RecordingPathState, optional
            As the block before left it; None starts from silence.
        conditions : Tensor, shape (batch, n_conditions), optional
            Settings of the machine in their own units, in the order of `condition_names`; needed where there are any.
        """
        state = self.start(samples.shape[0]) if state is None else state
        previous = torch.cat([state.last, samples[..., :-1]], dim=-1)
        features = [samples, DIFFERENCE_GAIN * (samples - previous)]
        scaled = None
        if self.config.condition_names:
            if conditions is None:
                raise ValueError(f"the network hears {', '.join(self.config.condition_names)}; give conditions")
            scaled = self.scaled(conditions)
            features.append(scaled[:, :, None].expand(-1, -1, samples.shape[-1]))
        nonlinear, hidden, memory = self._play_cell(torch.cat(features, dim=1), state)
        if self.skip_gain is not None:
            nonlinear = nonlinear + self.skip_gain * samples
        output, past = filter_block(nonlinear, self.filter_taps(scaled), state.past)
        return output, RecordingPathState(hidden, memory, samples[..., -1:], past)

    def _play_cell(self, features: Tensor, state: RecordingPathState) -> tuple[Tensor, Tensor, Tensor]:
        """What the cell reads out, and its two states behind the block."""
        if isinstance(self.cell, nn.GRU) and can_fuse(features):
            output, hidden = fused_gru(self.cell, self.output.weight, features, state.hidden)
            return output + self.output.bias, hidden, state.memory
        inputs, memory = features.transpose(1, 2), state.memory
        if isinstance(self.cell, nn.LSTM):
            states, (hidden, memory) = self.cell(inputs, (state.hidden, state.memory))
        else:
            states, hidden = self.cell(inputs, state.hidden)
        return self.output(states).transpose(1, 2), hidden, memory
