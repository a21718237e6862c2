"""The GPT beside one written in PyTorch, and beside that of `transformers`: ``pytest -m peers``."""

import warnings
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from tests.nn.beside_torch import DTYPES, Record, difference
from tests.nn.parity import PARITY, TOLERANCE

torch = pytest.importorskip("torch")
F = torch.nn.functional
pytestmark = pytest.mark.peers

SIZES: dict[str, Any] = {"vocab_size": 19, "block_size": 12, "layers": 3, "heads": 2, "width": 8}


def block(w: dict[str, Any], x: Any, name: str, heads: int) -> Any:
    def norm(x: Any, which: str) -> Any:
        return F.layer_norm(x, x.shape[-1:], w[f"{name}.{which}.weight"], w[f"{name}.{which}.bias"])

    def project(x: Any, which: str) -> Any:
        return x @ w[f"{name}.{which}.weight"] + w[f"{name}.{which}.bias"]

    n, length, width = x.shape
    q, k, v = (
        part.view(n, length, heads, -1).transpose(1, 2)
        for part in project(norm(x, "ln_1"), "attn.c_attn").split(width, dim=-1)
    )
    scores = q @ k.mT / (width // heads) ** 0.5
    scores = scores.masked_fill(torch.ones(length, length).triu(1).bool(), -torch.inf)
    mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(n, length, width)
    x = x + project(mixed, "attn.c_proj")
    hidden = F.gelu(project(norm(x, "ln_2"), "mlp.c_fc"), approximate="tanh")
    return x + project(hidden, "mlp.c_proj")


def reference(w: dict[str, Any], tokens: Any, layers: int, heads: int) -> Any:
    x = w["wte.weight"][tokens] + w["wpe.weight"][: tokens.shape[1]]
    for i in range(layers):
        x = block(w, x, f"h.{i}", heads)
    x = F.layer_norm(x, x.shape[-1:], w["ln_f.weight"], w["ln_f.bias"])
    return x @ w.get("lm_head.weight", w["wte.weight"]).T


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("tied", [True, False])
def test_like_torch(tied: bool, dtype: str, record_property: Record) -> None:
    rng = np.random.default_rng(0)
    model = ad.nn.GPT(**SIZES, tied=tied, dropout=0.0).to(dtype)
    for p in model.parameters():
        with ad.no_grad():
            p.assign(ad.tensor(rng.normal(size=p.shape) * 0.3))
    weights = {
        name: torch.from_numpy(np.array(x.numpy())).requires_grad_()
        for name, x in model.state_dict().items()
    }
    tokens, targets = rng.integers(0, 19, (2, 3, 10))
    logits = model(ad.tensor(tokens))
    expected = reference(weights, torch.from_numpy(tokens), 3, 2)
    worst = [difference(logits, expected, "logits", TOLERANCE[dtype])]
    F.cross_entropy(expected.reshape(-1, 19), torch.from_numpy(targets).reshape(-1)).backward()
    ad.nn.functional.cross_entropy(logits.reshape(-1, 19), ad.tensor(targets.ravel())).backward()
    scale = 1e-2 * max(float(w.grad.abs().max()) for w in weights.values())
    for name, p in model.named_parameters():
        assert p.grad is not None
        worst.append(difference(p.grad, weights[name].grad, name, TOLERANCE[dtype], scale))
    record_property(PARITY, f"{dtype} {max(worst)}")


@pytest.mark.parametrize("head", [True, False])
def test_state_of_transformers(head: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformers = pytest.importorskip("transformers")
        config = transformers.GPT2Config(
            vocab_size=19, n_positions=12, n_layer=3, n_head=2, n_embd=8, attn_pdrop=0.0
        )
        kind = transformers.GPT2LMHeadModel if head else transformers.GPT2Model
        theirs = kind(config).eval()
        for p in theirs.parameters():
            p.data += 0.2 * torch.randn(p.shape)
        tokens = np.random.default_rng(0).integers(0, 19, (2, 12))
        out = theirs(torch.from_numpy(tokens))
    ours = ad.nn.GPT(**SIZES).eval()
    result = ours.load_state_dict(theirs.state_dict())
    assert result == ([], [])
    logits = out.logits if head else out.last_hidden_state @ theirs.wte.weight.T
    difference(ours(ad.tensor(tokens)), logits, "logits", 1e-5)
    if head:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            longer = theirs.generate(
                torch.from_numpy(tokens[:, :4]), max_new_tokens=6, do_sample=False, pad_token_id=0
            )
        mine = ours.generate(ad.tensor(tokens[:, :4]), 6, temperature=0.0)
        np.testing.assert_array_equal(mine.numpy(), longer.numpy())
