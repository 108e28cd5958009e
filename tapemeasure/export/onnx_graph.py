"""A replica as an ONNX graph of any length, with its state as inputs and outputs.

torch's own exporters fix the length of a recurrent layer; this graph is put together by hand. The signal is
(batch, 1, n_samples); every state is zeros before the first block, and goes from its output to its input after each.
"""

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from tapemeasure.arrays import Float32Array, FloatArray
from tapemeasure.errors import MissingDependencyError
from tapemeasure.export.facts import check_signal, require_equal
from tapemeasure.replica.model import DIFFERENCE_GAIN, Replica

if TYPE_CHECKING:
    import onnx

OPSET = 17
IR_VERSION = 8
ORDER = {"gru": (1, 0, 2), "lstm": (0, 3, 1, 2)}
"""Gates of ONNX (z r h; i o f c) in the order of torch's (r z n; i f g o)."""


def onnx_bytes(replica: Replica, *, facts: dict[str, Any]) -> tuple[bytes, float]:
    """An ONNX file, checked in onnxruntime, and its largest difference to the replica.

    Parameters
    ----------
    replica : Replica
    facts : dict
        JSON values for the file's metadata.

    Raises
    ------
    MissingDependencyError
        If onnx or onnxruntime is not installed.
    TrainingError
        If what onnxruntime plays is not what the replica plays.
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            f"{error.name} is not installed; run: pip install 'tapemeasure[export]'"
        ) from error
    model = _model(replica)
    for name, value in facts.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = name, value if isinstance(value, str) else json.dumps(value)
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    signal, expected = check_signal(replica)
    errors = [
        require_equal(play_onnx(data, signal, block_samples=size), expected, what=f"ONNX in blocks of {size}")
        for size in (len(signal), 64, 1)
    ]
    return data, max(errors)


def play_onnx(data: bytes, signal: FloatArray, *, block_samples: int) -> FloatArray:
    """Output of an exported graph for a signal of shape (n_samples,), played block by block in onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    state = {
        entry.name: np.zeros([size if isinstance(size, int) else 1 for size in entry.shape], np.float32)
        for entry in session.get_inputs()
        if entry.name != "signal"
    }
    blocks = []
    for first in range(0, len(signal), block_samples):
        block = signal[first : first + block_samples].astype(np.float32)[np.newaxis, np.newaxis]
        output, *after = session.run(None, {"signal": block, **state})
        state = dict(zip(state, after, strict=True))
        blocks.append(output[0, 0].astype(np.float64))
    return np.concatenate(blocks)


def _model(replica: Replica) -> "onnx.ModelProto":
    from onnx import TensorProto, helper

    n_units, n_taps = replica.n_units, len(replica.taps)
    nodes, constants = _nodes(replica)
    states: dict[str, list[int | str]] = {"last": ["batch", 1, 1], "hidden": [1, "batch", n_units]}
    if replica.cell == "lstm":
        states["memory"] = [1, "batch", n_units]
    if n_taps > 1:
        states["past"] = ["batch", 1, n_taps - 1]

    def value(name: str, shape: list[int | str]) -> "onnx.ValueInfoProto":
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes,
        "recording_path",
        [value("signal", ["batch", 1, "samples"]), *(value(name, shape) for name, shape in states.items())],
        [value("output", ["batch", 1, "samples"]), *(value(f"{name}_out", shape) for name, shape in states.items())],
        [_tensor(name, array) for name, array in constants.items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="tapemeasure"
    )


def _tensor(name: str, array: Any) -> "onnx.TensorProto":
    from onnx import numpy_helper

    return numpy_helper.from_array(np.ascontiguousarray(array), name)


def _nodes(replica: Replica) -> tuple[list[Any], dict[str, Any]]:
    """Nodes in the order of the signal, and the constants that they read."""
    from onnx import helper

    def slices(name: str, start: int, stop: int) -> dict[str, Any]:
        return {f"{name}_start": np.array([start]), f"{name}_stop": np.array([stop])}

    furthest = np.iinfo(np.int64).max
    constants: dict[str, Any] = {
        "gain": np.float32(DIFFERENCE_GAIN),
        "axis_2": np.array([2]),
        "axis_1": np.array([1]),
        "W": _gates(replica, replica.input_weight),
        "R": _gates(replica, replica.hidden_weight),
        "B": np.concatenate([_gates(replica, replica.input_bias), _gates(replica, replica.hidden_bias)], axis=1),
        "readout": replica.readout[:, np.newaxis],
        "bias": np.float32(replica.bias),
        "skip": np.float32(replica.skip_gain),
        **slices("before", 0, -1),
        **slices("newest", -1, furthest),
    }
    recurrent = ["features", "W", "R", "B", "", "hidden"]
    kind: dict[str, Any] = {"hidden_size": replica.n_units}
    if replica.cell == "gru":
        cell = helper.make_node("GRU", recurrent, ["states", "hidden_out"], linear_before_reset=1, **kind)
    else:
        cell = helper.make_node("LSTM", [*recurrent, "memory"], ["states", "hidden_out", "memory_out"], **kind)
    node = helper.make_node
    filtered = len(replica.taps) > 0
    nodes = [
        node("Concat", ["last", "signal"], ["joined"], axis=2),
        node("Slice", ["joined", "before_start", "before_stop", "axis_2"], ["before"]),
        node("Sub", ["signal", "before"], ["change"]),
        node("Mul", ["change", "gain"], ["scaled"]),
        node("Concat", ["signal", "scaled"], ["pair"], axis=1),
        node("Transpose", ["pair"], ["features"], perm=[2, 0, 1]),
        cell,
        node("Squeeze", ["states", "axis_1"], ["units"]),
        node("MatMul", ["units", "readout"], ["read"]),
        node("Transpose", ["read"], ["turned"], perm=[1, 2, 0]),
        node("Add", ["turned", "bias"], ["network"]),
        node("Mul", ["signal", "skip"], ["past_the_cell"]),
        node("Add", ["network", "past_the_cell"], ["path" if filtered else "output"]),
        node("Slice", ["signal", "newest_start", "newest_stop", "axis_2"], ["last_out"]),
    ]
    if filtered:
        n_taps = len(replica.taps)
        constants["taps"] = replica.taps[::-1].astype(np.float32)[np.newaxis, np.newaxis]
        source = "path"
        if n_taps > 1:
            source = "with_past"
            constants |= slices("kept", 1 - n_taps, furthest)
            nodes += [
                node("Concat", ["past", "path"], ["with_past"], axis=2),
                node("Slice", ["with_past", "kept_start", "kept_stop", "axis_2"], ["past_out"]),
            ]
        nodes.append(node("Conv", [source, "taps"], ["output"]))
    return nodes, constants


def _gates(replica: Replica, rows: Float32Array) -> Float32Array:
    """Rows of torch's gates in the order of ONNX, for one direction."""
    gates = np.split(rows, len(ORDER[replica.cell]))
    return np.concatenate([gates[place] for place in ORDER[replica.cell]])[np.newaxis]
