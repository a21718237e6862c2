"""Sequential, ModuleList, ModuleDict and ParameterList."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn


def test_sequential_is_a_list_that_is_called() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    model.append(nn.Linear(3, 1))
    assert len(model) == 3
    assert model[-1].out_features == 1
    assert isinstance(model[:2], nn.Sequential)
    assert len(model[:2]) == 2
    assert [type(m).__name__ for m in model] == ["Linear", "ReLU", "Linear"]
    model[1] = nn.Tanh()
    assert type(model[1]) is nn.Tanh
    x = ad.ones((4, 2))
    assert np.array_equal(
        model(x).detach().numpy(), model[2](ad.tanh(model[0](x))).detach().numpy()
    )
    del model[1]
    assert list(model.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_sequential_with_names() -> None:
    model = nn.Sequential({"one": nn.Linear(2, 3), "two": nn.Linear(3, 1)})
    assert next(iter(model.state_dict())) == "one.weight"
    assert model.one is model[0]
    assert model(ad.ones(2)).shape == (1,)


def test_a_list_of_modules() -> None:
    layers = nn.ModuleList([nn.Linear(1, 1)])
    layers.extend([nn.ReLU(), nn.Tanh()])
    layers.insert(1, nn.Sigmoid())
    assert [type(m).__name__ for m in layers] == ["Linear", "Sigmoid", "ReLU", "Tanh"]
    del layers[1:3]
    assert [name for name, _ in layers.named_children()] == ["0", "1"]
    with pytest.raises(ad.errors.AxisError, match="index 2, but it holds 2"):
        _ = layers[2]
    with pytest.raises(ad.errors.ArgumentError, match="float is not a module"):
        layers.append(1.0)  # what a type checker would refuse too
    with pytest.raises(ad.errors.ArgumentError, match="ModuleList has no forward pass"):
        layers(1.0)


def test_a_dict_of_modules() -> None:
    heads = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.ReLU()})
    assert list(heads) == list(heads.keys()) == ["a", "b"]
    assert "a" in heads
    assert "c" not in heads
    assert len(heads) == 2
    assert heads.pop("b").__class__ is nn.ReLU
    heads["c"] = nn.Tanh()
    assert [(name, type(m).__name__) for name, m in heads.items()] == [
        ("a", "Linear"),
        ("c", "Tanh"),
    ]
    assert [type(m).__name__ for m in heads.values()] == ["Linear", "Tanh"]
    with pytest.raises(KeyError, match="ModuleDict: no 'b'; the names are: a, c"):
        _ = heads["b"]
    for name in ("items", "x.y", ""):
        with pytest.raises(ad.errors.ArgumentError, match="cannot name a part"):
            heads[name] = nn.ReLU()


def test_a_list_of_parameters() -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            self.terms = nn.ParameterList([np.ones(2), ad.zeros(2)])

        def forward(self) -> Any:
            return ad.sum(ad.stack(list(self.terms)))

    model = Sum()
    model.terms.append(nn.Parameter([3.0, 4.0]))
    assert [n for n, _ in model.named_parameters()] == ["terms.0", "terms.1", "terms.2"]
    assert model.terms[2].name == "terms.2"
    model().backward()
    assert all(p.grad.tolist() == [1.0, 1.0] for p in model.parameters())
    assert len(model.terms[1:]) == 2


def test_a_dict_of_parameters() -> None:
    scales = nn.ParameterDict({"a": 1.0, "b": nn.Parameter([2.0])})
    scales["c"] = np.zeros(2)
    assert [(n, p.name) for n, p in scales.named_parameters()] == [(n, n) for n in "abc"]
    assert scales.pop("b").tolist() == [2.0]
    assert list(scales.state_dict()) == list(scales.keys()) == ["a", "c"]
