"""Whole models go to PyTorch and come back through safetensors files, under PyTorch's names."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import adjoint as ad

pytestmark = pytest.mark.peers
torch = pytest.importorskip("torch")
st = pytest.importorskip("safetensors.torch")


def mlp(nn: Any) -> Any:
    return nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Dropout(0.3), nn.Linear(8, 3, bias=False)
    )


def cnn(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.ConvTranspose2d(4, 4, 2, stride=2), nn.GroupNorm(2, 4), nn.PReLU(), nn.Flatten(),
        nn.Linear(4 * 36, 3),
    )  # fmt: skip


def transformer(nn: Any) -> Any:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def lstm(nn: Any) -> Any:
    return nn.LSTM(5, 7, num_layers=2, bidirectional=True, batch_first=True)


def embedding(nn: Any) -> Any:
    return nn.Sequential(nn.Embedding(11, 4), nn.LayerNorm(4), nn.Linear(4, 11))


MODELS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "mlp": (mlp, (5, 6)),
    "cnn": (cnn, (3, 2, 6, 6)),
    "transformer": (transformer, (2, 5, 8)),
    "lstm": (lstm, (2, 5, 5)),
    "embedding": (embedding, (3, 4)),
}


def inputs(name: str, shape: tuple[int, ...]) -> Any:
    rng = np.random.default_rng(0)
    if name == "embedding":
        return rng.integers(0, 11, shape)
    return rng.normal(size=shape).astype(np.float32)


def first(out: Any) -> Any:
    return out[0] if isinstance(out, tuple) else out


def shake(theirs: Any) -> None:
    """Numbers that no initialisation gives, in parameters and statistics."""
    for name, x in theirs.state_dict().items():
        if x.is_floating_point():
            x.copy_(torch.rand(x.shape) + 0.5 if "running" in name else torch.randn(x.shape) / 2)


@pytest.mark.parametrize("name", MODELS)
def test_both_ways(name: str, tmp_path: Path) -> None:
    make, shape = MODELS[name]
    theirs, ours = make(torch.nn).eval(), make(ad.nn).eval()
    torch.manual_seed(0)
    shake(theirs)
    x = inputs(name, shape)

    st.save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    result = ours.load_state_dict(ad.load(tmp_path / "theirs.safetensors"))
    assert result == ([], [])
    assert list(ours.state_dict()) == list(theirs.state_dict())
    expected = first(theirs(torch.from_numpy(x))).detach().numpy()
    np.testing.assert_allclose(
        first(ours(ad.asarray(x))).detach().numpy(), expected, rtol=1e-4, atol=1e-5
    )

    ad.save(tmp_path / "ours.safetensors", ours)
    other = make(torch.nn).eval()
    other.load_state_dict(st.load_file(tmp_path / "ours.safetensors"))
    for key, value in theirs.state_dict().items():
        assert torch.equal(other.state_dict()[key], value)
        assert other.state_dict()[key].dtype == value.dtype
    np.testing.assert_array_equal(first(other(torch.from_numpy(x))).detach().numpy(), expected)


def test_gpt2_as_transformers_saves_it(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformers = pytest.importorskip("transformers")
        config = transformers.GPT2Config(
            vocab_size=19, n_positions=12, n_layer=2, n_head=2, n_embd=8
        )
        theirs = transformers.GPT2LMHeadModel(config).eval()
        theirs.save_pretrained(tmp_path)
        tokens = np.random.default_rng(0).integers(0, 19, (2, 12))
        expected = theirs(torch.from_numpy(tokens)).logits.detach().numpy()
    ours = ad.nn.GPT(vocab_size=19, block_size=12, layers=2, heads=2, width=8).eval()
    result = ours.load_state_dict(ad.load(tmp_path / "model.safetensors", mmap=True))
    assert result == ([], [])
    np.testing.assert_allclose(
        ours(ad.asarray(tokens)).detach().numpy(), expected, rtol=1e-4, atol=1e-5
    )
