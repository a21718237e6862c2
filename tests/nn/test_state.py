"""state_dict and load_state_dict: round trips, and differences that can be read."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn


def model() -> Any:
    return nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 1), nn.PReLU()))


def test_a_state_goes_round() -> None:
    first, second = model(), model()
    state = first.state_dict()
    assert list(state) == ["0.weight", "0.bias", "1.0.weight", "1.0.bias", "1.1.weight"]
    assert not any(t.requires_grad for t in state.values())
    handles = list(second.parameters())
    assert second.load_state_dict(state) == ([], [])
    assert all(a is b for a, b in zip(handles, second.parameters(), strict=True))
    x = ad.ones((4, 2))
    assert (first(x).detach().numpy() == second(x).detach().numpy()).all()
    assert [p.name for p in second.parameters()] == list(state)
    assert all(p.requires_grad for p in second.parameters())


def test_a_state_is_a_snapshot() -> None:
    net = model()
    state = net.state_dict()
    before = state["0.bias"].tolist()
    with ad.no_grad():
        net[0].bias += 1
    assert state["0.bias"].tolist() == before
    array = np.zeros(3, np.float32)
    net.load_state_dict(state | {"0.bias": array})
    array += 5
    assert net[0].bias.tolist() == [0.0, 0.0, 0.0]


def test_values_of_many_kinds_are_cast() -> None:
    net = nn.Linear(2, 1)
    net.load_state_dict({"weight": [[1, 2]], "bias": np.array([3], np.int64)})
    assert net.weight.dtype == np.float32
    assert net(ad.ones(2)).tolist() == [6.0]


def test_buffers_that_are_not_persistent_are_left_out() -> None:
    class Counted(nn.Module):
        def __init__(self) -> None:
            self.register_buffer("kept", 1.0)
            self.register_buffer("scratch", 2.0, persistent=False)
            self.register_buffer("none", None)

    net = Counted()
    assert list(net.state_dict("here.")) == ["here.kept"]
    assert net.load_state_dict({"kept": 5.0}) == ([], [])
    assert net.kept.item() == 5.0


def test_what_fits_is_loaded_if_asked() -> None:
    net = model()
    state = net.state_dict()
    state["0.biass"] = state.pop("0.bias")
    state["0.weight"] = np.full((3, 2), 7.0)
    missing, unexpected = net.load_state_dict(state, strict=False)
    assert (missing, unexpected) == (["0.bias"], ["0.biass"])
    assert net[0].weight.tolist() == [[7.0, 7.0]] * 3


def test_nothing_changes_if_something_misfits() -> None:
    net = model()
    before = net[0].weight.tolist()
    state = {name: np.zeros_like(t.numpy()) for name, t in net.state_dict().items()}
    state["1.0.bias"] = np.zeros(2)
    for strict in (True, False):
        with pytest.raises(ad.errors.ArgumentError, match=r"shape: 1\.0\.bias is f32\[1\]"):
            net.load_state_dict(state, strict=strict)
    assert net[0].weight.tolist() == before


def test_long_lists_are_cut() -> None:
    net = nn.ModuleList(nn.Linear(1, 1) for _ in range(30))
    with pytest.raises(ad.errors.ArgumentError) as caught:
        net.load_state_dict({})
    assert str(caught.value).count("\n    missing: ") == 20
    assert "\n    and 40 more" in str(caught.value)


def test_what_is_no_tensor_is_named() -> None:
    with pytest.raises(ad.errors.ArgumentError, match="bias is str, which is not a tensor"):
        nn.Linear(1, 1).load_state_dict({"weight": np.zeros((1, 1)), "bias": "zero"})
