"""The whole text of errors of modules, with places in this file written as ``FILE:LINE``."""

import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn
from adjoint.core import errors

THIS = re.escape(Path(__file__).name)
PINNED: dict[str, tuple[type[Exception], Callable[[], Any], str]] = {}


def pinned(error: type[Exception], text: str) -> Callable[[Any], Any]:
    """Pin the text of the error that a function raises."""

    def pin(raises: Any) -> Any:
        PINNED[raises.__name__] = (error, raises, textwrap.dedent(text).strip())
        return raises

    return pin


class Block(nn.Module):
    def __init__(self) -> None:
        self.layers = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
        self.gain = nn.Parameter(np.ones(2, np.float32))

    def forward(self, x: Any) -> Any:
        return self.gain * self.layers(x)


class Net(nn.Module):
    def __init__(self) -> None:
        self.blocks = nn.ModuleList([Block()])

    def forward(self, x: Any) -> Any:
        return self.blocks[0](x)


@pinned(
    errors.ShapeError,
    """
    linear: the last axis of x has 5 elements, weight takes 4
        x: f32[2,5]   from FILE:LINE
        weight: f32[3,4]   from FILE:LINE   blocks.0.layers.0.weight
      at FILE:LINE in forward:   return self.gain * self.layers(x)
      at blocks.0.layers.0 (Linear) of Net
    """,
)
def an_input_of_the_wrong_size() -> Any:
    return Net()(ad.ones((2, 5)))


@pinned(
    errors.ShapeError,
    """
    multiply: shapes (2,) and (2, 3) do not broadcast: sizes 2 and 3 meet at axis -1
        x: f32[2]   from FILE:LINE   blocks.0.gain
        y: f32[2,3]   from FILE:LINE
      at FILE:LINE in forward:   return self.gain * self.layers(x)
      at blocks.0 (Block) of Net
    """,
)
def a_parameter_that_does_not_fit() -> Any:
    return Net()(ad.ones((2, 4)))


@pinned(
    errors.ArgumentError,
    """
    cross_entropy: the label 2 at [1], the first of 2, is not from 0 to 1
        labels: i64[3]   from FILE:LINE
      at FILE:LINE in a_label_out_of_range:   return nn.CrossEntropyLoss()(scores, labels)
      at CrossEntropyLoss
    """,
)
def a_label_out_of_range() -> Any:
    scores, labels = ad.ones((3, 2)), ad.tensor([0, 2, -1])
    return nn.CrossEntropyLoss()(scores, labels)


@pinned(
    errors.ShapeError,
    """
    mse_loss: input has shape (3, 1), target (3,)
        input: f32[3,1]   from FILE:LINE
        target: f32[3]   from FILE:LINE
      at FILE:LINE in a_column_against_a_row:   return nn.functional.mse_loss(x, y)
      Try: target.reshape(input.shape)
    """,
)
def a_column_against_a_row() -> Any:
    x, y = ad.ones((3, 1)), ad.ones(3)
    return nn.functional.mse_loss(x, y)


@pinned(
    errors.ArgumentError,
    """
    load_state_dict: the state does not fit Net
        missing: blocks.0.layers.0.bias   f32[3]   (the state has blocks.0.layers.0.biases)
        unexpected: blocks.0.layers.0.biases   f64[3]   (the module has blocks.0.layers.0.bias)
        shape: blocks.0.layers.0.weight is f32[3,4], the state has f64[4,3]
    """,
)
def a_state_that_does_not_fit() -> Any:
    state = {
        "blocks.0.layers.0.weight": np.ones((4, 3)),
        "blocks.0.layers.0.biases": np.ones(3),
        "blocks.0.gain": np.ones(2),
    }
    return Net().load_state_dict(state)


