"""Losses against PyTorch, as functions and as layers."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from tests.nn.parity import Pair, compare

pytestmark = pytest.mark.peers
torch = pytest.importorskip("torch")

RNG = np.random.default_rng(1)
REDUCTIONS = ("mean", "sum", "none")


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape) * 2


def fraction(*shape: int) -> Any:
    return RNG.uniform(0.05, 0.95, size=shape)


def distribution(*shape: int) -> Any:
    """Positive, with sum 1 along axis 1 (or the only one)."""
    x = RNG.uniform(0.1, 1.0, size=shape)
    return x / x.sum(axis=1 if x.ndim > 1 else 0, keepdims=True)


def sign(*shape: int) -> Any:
    return RNG.choice([-1.0, 1.0], size=shape)


def labels(classes: int, *shape: int) -> Any:
    return RNG.integers(0, classes, size=shape)


def loss(
    name: str, inputs: tuple[Any, ...], fixed: tuple[int, ...] = (), **options: Any
) -> list[Pair]:
    """The function under each reduction; arrays among the options become tensors."""
    arrays = {k: v for k, v in options.items() if isinstance(v, np.ndarray)}
    plain = {k: v for k, v in options.items() if k not in arrays}
    said = ",".join(f"{k}={'…' if k in arrays else v}" for k, v in options.items())
    shapes = "x".join(str(x.shape) for x in inputs)

    def ours(*xs: Any, reduction: str) -> Any:
        extra = {k: ad.tensor(v).astype(xs[0].dtype) for k, v in arrays.items()}
        return getattr(ad.nn.functional, name)(*xs, reduction=reduction, **plain, **extra)

    def theirs(*xs: Any, reduction: str) -> Any:
        extra = {k: torch.tensor(v).to(xs[0].dtype) for k, v in arrays.items()}
        return getattr(torch.nn.functional, name)(*xs, reduction=reduction, **plain, **extra)

    return [
        Pair(
            f"{name}({said})-{shapes}-{reduction}",
            lambda reduction=reduction: lambda *xs: ours(*xs, reduction=reduction),
            lambda reduction=reduction: lambda *xs: theirs(*xs, reduction=reduction),
            inputs,
            fixed,
        )
        for reduction in (*REDUCTIONS, *(["batchmean"] if name == "kl_div" else []))
    ]


WEIGHT = np.array([0.5, 2.0, 1.0, 0.25])
IGNORED = np.array([0, -100, 2, 3, -100])
SHAPES: list[tuple[int, ...]] = [(5,), (2, 3), (2, 3, 4)]

CLASSES = [
    (normal(5, 4), labels(4, 5)),
    (normal(5, 4), IGNORED),
    (normal(4), np.array(2)),
    (normal(2, 4, 3), labels(4, 2, 3)),
    (normal(2, 4, 3, 2), labels(4, 2, 3, 2)),
    (normal(5, 4) * 1e4, labels(4, 5)),
    (normal(1, 1), np.array([0])),
]
PAIRS = [
    *(
        pair
        for inputs in CLASSES
        for options in (
            {},
            {"label_smoothing": 0.1},
            *([{"weight": WEIGHT}] if 4 in inputs[0].shape else []),
            *([{"weight": WEIGHT, "label_smoothing": 0.3}] if 4 in inputs[0].shape else []),
        )
        for pair in loss("cross_entropy", inputs, **options)
    ),
    *loss("cross_entropy", (normal(5, 4), np.array([0, 1, 2, 3, 1])), ignore_index=1),
    *loss(
        "cross_entropy",
        (normal(5, 4), np.array([0, 1, 2, 3, 1])),
        ignore_index=1,
        label_smoothing=0.2,
        weight=WEIGHT,
    ),
    *(
        pair
        for shape in [(5, 4), (4,), (2, 4, 3)]
        for options in ({}, {"label_smoothing": 0.1}, {"weight": WEIGHT})
        for pair in loss("cross_entropy", (normal(*shape), distribution(*shape)), **options)
    ),
    *(
        pair
        for x, y in CLASSES[:5]
        for options in ({}, {"weight": WEIGHT}, {"ignore_index": 2})
        if not ("ignore_index" in options and (y == -100).any())
        for pair in loss("nll_loss", (x, y), **options)
    ),
    *(
        pair
        for name, options in [
            ("mse_loss", {}),
            ("l1_loss", {}),
            ("smooth_l1_loss", {}),
            ("smooth_l1_loss", {"beta": 0.5}),
            ("smooth_l1_loss", {"beta": 0.0}),
            ("huber_loss", {}),
            ("huber_loss", {"delta": 2.5}),
            ("poisson_nll_loss", {}),
            ("kl_div", {"log_target": True}),
        ]
        for shape in SHAPES
        for pair in loss(name, (normal(*shape), normal(*shape)), **options)
    ),
    *loss("l1_loss", (np.array([1.0, 2.0]), np.array([1.0, 3.0]))),
    *loss("smooth_l1_loss", (np.array([1.0, 2.0]), np.array([2.0, 3.0]))),
    *loss("huber_loss", (np.array([1.0, 2.0]), np.array([2.0, 1.0]))),
    *(
        pair
        for options in ({"full": True}, {"log_input": False}, {"log_input": False, "full": True})
        for pair in loss("poisson_nll_loss", (fraction(6) * 4, fraction(6) * 5), (1,), **options)
    ),
    *(
        pair
        for target in (distribution(2, 3), np.array([[0.0, 1.0, 0.0], [0.5, 0.5, 0.0]]))
        for pair in loss("kl_div", (np.log(distribution(2, 3)), target), (1,))
    ),
    *(
        pair
        for var in (fraction(3, 4), fraction(3, 1), fraction(3), fraction(3, 4) * 1e-7)
        for options in ({}, {"full": True})
        for pair in loss("gaussian_nll_loss", (normal(3, 4), normal(3, 4), var), **options)
    ),
    *(
        pair
        for shape in SHAPES
        for options in ({}, {"weight": RNG.uniform(size=shape)})
        for pair in loss("binary_cross_entropy", (fraction(*shape), fraction(*shape)), **options)
    ),
    *(
        pair
        for shape in SHAPES
        for options in (
            {},
            {"weight": RNG.uniform(size=shape)},
            {"pos_weight": RNG.uniform(size=shape[-1])},
        )
        for pair in loss(
            "binary_cross_entropy_with_logits", (normal(*shape), fraction(*shape)), **options
        )
    ),
    *loss(
        "binary_cross_entropy_with_logits", (np.array([-1e4, 1e4, 0.0]), np.array([1.0, 0.0, 0.5]))
    ),
    *(
        pair
        for shape in SHAPES
        for pair in loss("soft_margin_loss", (normal(*shape), sign(*shape)), (1,))
    ),
    *(
        pair
        for options in ({}, {"margin": 0.3})
        for pair in loss("hinge_embedding_loss", (fraction(4, 3), sign(4, 3)), (1,), **options)
    ),
    *(
        pair
        for options in ({}, {"margin": 0.5})
        for pair in loss("margin_ranking_loss", (normal(6), normal(6), sign(6)), (2,), **options)
    ),
    *(
        pair
        for lead in ((5,), ())
        for options in ({}, {"margin": 0.2})
        for pair in loss(
            "cosine_embedding_loss",
            (normal(*lead, 3), normal(*lead, 3), sign(*lead)),
            (2,),
            **options,
        )
    ),
    *(
        pair
        for options in ({}, {"margin": 3.0, "swap": True}, {"p": 1.0}, {"p": 3.0, "eps": 1e-3})
        for pair in loss(
            "triplet_margin_loss", (normal(5, 3), normal(5, 3), normal(5, 3)), **options
        )
    ),
    *(
        pair
        for inputs in [(normal(5, 4), labels(4, 5)), (normal(4), np.array(2))]
        for options in ({}, {"p": 2, "margin": 0.5}, {"weight": WEIGHT})
        for pair in loss("multi_margin_loss", inputs, **options)
    ),
]


def function(name: str, inputs: tuple[Any, ...], **options: Any) -> Pair:
    said = ",".join(f"{k}={v}" for k, v in options.items())
    return Pair(
        f"{name}({said})-{'x'.join(str(x.shape) for x in inputs)}",
        lambda: lambda *xs: getattr(ad.nn.functional, name)(*xs, **options),
        lambda: lambda *xs: getattr(torch.nn.functional, name)(*xs, **options),
        inputs,
    )


DISTANCES = [
    function("cosine_similarity", (normal(4, 3), normal(4, 3))),
    function("cosine_similarity", (normal(4, 3), normal(4, 3)), dim=0),
    function("cosine_similarity", (normal(4, 3), np.zeros((4, 3)))),
    function("cosine_similarity", (normal(2, 1, 3), normal(4, 3)), dim=-1, eps=1.0),
    function("pairwise_distance", (normal(4, 3), normal(4, 3))),
    function("pairwise_distance", (normal(4, 3), normal(4, 3)), p=1.0, keepdim=True),
    function("pairwise_distance", (normal(2, 4, 3), normal(4, 3)), p=3.0),
    function("normalize", (normal(4, 3),)),
    function("normalize", (normal(2, 4, 3),), p=1.0, dim=-1),
]

LAYERS: list[tuple[str, dict[str, Any], tuple[Any, ...], tuple[int, ...]]] = [
    ("CrossEntropyLoss", {"label_smoothing": 0.1}, (normal(5, 4), labels(4, 5)), ()),
    ("CrossEntropyLoss", {"ignore_index": 2, "reduction": "sum"}, CLASSES[0], ()),
    ("NLLLoss", {"reduction": "none"}, (normal(5, 4), labels(4, 5)), ()),
    ("KLDivLoss", {"reduction": "batchmean", "log_target": True}, (normal(3, 2), normal(3, 2)), ()),
    ("MultiMarginLoss", {"p": 2, "margin": 0.7}, (normal(5, 4), labels(4, 5)), ()),
    ("MSELoss", {"reduction": "sum"}, (normal(3), normal(3)), ()),
    ("L1Loss", {}, (normal(3), normal(3)), ()),
    ("SmoothL1Loss", {"beta": 0.4}, (normal(3), normal(3)), ()),
    ("HuberLoss", {"delta": 0.4}, (normal(3), normal(3)), ()),
    ("GaussianNLLLoss", {"full": True}, (normal(3), normal(3), fraction(3)), ()),
    ("PoissonNLLLoss", {"full": True}, (normal(3), fraction(3) * 6), (1,)),
    ("BCELoss", {}, (fraction(3), fraction(3)), ()),
    ("BCEWithLogitsLoss", {"reduction": "none"}, (normal(3), fraction(3)), ()),
    ("SoftMarginLoss", {}, (normal(3), sign(3)), (1,)),
    ("HingeEmbeddingLoss", {"margin": 0.6}, (fraction(3), sign(3)), (1,)),
    ("CosineEmbeddingLoss", {"margin": 0.1}, (normal(4, 3), normal(4, 3), sign(4)), (2,)),
    ("MarginRankingLoss", {"margin": 0.1}, (normal(4), normal(4), sign(4)), (2,)),
    ("TripletMarginLoss", {"swap": True}, (normal(4, 3), normal(4, 3), normal(4, 3)), ()),
    ("CosineSimilarity", {"dim": 0}, (normal(4, 3), normal(4, 3)), ()),
    ("PairwiseDistance", {"p": 1.0}, (normal(4, 3), normal(4, 3)), ()),
]
AS_LAYERS = [
    Pair(
        name,
        lambda name=name, options=options: getattr(ad.nn, name)(**options),
        lambda name=name, options=options: getattr(torch.nn, name)(**options),
        inputs,
        fixed,
    )
    for name, options, inputs, fixed in LAYERS
]
EVERY = [*PAIRS, *DISTANCES, *AS_LAYERS]


@pytest.mark.filterwarnings("ignore:.*batchmean:UserWarning")  # PyTorch's, of the mean of kl_div
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("pair", EVERY, ids=str)
def test_loss(pair: Pair, dtype: str, record_property: Any) -> None:
    compare(pair, dtype, record_property)


def test_the_table_is_as_long_as_it_says() -> None:
    assert len(EVERY) == 427


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "NLLLoss"])
def test_weights_of_classes_are_part_of_the_state(name: str) -> None:
    weight = np.array([1.0, 2.0], np.float32)
    ours = getattr(ad.nn, name)(weight=weight)
    theirs = getattr(torch.nn, name)(weight=torch.tensor(weight))
    assert list(ours.state_dict()) == list(theirs.state_dict()) == ["weight"]


def test_everything_ignored_is_no_number_in_both() -> None:
    x, y = np.zeros((2, 3), np.float32), np.array([-100, -100])
    assert np.isnan(torch.nn.functional.cross_entropy(torch.tensor(x), torch.tensor(y)).item())
    assert np.isnan(ad.nn.functional.cross_entropy(ad.tensor(x), ad.tensor(y)).item())
