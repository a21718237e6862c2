"""ONNX files: names, free sizes, what is refused: ``pytest -m peers``."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn
from adjoint.core.primitive import registry
from adjoint.export.writer import RULES

onnx = pytest.importorskip("onnx")
pytestmark = pytest.mark.peers


def sizes(value: Any) -> list[Any]:
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


def run(proto: Any, *xs: Any) -> list[Any]:
    from onnx.reference import ReferenceEvaluator

    names = [x.name for x in proto.graph.input]
    return ReferenceEvaluator(proto).run(None, dict(zip(names, xs, strict=True)))


class Ratio(nn.Module):
    def forward(self, top: Any, bottom: Any) -> Any:
        return {"ratio": top / bottom, "both": [top, bottom.sum(axis=1)]}


def test_names_and_sizes() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    proto = ad.export.onnx(model, None, np.zeros((7, 4), np.float32))
    found = {x.name for x in proto.graph.initializer}
    kept = {n for n in model.state_dict() if "num_batches" not in n}
    assert kept <= found
    assert [(x.name, sizes(x)) for x in proto.graph.input] == [("x", ["batch", 4])]
    assert [(x.name, sizes(x)) for x in proto.graph.output] == [("output", ["batch", 2])]
    assert proto.producer_name == "adjoint"
    assert proto.opset_import[0].version == 18


def test_several_inputs_and_outputs() -> None:
    top, bottom = np.ones((2, 3)), np.full((2, 3), 4.0)
    proto = ad.export.onnx(Ratio(), None, top, bottom)
    assert [x.name for x in proto.graph.input] == ["top", "bottom"]
    ours = Ratio()(ad.asarray(top), ad.asarray(bottom))
    expected = [ours["both"][0], ours["both"][1], ours["ratio"]]
    for a, b in zip(run(proto, top, bottom), expected, strict=True):
        np.testing.assert_array_equal(a, b.numpy())


def test_a_function_is_a_model_too() -> None:
    proto = ad.export.onnx(lambda x: ad.exp(x).sum(axis=1), None, np.ones((2, 3)))
    np.testing.assert_allclose(run(proto, np.zeros((5, 3)))[0], 3.0)


def test_fixed_sizes() -> None:
    proto = ad.export.onnx(nn.Linear(4, 2), None, np.zeros((7, 4), np.float32), batch_axis=None)
    assert sizes(proto.graph.input[0]) == [7, 4]


def test_a_batch_that_cannot_be_free() -> None:
    x = np.arange(6.0).reshape(2, 3)
    with pytest.warns(UserWarning, match="the batch is fixed, at 2: a number depends on"):
        proto = ad.export.onnx(lambda x: x - x.mean(axis=0), None, x)
    assert sizes(proto.graph.input[0]) == [2, 3]
    np.testing.assert_allclose(run(proto, x)[0], x - x.mean(0))
    with pytest.warns(UserWarning, match="no multiple of the batch"):
        ad.export.onnx(lambda x: x[1:], None, x)


def test_another_axis_is_the_batch() -> None:
    proto = ad.export.onnx(nn.GRU(3, 4), None, np.zeros((5, 2, 3), np.float32), batch_axis=1)
    assert sizes(proto.graph.input[0]) == [5, "batch", 3]


def test_what_onnx_lacks_is_named() -> None:
    with pytest.raises(ad.export.ExportError, match=r"cholesky \(Cholesky\)") as caught:
        ad.export.onnx(ad.linalg.cholesky, None, np.eye(3), batch_axis=None)
    assert "test_onnx.py:" in str(caught.value)
    assert isinstance(caught.value, NotImplementedError)
    with pytest.raises(ad.export.ExportError, match="complex128"):
        ad.export.onnx(lambda x: x * 1j, None, np.ones(3))
    with pytest.raises(ad.export.ExportError, match="example inputs are needed"):
        ad.export.onnx(nn.Linear(2, 2), None)
    with pytest.raises(ad.export.ExportError, match="opset must be from 18"):
        ad.export.onnx(nn.Linear(2, 2), None, np.zeros((1, 2)), opset=11)


def test_modes_are_as_before(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(3))
    model[1].eval()
    ad.export.onnx(model, tmp_path / "m.onnx", np.ones((2, 3), np.float32))
    assert (model.training, model[0].training, model[1].training) == (True, True, False)
    assert [p.grad for p in model.parameters()] == [None, None]
    kinds = {n.op_type for n in onnx.load(tmp_path / "m.onnx").graph.node}
    assert kinds <= {"Sub", "Mul", "Add", "Sqrt", "Reciprocal", "Reshape", "Identity", "Cast"}


def test_softmax_is_one_operator() -> None:
    for make in (nn.Softmax, nn.LogSoftmax, nn.Softmin):
        masked = 5.0 if make is nn.Softmin else -np.inf
        x = np.array([[1.0, 2.0, masked], [0.0, 9.0, 3.0]])
        proto = ad.export.onnx(make(-1), None, x)
        kinds = [n.op_type for n in proto.graph.node if n.op_type != "Identity"]
        assert kinds[-1] == make.__name__.replace("Softmin", "Softmax")
        assert len(kinds) <= 2
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(run(proto, x)[0], make(-1)(ad.asarray(x)).numpy())
        assert not proto.graph.initializer


def test_half_precision() -> None:
    x = np.ones((2, 3), np.float16)
    proto = ad.export.onnx(lambda x: x * 2.5, None, x)
    assert run(proto, x)[0].dtype == np.float16


def test_scalars_follow_the_tensors() -> None:
    x = np.arange(-4, 5)
    cases: list[Any] = [
        lambda x: x // 3, lambda x: x % 3, lambda x: x / 2, lambda x: x > 1, lambda x: ~(x > 1),
        lambda x: ad.where(x > 0, x, -1.5), lambda x: ad.clip(x, -2, 2), lambda x: 2 ** (x / 3),
        lambda x: ad.any(x.reshape(3, 3) > 2, axis=1), lambda x: ad.all(x < 9), lambda x: x[::-2],
        lambda x: ad.sort(x, descending=True), lambda x: ad.argsort(-x), ad.cumsum, ad.argmax,
        lambda x: ad.tril(x.reshape(3, 3)), lambda x: ad.round(x / 4), lambda x: ad.trunc(x / 3),
        lambda x: ad.take(x, ad.tensor([0, -1]), axis=0), lambda x: ad.isfinite(x / 2),
        lambda x: ad.concat([x, x]), lambda x: ad.split(x, 3)[1], ad.flip, ad.prod,
        lambda x: ad.einsum("i,j->ij", x * 1.0, x * 1.0),
    ]  # fmt: skip
    for f in cases:
        proto = ad.export.onnx(f, None, x, batch_axis=None)
        got, expected = run(proto, x)[0], f(ad.asarray(x)).numpy()
        assert got.dtype == expected.dtype
        np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_a_loop_without_a_sequence_and_backwards() -> None:
    def powers(x: Any) -> Any:
        return ad.scan(lambda c, _: (c * x, c), x, None, length=4)

    proto = ad.export.onnx(powers, None, np.full(3, 2.0))
    last, all_ = run(proto, np.full(3, 2.0))
    np.testing.assert_array_equal(last, np.full(3, 32.0))
    np.testing.assert_array_equal(all_[:, 0], [2.0, 4.0, 8.0, 16.0])


# -- each operation by itself --------------------------------------------------------------------


@pytest.mark.parametrize("card", sorted({c.__name__ for c in RULES} - {"Override", "Scan"}))
def test_samples_of_the_cards(card: str) -> None:
    """Every sample of a card that has a rule gives what NumPy gives, or is refused."""
    ort = pytest.importorskip("onnxruntime")
    done = 0
    for op, xs in registry[card].samples(np.random.default_rng(0)):
        xs = [np.asarray(x) for x in xs]
        xs = [x.astype(np.float32) if x.dtype == np.float64 else x for x in xs]
        if any(x.dtype.kind == "c" for x in xs):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                proto = ad.export.onnx(lambda *a, op=op: op(*a), None, *xs, batch_axis=None)
        except ad.export.ExportError:
            continue
        names = [x.name for x in proto.graph.input]
        session = ort.InferenceSession(
            proto.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        got = session.run(None, dict(zip(names, xs, strict=True)))
        out = op(*map(ad.asarray, xs))
        for a, b in zip(got, out if isinstance(out, tuple) else (out,), strict=True):
            np.testing.assert_allclose(a, b.numpy(), rtol=2e-4, atol=2e-5)
            assert a.dtype == b.dtype
        done += 1
    assert done or card in {"Conj", "Real"}