@pinned(
    errors.ArgumentError,
    """
    load_state_dict: the state does not fit Linear
        shape: weight is f32[1,2], the state has f64[2,1]
    """,
)
def a_state_of_another_shape() -> Any:
    return nn.Linear(2, 1).load_state_dict({"weight": np.ones((2, 1)), "bias": np.ones(1)})


@pinned(
    errors.ArgumentError,
    """
    layers is a list that holds a Linear, which would not be trained or saved
      Try: ad.nn.ModuleList(...)
    """,
)
def modules_in_a_plain_list() -> Any:
    net = nn.Module()
    net.layers = [nn.Linear(1, 1)]
    return net


@pinned(
    errors.ArgumentError,
    """
    scales is a dict that holds a Parameter, which would not be trained or saved
      Try: ad.nn.ParameterDict(...)
    """,
)
def parameters_in_a_plain_dict() -> Any:
    net = nn.Module()
    net.scales = {"a": nn.Parameter(1.0)}
    return net


@pinned(
    errors.ArgumentError,
    """
    weight is a parameter, which Tensor cannot replace
      Try: with ad.no_grad(): module.weight.assign(...), or module.weight = ad.nn.Parameter(...).
    """,
)
def a_tensor_in_place_of_a_parameter() -> Any:
    layer = nn.Linear(1, 1)
    layer.weight = layer.weight * 2
    return layer


@pinned(
    errors.ArgumentError,
    """
    Module has no forward pass: define forward(self, ...)
      at Module
    """,
)
def no_forward_pass() -> Any:
    return nn.Module()(1.0)


@pinned(
    errors.ArgumentError,
    """
    get_submodule: nothing at 'blocks.1.layers': ModuleList has no '1', its children are: 0
    """,
)
def a_path_that_leads_nowhere() -> Any:
    return Net().get_submodule("blocks.1.layers")


@pinned(
    errors.ArgumentError,
    """
    embedding: the index 3 names no row: they are 0 to 2
        input: i64[2]   from FILE:LINE
      at FILE:LINE in a_row_that_is_not_there:   return nn.Embedding(3, 2)(ad.tensor([0, 3]))
      at Embedding
    """,
)
def a_row_that_is_not_there() -> Any:
    return nn.Embedding(3, 2)(ad.tensor([0, 3]))


@pinned(
    errors.ArgumentError,
    """
    Embedding: max_norm is not supported: it would change the weight in the forward pass
      Try: ad.nn.functional.normalize(...) of the result.
    """,
)
def a_norm_that_would_change_the_weight() -> Any:
    return nn.Embedding(3, 2, max_norm=1.0)


def said(error: BaseException) -> str:
    return re.sub(rf"{THIS}:\d+", "FILE:LINE", str(error))


@pytest.mark.parametrize("name", PINNED)
def test_message(name: str) -> None:
    error, raises, text = PINNED[name]
    with pytest.raises(error) as caught:
        raises()
    assert said(caught.value) == text


def test_an_error_that_is_not_ours_gets_a_note() -> None:
    class Broken(nn.Module):
        def forward(self, x: Any) -> Any:
            return {}["nothing"]

    model = nn.Sequential(nn.Identity(), nn.Sequential(Broken()))
    with pytest.raises(KeyError) as caught:
        model(1.0)
    assert caught.value.__notes__ == ["  at 1.0 (Broken) of Sequential"]


def test_a_module_that_is_not_registered_is_named_by_its_class() -> None:
    hidden = nn.Linear(2, 2)

    class Caller(nn.Module):
        def forward(self, x: Any) -> Any:
            return hidden(x)

    with pytest.raises(errors.ShapeError, match=r"at <Linear> \(Linear\) of Caller$"):
        Caller()(ad.ones(3))


def test_an_error_in_a_gradient_names_the_module_too() -> None:
    with pytest.raises(errors.ShapeError, match=r"at blocks\.0\.layers\.0 \(Linear\) of Net$"):
        ad.grad(lambda net: net(ad.ones((2, 5))).sum())(Net())
