"""Exported networks in onnxruntime: the same numbers, for any batch: ``pytest -m peers``."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn

ort = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
pytestmark = pytest.mark.peers

Shape = tuple[int, ...]


def floats(*shape: int) -> Any:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def whole(high: int, *shape: int) -> Any:
    return np.random.default_rng(0).integers(0, high, shape)


def settle(model: Any) -> Any:
    """Buffers and parameters away from zero and one, so that each of them counts."""
    rng = np.random.default_rng(1)
    with ad.no_grad():
        for p in model.parameters():
            p.assign(p + ad.asarray(0.2 * rng.normal(size=p.shape).astype(p.dtype)))
        for name, b in model.named_buffers():
            if "running" in name:
                b.assign(ad.asarray(rng.uniform(0.5, 1.5, b.shape).astype(b.dtype)))
    return model


def leaves(out: Any) -> list[Any]:
    if isinstance(out, tuple | list):
        return [leaf for part in out for leaf in leaves(part)]
    return [] if out is None else [out.detach().numpy()]


def session(proto: Any) -> Any:
    return ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])


def compare(model: Any, proto: Any, xs: list[Any]) -> float:
    """The largest difference to what onnxruntime computes, as a share of the largest element."""
    run = session(proto)
    names = [x.name for x in run.get_inputs()]
    theirs = run.run(None, dict(zip(names, xs, strict=True)))
    if isinstance(model, nn.Module):
        model.eval()
    with ad.no_grad():
        ours = leaves(model(*map(ad.asarray, xs)))
    assert len(ours) == len(theirs)
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        if a.size:
            scale = max(1e-3, float(np.abs(a).max()))
            worst = max(worst, float(np.abs(a.astype(float) - b).max()) / scale)
    return worst


def check(model: Any, *xs: Any, free: bool = True, axis: int = 0, tolerance: float = 2e-5) -> None:
    if isinstance(model, nn.Module):
        settle(model)
    with warnings.catch_warnings():
        if not free:
            warnings.simplefilter("ignore")
        proto = ad.export.onnx(model, None, *xs, batch_axis=axis)
    said = {p.key: p.value for p in proto.metadata_props}
    assert said["batch"] == ("free" if free else "fixed")
    assert compare(model, proto, list(xs)) < tolerance
    if free:
        size = xs[0].shape[axis]
        for new in (1, 2 * size + 3):
            index = np.arange(new) % size
            more = [np.take(x, index, axis) if x.shape[axis] == size else x for x in xs]
            assert compare(model, proto, more) < tolerance


ACTIVATIONS = [
    "CELU", "ELU", "GELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU",
    "LogSigmoid", "LogSoftmax", "Mish", "PReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid",
    "Softmax", "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "GLU",
]  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    layer = getattr(nn, name)
    model = layer(-1) if name in ("Softmax", "Softmin", "LogSoftmax") else layer()
    check(model, 3 * floats(5, 6))


IMAGE = (2, 4, 9, 8)
LAYERS: dict[str, tuple[Callable[[], Any], list[Any]]] = {
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d(3), [floats(*IMAGE)]),
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d(3), [floats(*IMAGE)]),
    "AvgPool1d": (lambda: nn.AvgPool1d(3, 2, 1), [floats(2, 4, 9)]),
    "AvgPool2d": (lambda: nn.AvgPool2d(3, 2, 1), [floats(*IMAGE)]),
    "AvgPool3d": (lambda: nn.AvgPool3d(2), [floats(2, 3, 4, 5, 6)]),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4), [floats(5, 4)]),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(4), [floats(*IMAGE)]),
    "Bilinear": (lambda: nn.Bilinear(3, 4, 5), [floats(2, 3), floats(2, 4)]),
    "CircularPad2d": (lambda: nn.CircularPad2d(2), [floats(*IMAGE)]),
    "ConstantPad1d": (lambda: nn.ConstantPad1d((2, 1), 3.5), [floats(2, 4, 9)]),
    "Conv1d": (lambda: nn.Conv1d(4, 6, 3, 2, 1), [floats(2, 4, 9)]),
    "Conv1d same": (lambda: nn.Conv1d(4, 6, 4, padding="same"), [floats(2, 4, 9)]),
    "Conv1d groups": (lambda: nn.Conv1d(4, 6, 3, groups=2, dilation=2), [floats(2, 4, 9)]),
    "Conv2d": (lambda: nn.Conv2d(4, 6, (3, 2), (1, 2), (2, 1)), [floats(*IMAGE)]),
    "Conv2d depthwise": (lambda: nn.Conv2d(4, 4, 3, groups=4, bias=False), [floats(*IMAGE)]),
    "Conv2d reflect": (
        lambda: nn.Conv2d(4, 3, 3, padding=1, padding_mode="reflect"),
        [floats(*IMAGE)],
    ),
    "Conv3d": (lambda: nn.Conv3d(2, 3, 2), [floats(2, 2, 4, 5, 6)]),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(4, 3, 3), [floats(2, 4, 9)]),
    "ConvTranspose2d": (
        lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
        [floats(*IMAGE)],
    ),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(2, 3, 2, stride=2), [floats(2, 2, 3, 4, 5)]),
    "CosineSimilarity": (nn.CosineSimilarity, [floats(3, 4), floats(3, 4) ** 2]),
    "Dropout": (lambda: nn.Dropout(0.5), [floats(3, 4)]),
    "Embedding": (lambda: nn.Embedding(10, 4), [whole(10, 3, 5)]),
    "EmbeddingBag": (lambda: nn.EmbeddingBag(10, 4), [whole(10, 3, 5)]),
    "Flatten": (nn.Flatten, [floats(*IMAGE)]),
    "Fold": (lambda: nn.Fold((5, 4), 2), [floats(2, 8, 12)]),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), [floats(*IMAGE)]),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(4, affine=True), [floats(*IMAGE)]),
    "LayerNorm": (lambda: nn.LayerNorm((9, 8)), [floats(*IMAGE)]),
    "LearnedPositions": (lambda: nn.LearnedPositions(7, 8), [floats(2, 5, 8)]),
    "Linear": (lambda: nn.Linear(8, 3), [floats(*IMAGE)]),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(3), [floats(*IMAGE)]),
    "LPPool2d": (lambda: nn.LPPool2d(2, 2), [floats(*IMAGE)]),
    "MaxPool1d": (lambda: nn.MaxPool1d(3, 2, 1), [floats(2, 4, 9)]),
    "MaxPool2d": (lambda: nn.MaxPool2d(2, ceil_mode=True), [floats(*IMAGE)]),
    "MaxPool3d": (lambda: nn.MaxPool3d(2), [floats(2, 3, 4, 5, 6)]),
    "PairwiseDistance": (nn.PairwiseDistance, [floats(3, 4), floats(3, 4) ** 2]),
    "PixelShuffle": (lambda: nn.PixelShuffle(2), [floats(*IMAGE)]),
    "PixelUnshuffle": (lambda: nn.PixelUnshuffle(2), [floats(2, 3, 4, 6)]),
    "ReflectionPad2d": (lambda: nn.ReflectionPad2d(2), [floats(*IMAGE)]),
    "ReplicationPad2d": (lambda: nn.ReplicationPad2d(2), [floats(*IMAGE)]),
    "RMSNorm": (lambda: nn.RMSNorm(8), [floats(2, 8)]),
    "RotaryPositions": (lambda: nn.RotaryPositions(8), [floats(2, 5, 8)]),
    "SinusoidalPositions": (lambda: nn.SinusoidalPositions(8, 9), [floats(2, 5, 8)]),
    "Unflatten": (lambda: nn.Unflatten(1, (2, 3)), [floats(2, 6)]),
    "Unfold": (lambda: nn.Unfold(2, dilation=2, stride=2), [floats(*IMAGE)]),
    "Upsample": (lambda: nn.Upsample(scale_factor=2), [floats(*IMAGE)]),
    "UpsamplingBilinear2d": (lambda: nn.UpsamplingBilinear2d(scale_factor=2), [floats(*IMAGE)]),
    "ZeroPad2d": (lambda: nn.ZeroPad2d((1, -2, 0, 3)), [floats(*IMAGE)]),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    make, xs = LAYERS[name]
    check(make(), *xs)


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("two_ways", [False, True])
def test_recurrent(name: str, two_ways: bool) -> None:
    layer = getattr(nn, name)
    model = layer(4, 6, num_layers=2, batch_first=True, bidirectional=two_ways)
    check(model, floats(3, 5, 4))
    check(layer(4, 6), floats(5, 3, 4), axis=1)


@pytest.mark.parametrize("name", ["LSTMCell", "GRUCell", "RNNCell"])
def test_cells(name: str) -> None:
    check(getattr(nn, name)(4, 6), floats(3, 4))


def test_attention() -> None:
    x = floats(2, 5, 8)
    check(nn.MultiheadAttention(8, 2, batch_first=True), x, x + 1, x**2)
    check(nn.TransformerDecoderLayer(8, 2, 16, batch_first=True), x, floats(2, 4, 8))


def test_perceptron() -> None:
    layers = [nn.Linear(4, 16), nn.GELU(), nn.Dropout(), nn.LayerNorm(16), nn.Linear(16, 3)]
    check(nn.Sequential(*layers, nn.Softmax(-1)), floats(5, 4))


def test_convolutional_network() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, groups=2), nn.BatchNorm2d(8), nn.SiLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(8, 5),
    )  # fmt: skip
    check(model, floats(2, 3, 16, 16))


def test_transformer_encoder() -> None:
    for norm_first in (False, True):
        layer = nn.TransformerEncoderLayer(
            8, 2, 16, batch_first=True, norm_first=norm_first, activation="gelu"
        )
        check(nn.TransformerEncoder(layer, 2), floats(2, 5, 8))


def test_gpt() -> None:
    check(nn.GPT(vocab_size=19, block_size=12, layers=2, heads=2, width=8), whole(19, 2, 10))


def test_mixture_of_experts() -> None:
    check(nn.MixtureOfExperts(8, 16, 4), floats(6, 8))


def test_the_network_of_an_estimator() -> None:
    pytest.importorskip("sklearn")
    from adjoint.sklearn import Regressor

    x = 100 + 5 * floats(40, 3)
    estimator = Regressor(8, max_epochs=5, random_state=0).fit(x, x @ [1.0, -2.0, 0.5])
    proto = ad.export.onnx(estimator.network_, None, x)
    (theirs,) = session(proto).run(None, {"x": x})
    np.testing.assert_allclose(theirs[:, 0], estimator.predict(x), rtol=1e-4)
