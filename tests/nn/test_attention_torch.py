"""Attention and transformers beside PyTorch's: ``pytest -m peers``."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from tests.nn.beside_torch import DTYPES, Layer, Record, compare, compare_calls

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.peers,
    pytest.mark.filterwarnings("ignore:enable_nested_tensor"),  # PyTorch on its speed
]

L, S, N, E = 5, 7, 3, 8
QKV = [(L, N, E), (S, N, E), (S, N, E)]
BATCH = [(N, L, E), (N, S, E), (N, S, E)]
LATER = np.triu(np.ones((L, L), bool), 1)
ENDS = np.arange(S) >= np.array([[7], [3], [5]])
RNG = np.random.default_rng(0)
HIDDEN = RNG.random((L, S)) < 0.3
BY_HEAD = RNG.random((N * 2, L, S)) < 0.3
HIDDEN[:, 0] = BY_HEAD[..., 0] = False  # PyTorch gives NaN where nothing is left

ATTENTION = [
    Layer("MultiheadAttention", (E, 2), QKV),
    Layer("MultiheadAttention", (E, 2), BATCH, {"batch_first": True, "bias": False}),
    Layer("MultiheadAttention", (E, 4), QKV, call={"need_weights": False}),
    Layer("MultiheadAttention", (E, 2), QKV, call={"average_attn_weights": False}),
    Layer("MultiheadAttention", (E, 2), [(L, E), (S, E), (S, E)]),
    Layer("MultiheadAttention", (E, 2), QKV, call={"attn_mask": HIDDEN}),
    Layer("MultiheadAttention", (E, 2), QKV, call={"attn_mask": BY_HEAD, "need_weights": False}),
    Layer("MultiheadAttention", (E, 2), QKV, call={"key_padding_mask": ENDS}),
    Layer(
        "MultiheadAttention",
        (E, 2),
        BATCH,
        {"batch_first": True},
        {"attn_mask": HIDDEN, "key_padding_mask": ENDS},
    ),
    Layer("MultiheadAttention", (E, 2), [(L, N, E), (S, N, 6), (S, N, 4)], {"kdim": 6, "vdim": 4}),
    Layer("MultiheadAttention", (E, 2), QKV, {"add_bias_kv": True}),
    Layer(
        "MultiheadAttention",
        (E, 2),
        QKV,
        {"add_bias_kv": True, "add_zero_attn": True},
        {"attn_mask": HIDDEN, "key_padding_mask": ENDS},
    ),
    Layer("MultiheadAttention", (E, 2), QKV, {"dropout": 0.5}, train=False),
]
PLAIN = {"dropout": 0.0, "batch_first": True}
X, XY = [(N, L, E)], [(N, L, E), (N, S, E)]
TRANSFORMERS = [
    Layer("TransformerEncoderLayer", (E, 2, 16), X, PLAIN),
    Layer("TransformerEncoderLayer", (E, 2, 16), [(L, N, E)], {"dropout": 0.0, "bias": False}),
    Layer("TransformerEncoderLayer", (E, 2, 16), X, PLAIN | {"norm_first": True}),
    Layer("TransformerEncoderLayer", (E, 2, 16), X, PLAIN | {"activation": "gelu"}),
    Layer("TransformerEncoderLayer", (E, 2, 16), X, PLAIN, {"src_mask": LATER}),
    Layer(
        "TransformerEncoderLayer",
        (E, 2, 16),
        [(N, S, E)],
        PLAIN | {"layer_norm_eps": 1e-3},
        {"src_key_padding_mask": ENDS},
    ),
    Layer("TransformerEncoderLayer", (E, 2, 16), X, {"batch_first": True}, train=False),
    Layer("TransformerDecoderLayer", (E, 2, 16), XY, PLAIN),
    Layer("TransformerDecoderLayer", (E, 2, 16), XY, PLAIN | {"norm_first": True}),
    Layer(
        "TransformerDecoderLayer",
        (E, 2, 16),
        XY,
        PLAIN,
        {"tgt_mask": LATER, "memory_key_padding_mask": ENDS, "memory_mask": HIDDEN},
    ),
    Layer("Transformer", (E, 2, 2, 2, 16), XY, PLAIN, {"src_mask": LATER}),
    Layer("Transformer", (E, 2, 1, 1, 16), XY, PLAIN | {"norm_first": True, "bias": False}),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer", [*ATTENTION, *TRANSFORMERS], ids=str)
def test_like_torch(layer: Layer, dtype: str, record_property: Record) -> None:
    compare(layer, dtype, record_property)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["Encoder", "Decoder"])
def test_stacks(kind: str, dtype: str, record_property: Record) -> None:
    def build(nn: Any) -> Any:
        layer = getattr(nn, f"Transformer{kind}Layer")(E, 2, 16, **PLAIN)
        return getattr(nn, f"Transformer{kind}")(layer, 2, nn.LayerNorm(E))

    theirs, ours = build(torch.nn).to(getattr(torch, dtype)), build(ad.nn).to(dtype)
    ours.load_state_dict(theirs.state_dict())
    shapes = XY if kind == "Decoder" else X
    rng = np.random.default_rng(0)
    values = [rng.normal(size=s).astype(dtype) for s in shapes]
    a = [ad.tensor(x, requires_grad=True) for x in values]
    b = [torch.from_numpy(x).requires_grad_() for x in values]
    mask = {"tgt_mask" if kind == "Decoder" else "mask": LATER}
    compare_calls(
        lambda: ours(*a, **mask),
        lambda: theirs(*b, **{k: torch.from_numpy(m) for k, m in mask.items()}),
        dict(zip("xy", a, strict=False)) | dict(ours.named_parameters()),
        dict(zip("xy", b, strict=False)) | dict(theirs.named_parameters()),
        dtype,
        record_property,
    )


SHAPES = [
    [(2, 3, L, 4), (2, 3, S, 4), (2, 3, S, 6)],
    [(L, 4), (S, 4), (S, 4)],
    [(2, 3, L, 4), (2, 3, L, 4), (2, 3, L, 4)],
]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"scale": 0.3},
    {"is_causal": True},
    {"attn_mask": "bool"},
    {"attn_mask": "float"},
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_scaled_dot_product(
    shapes: list[tuple[int, ...]], options: dict[str, Any], dtype: str, record_property: Record
) -> None:
    rng = np.random.default_rng(0)
    options = dict(options)
    size = (shapes[0][-2], shapes[1][-2])
    mask: Any = None
    if options.get("attn_mask") == "bool":
        mask = rng.random(size) < 0.5
        mask[1] = False  # a query that sees nothing
    elif options.get("attn_mask") == "float":
        mask = rng.normal(size=size).astype(dtype)
    options["attn_mask"] = mask
    values = [rng.normal(size=s).astype(dtype) for s in shapes]
    a = [ad.tensor(x, requires_grad=True) for x in values]
    b = [torch.from_numpy(x).requires_grad_() for x in values]
    ours = options | {"attn_mask": None if mask is None else ad.tensor(mask)}
    theirs = options | {"attn_mask": None if mask is None else torch.from_numpy(mask)}
    compare_calls(
        lambda: ad.nn.functional.scaled_dot_product_attention(*a, **ours),
        lambda: torch.nn.functional.scaled_dot_product_attention(*b, **theirs),
        dict(zip("qkv", a, strict=True)),
        dict(zip("qkv", b, strict=True)),
        dtype,
        record_property,
    )


def test_heads_that_share_keys() -> None:
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=s) for s in ((2, 6, L, 4), (2, 2, S, 4), (2, 2, S, 4)))
    ours = ad.nn.functional.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    theirs = torch.nn.functional.scaled_dot_product_attention(
        *map(torch.from_numpy, (q, k, v)), enable_gqa=True
    )
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-12)
