"""Linear layers, activations, embeddings and dropout against PyTorch."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from tests.nn.parity import Pair, compare

pytestmark = pytest.mark.peers
torch = pytest.importorskip("torch")
F = ad.nn.functional

RNG = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape) * 2


def layer(name: str, inputs: tuple[Any, ...], *args: Any, **kwargs: Any) -> Pair:
    """The layer of the same name and arguments on both sides."""
    said = ",".join([*map(repr, args), *(f"{k}={v!r}" for k, v in kwargs.items())])
    shapes = "x".join(str(getattr(x, "shape", None)) for x in inputs)
    return Pair(
        f"{name}({said})-{shapes}",
        lambda: getattr(ad.nn, name)(*args, **kwargs),
        lambda: getattr(torch.nn, name)(*args, **kwargs),
        inputs,
    )


KINKS = np.array([-6.0, -3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, 6.0, 21.0, 30.0])
INPUTS = [KINKS, normal(5), normal(2, 3, 4), normal(0, 3)]
ELEMENTWISE: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("ReLU", (), {}),
    ("ReLU6", (), {}),
    ("LeakyReLU", (), {}),
    ("LeakyReLU", (0.3,), {"inplace": False}),
    ("ELU", (), {}),
    ("ELU", (0.7,), {}),
    ("SELU", (), {}),
    ("CELU", (), {}),
    ("CELU", (2.5,), {}),
    ("GELU", (), {}),
    ("GELU", ("tanh",), {}),
    ("SiLU", (), {}),
    ("Mish", (), {}),
    ("Softplus", (), {}),
    ("Softplus", (2.0, 3.0), {}),
    ("Softsign", (), {}),
    ("Tanh", (), {}),
    ("Sigmoid", (), {}),
    ("LogSigmoid", (), {}),
    ("Hardtanh", (), {}),
    ("Hardtanh", (-2.0, 0.5), {}),
    ("Hardswish", (), {}),
    ("Hardsigmoid", (), {}),
    ("Threshold", (0.5, -7.0), {}),
    ("Tanhshrink", (), {}),
    ("Softshrink", (), {}),
    ("Softshrink", (1.0,), {}),
    ("Hardshrink", (), {}),
    ("Hardshrink", (1.0,), {}),
    ("Identity", (), {}),
    ("PReLU", (), {}),
]

OTHERS = [
    layer("PReLU", (normal(4, 3),), 3),
    layer("PReLU", (normal(2, 3, 4, 5),), 3),
    *(
        layer(name, (x,), dim=dim)
        for name in ("Softmax", "LogSoftmax", "Softmin")
        for x, dim in [(normal(5), 0), (normal(3, 4), 1), (normal(3, 4), 0), (normal(2, 3, 4), -1)]
    ),
    layer("LogSoftmax", (normal(3, 4) * 1e4,), dim=1),
    *(layer("GLU", (x,), d) for x, d in [(normal(4), -1), (normal(6, 3), 0), (normal(2, 4, 3), 1)]),
    *(
        layer("Linear", (x,), 3, 5, bias=bias)
        for x in (normal(3), normal(4, 3), normal(2, 4, 3), normal(2, 1, 4, 3), normal(0, 3))
        for bias in (True, False)
    ),
    *(
        layer("Bilinear", (normal(*lead, 3), normal(*lead, 4)), 3, 4, 5, bias=bias)
        for lead in ((), (6,), (2, 3))
        for bias in (True, False)
    ),
    layer("Flatten", (normal(2, 3, 4),)),
    layer("Flatten", (normal(2, 3, 4, 5),), 1, 2),
    layer("Flatten", (normal(2, 3, 4),), 0),
    layer("Unflatten", (normal(2, 12),), 1, (3, 4)),
    layer("Unflatten", (normal(12, 2),), 0, (3, -1, 2)),
    layer("Unflatten", (normal(2, 12),), -1, (2, 6)),
    *(layer("Embedding", (i,), 6, 3) for i in (np.array(2), np.array([1, 5, 1]))),
    *(
        layer("Embedding", (np.array([[0, 5], [2, 2]]),), 6, 3, **options)
        for options in ({}, {"padding_idx": 2}, {"padding_idx": -1}, {"sparse": True})
    ),
]

FLAT, STARTS = np.array([1, 4, 4, 0, 5, 2]), np.array([0, 2, 2, 5])
BAGS = [
    *(
        layer("EmbeddingBag", inputs, 6, 3, mode=mode, **options)
        for mode in ("sum", "mean", "max")
        for inputs, options in (
            ((FLAT, STARTS), {}),
            ((FLAT, STARTS), {"padding_idx": 4}),
            ((FLAT, np.array([0, 2, 2, 6])), {"include_last_offset": True}),
        )
    ),
    *(
        layer("EmbeddingBag", (np.array([[1, 3, 2], [0, 5, 4]]),), 6, 3, mode=mode, **options)
        for mode in ("sum", "mean", "max")
        for options in ({}, {"padding_idx": 4})
    ),
    layer("EmbeddingBag", (FLAT, STARTS, normal(6)), 6, 3, mode="sum"),
    layer("EmbeddingBag", (FLAT, STARTS), 6, 3, mode="sum", sparse=True),
    layer("EmbeddingBag", (np.array([[1, 3], [0, 5]]), None, normal(2, 2)), 6, 3, mode="sum"),
]

EVALUATED = [
    Pair(
        name,
        lambda name=name: getattr(ad.nn, name)(0.3),
        lambda name=name: getattr(torch.nn, name)(0.3),
        (normal(*shape),),
        train=False,
    )
    for name, shape in [
        ("Dropout", (3, 4)),
        ("Dropout1d", (2, 3, 4)),
        ("Dropout2d", (2, 3, 4, 4)),
        ("Dropout3d", (2, 3, 2, 2, 2)),
        ("AlphaDropout", (3, 4)),
    ]
]

NETWORK = [
    Pair(
        "Sequential",
        lambda: ad.nn.Sequential(
            ad.nn.Linear(3, 8), ad.nn.Tanh(), ad.nn.Sequential(ad.nn.Linear(8, 8), ad.nn.GELU())
        ),
        lambda: torch.nn.Sequential(
            torch.nn.Linear(3, 8),
            torch.nn.Tanh(),
            torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.GELU()),
        ),
        (normal(5, 3),),
    )
]

PAIRS = [
    *(layer(name, (x,), *args, **kwargs) for name, args, kwargs in ELEMENTWISE for x in INPUTS),
    *OTHERS,
    *BAGS,
    *EVALUATED,
    *NETWORK,
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_layer(pair: Pair, dtype: str, record_property: Any) -> None:
    if pair.name.startswith("Hardsigmoid") and dtype == "float64":
        pytest.skip("PyTorch's gradient is 1/6 rounded to float32")
    compare(pair, dtype, record_property)


def test_the_table_is_as_long_as_it_says() -> None:
    assert len(PAIRS) == 194


@pytest.mark.parametrize("p", [0.0, 0.2, 0.7])
@pytest.mark.parametrize("name", ["Dropout", "AlphaDropout"])
def test_dropout_in_training_has_the_moments_of_pytorch(name: str, p: float) -> None:
    x = RNG.normal(size=20000).astype(np.float32)
    ours = getattr(ad.nn, name)(p, generator=ad.random.Generator(1))(ad.tensor(x)).numpy()
    torch.manual_seed(0)
    theirs = getattr(torch.nn, name)(p)(torch.tensor(x)).numpy()
    assert abs(ours.mean() - theirs.mean()) < 0.05
    assert abs(ours.std() / theirs.std() - 1) < 0.05
    assert set(np.unique(ours == 0)) == set(np.unique(theirs == 0))


INITIALISERS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("uniform_", (-1.0, 3.0), {}),
    ("normal_", (1.0, 2.0), {}),
    ("trunc_normal_", (0.0, 1.0, -1.5, 0.5), {}),
    ("xavier_uniform_", (1.5,), {}),
    ("xavier_normal_", (), {}),
    ("kaiming_uniform_", (), {"nonlinearity": "relu"}),
    ("kaiming_uniform_", (5**0.5,), {}),
    ("kaiming_normal_", (), {"mode": "fan_out"}),
    ("orthogonal_", (2.0,), {}),
    ("sparse_", (0.3, 0.5), {}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), INITIALISERS)
@pytest.mark.parametrize("shape", [(60, 150), (150, 60), (20, 15, 5, 6)])
def test_drawn_values_have_the_moments_of_pytorch(
    name: str, args: Any, kwargs: Any, shape: Any
) -> None:
    if name == "sparse_" and len(shape) > 2:
        return
    torch.manual_seed(0)
    theirs = getattr(torch.nn.init, name)(torch.empty(shape), *args, **kwargs).numpy()
    source = ad.random.Generator(3)
    ours = getattr(ad.nn.init, name)(ad.zeros(shape), *args, **kwargs, generator=source).numpy()
    assert abs(ours.mean() - theirs.mean()) < 0.06 * theirs.std()
    assert abs(ours.std() / theirs.std() - 1) < 0.03
    assert abs(abs(ours).max() / abs(theirs).max() - 1) < 0.3
    assert ((ours == 0).sum() == (theirs == 0).sum()) or name != "sparse_"


@pytest.mark.parametrize(
    ("name", "shape", "args"),
    [
        ("zeros_", (2, 3), ()),
        ("ones_", (2,), ()),
        ("constant_", (3,), (2.5,)),
        ("eye_", (3, 5), ()),
        ("dirac_", (4, 3, 3), ()),
        ("dirac_", (4, 2, 3, 3), (2,)),
        ("dirac_", (2, 4, 1, 2, 3), ()),
    ],
)
def test_fixed_values_are_those_of_pytorch(name: str, shape: Any, args: Any) -> None:
    theirs = getattr(torch.nn.init, name)(torch.empty(shape), *args).numpy()
    assert (getattr(ad.nn.init, name)(ad.empty(shape), *args).numpy() == theirs).all()


@pytest.mark.parametrize(
    "name", ["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]
)
def test_gains_are_those_of_pytorch(name: str) -> None:
    assert ad.nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)


def test_a_bfloat16_state_of_pytorch_is_loaded() -> None:
    theirs = torch.nn.Linear(3, 2).to(torch.bfloat16)
    ours = ad.nn.Linear(3, 2)
    ours.load_state_dict(theirs.state_dict())
    assert (ours.weight.detach().numpy() == theirs.weight.detach().float().numpy()).all()
