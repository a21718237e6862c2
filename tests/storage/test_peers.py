"""Files go both ways between this library and PyTorch's safetensors."""

from pathlib import Path

import numpy as np
import pytest

import adjoint as ad

pytestmark = pytest.mark.peers
torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors")
st = pytest.importorskip("safetensors.torch")

INTEGERS = ["uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"]
DTYPES = ["bool", *INTEGERS, "float16", "bfloat16", "float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_pytorch_writes_we_read_and_back(tmp_path: Path, dtype: str) -> None:
    x = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype))
    state = {"layer.weight": x, "layer.scalar": x[0, 1].clone(), "empty": x[:0].clone()}
    st.save_file(state, tmp_path / "theirs", metadata={"format": "pt"})
    ours = ad.load(tmp_path / "theirs")
    assert ours["layer.weight"].dtype.name == dtype
    assert {k: (v.shape, v.tolist()) for k, v in ours.items()} == {
        k: (tuple(v.shape), v.tolist()) for k, v in state.items()
    }
    ad.save(tmp_path / "ours", ours)
    back = st.load_file(tmp_path / "ours")
    assert all(torch.equal(back[k], state[k]) and back[k].dtype == state[k].dtype for k in state)
    assert set(back) == set(state)


def test_complex_numbers_of_pytorch_are_read(tmp_path: Path) -> None:
    st.save_file({"z": torch.tensor([1 + 2j, 3 - 4j])}, tmp_path / "x")
    assert ad.load(tmp_path / "x")["z"].tolist() == [1 + 2j, 3 - 4j]


def test_a_model_of_pytorch(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    st.save_model(model, tmp_path / "x")
    found = ad.load(tmp_path / "x", mmap=True)
    assert set(found) == set(model.state_dict())
    ad.save(tmp_path / "y", found)
    other = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    st.load_model(other, tmp_path / "y")
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], value)
    with safetensors.safe_open(tmp_path / "y", "pt") as file:
        assert file.metadata()["format"] == "pt"  # transformers asks for it
