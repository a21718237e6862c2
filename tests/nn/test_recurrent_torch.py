"""Recurrent layers beside PyTorch's, packed sequences included: ``pytest -m peers``."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from tests.nn.beside_torch import DTYPES, Layer, Record, compare, compare_calls

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.peers,
    pytest.mark.filterwarnings("ignore:LSTM with projections"),  # PyTorch on its speed
]

LONG = [(5, 3, 4)]  # steps, batch, inputs

LAYERS = [
    Layer("RNN", (4, 6), LONG),
    Layer("RNN", (4, 6), LONG, {"nonlinearity": "relu", "num_layers": 2, "bias": False}),
    Layer("RNN", (4, 6), [(5, 4)], {"bidirectional": True}),
    Layer("LSTM", (4, 6), LONG),
    Layer("LSTM", (4, 6), [(3, 5, 4)], {"num_layers": 2, "batch_first": True}),
    Layer("LSTM", (4, 6), LONG, {"num_layers": 2, "bidirectional": True}),
    Layer("LSTM", (4, 6), LONG, {"num_layers": 2, "bidirectional": True, "proj_size": 3}),
    Layer("LSTM", (4, 6), LONG, {"num_layers": 2, "dropout": 0.5}, train=False),
    Layer("LSTM", (4, 6), [(5, 4)], {"bias": False}),
    Layer("GRU", (4, 6), LONG),
    Layer("GRU", (4, 6), LONG, {"num_layers": 2, "bidirectional": True, "bias": False}),
    Layer("GRU", (4, 6), [(3, 5, 4)], {"batch_first": True}),
    Layer("GRU", (4, 6), [(5, 4)]),
    Layer("RNN", (4, 6), [*LONG, (1, 3, 6)]),
    Layer("GRU", (4, 6), [*LONG, (4, 3, 6)], {"num_layers": 2, "bidirectional": True}),
    Layer("RNNCell", (4, 6), [(3, 4)]),
    Layer("RNNCell", (4, 6), [(3, 4), (3, 6)], {"nonlinearity": "relu", "bias": False}),
    Layer("LSTMCell", (4, 6), [(3, 4)]),
    Layer("LSTMCell", (4, 6), [(4,)], {"bias": False}),
    Layer("GRUCell", (4, 6), [(3, 4), (3, 6)]),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_like_torch(layer: Layer, dtype: str, record_property: Record) -> None:
    compare(layer, dtype, record_property)


PACKED: list[tuple[str, dict[str, Any]]] = [
    ("RNN", {}),
    ("RNN", {"bidirectional": True, "num_layers": 2}),
    ("LSTM", {"batch_first": True}),
    ("LSTM", {"bidirectional": True, "num_layers": 2, "proj_size": 2}),
    ("GRU", {"bidirectional": True, "batch_first": True}),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "kwargs"), PACKED, ids=lambda x: str(x).replace(" ", ""))
def test_packed(name: str, kwargs: dict[str, Any], dtype: str, record_property: Record) -> None:
    rng = np.random.default_rng(0)
    lengths = [3, 6, 1, 4]
    theirs = getattr(torch.nn, name)(4, 5, **kwargs).to(getattr(torch, dtype))
    ours = getattr(ad.nn, name)(4, 5, **kwargs).to(dtype)
    ours.load_state_dict(theirs.state_dict())
    first = kwargs.get("batch_first", False)
    values = rng.normal(size=(4, 6, 4) if first else (6, 4, 4)).astype(dtype)
    sizes = [kwargs.get("proj_size") or 5, 5][: 1 + (name == "LSTM")]
    layers = kwargs.get("num_layers", 1) * (1 + kwargs.get("bidirectional", False))
    states = [rng.normal(size=(layers, 4, size)).astype(dtype) for size in sizes]
    a = [ad.tensor(x, requires_grad=True) for x in (values, *states)]
    b = [torch.from_numpy(x).requires_grad_() for x in (values, *states)]

    def given(xs: list[Any]) -> Any:
        return tuple(xs[1:]) if name == "LSTM" else xs[1]

    def reference() -> Any:
        pack = torch.nn.utils.rnn
        packed = pack.pack_padded_sequence(b[0], lengths, first, enforce_sorted=False)
        out, state = theirs(packed, given(b))
        return pack.pad_packed_sequence(out, first)[0], state

    names = ("x", "h", "c")
    compare_calls(
        lambda: ours(a[0], given(a), lengths=lengths),
        reference,
        dict(zip(names, a, strict=False)) | dict(ours.named_parameters()),
        dict(zip(names, b, strict=False)) | dict(theirs.named_parameters()),
        dtype,
        record_property,
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_state_of_an_lstm(dtype: str, record_property: Record) -> None:
    rng = np.random.default_rng(1)
    theirs = torch.nn.LSTM(4, 5).to(getattr(torch, dtype))
    ours = ad.nn.LSTM(4, 5).to(dtype)
    ours.load_state_dict(theirs.state_dict())
    values = [rng.normal(size=s).astype(dtype) for s in ((6, 2, 4), (1, 2, 5), (1, 2, 5))]
    a = [ad.tensor(x, requires_grad=True) for x in values]
    b = [torch.from_numpy(x).requires_grad_() for x in values]
    compare_calls(
        lambda: ours(a[0], (a[1], a[2])),
        lambda: theirs(b[0], (b[1], b[2])),
        dict(zip("xhc", a, strict=True)) | dict(ours.named_parameters()),
        dict(zip("xhc", b, strict=True)) | dict(theirs.named_parameters()),
        dtype,
        record_property,
    )
