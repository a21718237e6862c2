"""Module: registration, paths, hooks, modes, copies, and modules as trees of the transforms."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn
from adjoint.core.tree import flatten, tree_map


class Affine(nn.Module):
    def __init__(self, n: int = 2) -> None:
        self.scale = nn.Parameter(np.arange(1.0, n + 1))
        self.shift = nn.Parameter(np.zeros(n))
        self.register_buffer("calls", 0)
        self.register_buffer("scratch", np.zeros(n), persistent=False)

    def forward(self, x: Any) -> Any:
        return self.scale * x + self.shift


class Net(nn.Module):
    def __init__(self) -> None:
        self.first = Affine()
        self.rest = nn.ModuleList([Affine(), nn.Identity()])

    def forward(self, x: Any) -> Any:
        x = self.first(x)
        for layer in self.rest:
            x = layer(x)
        return x


def test_paths_of_parameters_buffers_and_modules() -> None:
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "first.scale",
        "first.shift",
        "rest.0.scale",
        "rest.0.shift",
    ]
    assert [p.name for p in net.parameters()] == [n for n, _ in net.named_parameters()]
    assert [n for n, _ in net.named_buffers()] == [
        "first.calls",
        "first.scratch",
        "rest.0.calls",
        "rest.0.scratch",
    ]
    assert [n for n, _ in net.named_modules()] == ["", "first", "rest", "rest.0", "rest.1"]
    assert [type(m).__name__ for m in net.children()] == ["Affine", "ModuleList"]
    assert len(list(net.buffers())) == 4
    assert not list(net.parameters(recurse=False))
    assert net.get_submodule("rest.0") is net.rest[0]
    assert net.get_submodule("") is net
    assert net.get_parameter("rest.0.scale") is net.rest[0].scale
    assert next(iter(net.named_parameters("model")))[0] == "model.first.scale"


def test_a_part_that_is_added_later_knows_its_whole_path() -> None:
    net = Net()
    net.rest.append(nn.Linear(2, 1))
    assert net.rest[2].weight.name == "rest.2.weight"
    net.head = nn.Linear(2, 1, bias=False)
    assert net.head.weight.name == "head.weight"
    assert net.head.bias is None
    net.head.bias = nn.Parameter([0.0])
    assert net.head.bias.name == "head.bias"


def test_a_shared_parameter_is_listed_once_and_saved_under_both_paths() -> None:
    a, b = nn.Linear(3, 3), nn.Linear(3, 3)
    b.weight = a.weight
    both = nn.Sequential(a, b)
    assert [n for n, _ in both.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    assert list(both.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    x = ad.ones((1, 3))
    g = ad.grad(lambda m: m(x).sum())(both)
    assert g[0].weight is g[1].weight
    both(x).sum().backward()
    assert (g[0].weight.detach().numpy() == a.weight.grad.numpy()).all()
    twin = copy.deepcopy(both)
    assert twin[0].weight is twin[1].weight
    assert twin[0].weight is not a.weight


def test_a_shared_module_is_one_module() -> None:
    layer = nn.Linear(2, 2)
    twice = nn.Sequential(layer, nn.ReLU(), layer)
    assert len(list(twice.modules())) == 3
    assert len(list(twice.parameters())) == 2
    rebuilt = tree_map(lambda p: p * 2, twice)
    assert rebuilt[0] is rebuilt[2]
    assert rebuilt[0] is not layer


def test_nobody_has_to_call_the_constructor_above() -> None:
    @dataclass(eq=False, repr=False)
    class Scaled(nn.Module):
        factor: float
        inner: nn.Module

        def forward(self, x: Any) -> Any:
            return self.factor * self.inner(x)

    scaled = Scaled(3.0, nn.Linear(2, 1))
    assert [n for n, _ in scaled.named_parameters()] == ["inner.weight", "inner.bias"]
    assert scaled(ad.ones(2)).shape == (1,)
    assert len(flatten(scaled)[0]) == 2


def test_call_may_be_written_instead_of_forward() -> None:
    class Twice(nn.Module):
        def __call__(self, x: Any) -> Any:
            return 2 * x

    seen: list[float] = []
    twice = Twice()
    twice.register_forward_hook(lambda module, args, out: seen.append(out))
    assert twice(3.0) == 6.0
    assert seen == [6.0]


def test_a_parameter_changes_in_place() -> None:
    layer = Affine()
    scale = layer.scale
    with ad.no_grad():
        layer.scale += 1
        layer.scale.assign(layer.scale * 2)
    assert layer.scale is scale
    assert isinstance(scale, nn.Parameter)
    assert scale.requires_grad
    assert scale.name == "scale"
    assert scale.tolist() == [4.0, 6.0]


def test_a_buffer_keeps_its_handle_where_the_new_value_fits() -> None:
    layer = Affine()
    calls, scratch = layer.calls, layer.scratch
    layer.calls = layer.calls + 1
    layer.scratch = np.zeros(3)
    assert layer.calls is calls
    assert calls.item() == 1
    assert layer.scratch is not scratch
    assert layer.scratch.shape == (3,)
    layer.scratch = None
    assert [n for n, _ in layer.named_buffers()] == ["calls"]


def test_an_attribute_can_be_deleted_and_replaced() -> None:
    layer = Affine()
    del layer.shift
    assert [n for n, _ in layer.named_parameters()] == ["scale"]
    layer.scale = nn.Parameter([1.0])
    assert layer.scale.shape == (1,)
    layer.scale = None
    assert not list(layer.parameters())
    with pytest.raises(AttributeError):
        _ = layer.shift


def test_modes() -> None:
    net = Net()
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    net.rest.train()
    assert net.rest[0].training
    assert not net.training


def test_freezing() -> None:
    net = Net()
    net.first.freeze()
    assert [p.requires_grad for p in net.parameters()] == [False, False, True, True]
    assert net.first.scale.name == "first.scale"
    assert len(flatten(net)[0]) == 2
    g = ad.grad(lambda m: m(ad.ones(2)).sum())(net)
    assert g.first.scale is net.first.scale
    assert g.rest[0].shift.tolist() == [1.0, 1.0]
    net(ad.ones(2)).sum().backward()
    assert net.first.scale.grad is None
    net.unfreeze()
    assert all(p.requires_grad for p in net.parameters())


def test_zero_grad() -> None:
    net = Net()
    net(ad.ones(2)).sum().backward()
    assert net.first.scale.grad is not None
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_apply_goes_from_the_children_to_the_top() -> None:
    seen: list[str] = []
    net = Net()
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Affine", "Affine", "Identity", "ModuleList", "Net"]


def test_another_dtype() -> None:
    net = Net().to("float64")
    assert net.first.scale.dtype == np.float64
    assert net.first.calls.dtype == np.int64
    assert net.to(ad.float32).rest[0].scratch.dtype == np.float32
    assert net.first.scale.requires_grad
    assert net.first.scale.name == "first.scale"
    assert net.to("cpu").first.scale.dtype == np.float32
    a, b = nn.Linear(2, 2), nn.Linear(2, 2).freeze()
    b.weight = a.weight
    both = nn.Sequential(a, b).to(ad.float64)
    assert both[0].weight is both[1].weight
    assert not both[1].bias.requires_grad


def test_hooks_see_and_replace() -> None:
    layer = Affine()
    seen: list[Any] = []

    def before(module: Any, args: Any) -> Any:
        seen.append(module)
        return args[0] * 10

    def after(module: Any, args: Any, out: Any) -> Any:
        seen.append(args[0])
        return out + 1

    first, second = layer.register_forward_pre_hook(before), layer.register_forward_hook(after)
    assert layer(1.0).tolist() == [11.0, 21.0]
    assert seen == [layer, 10.0]
    first.remove()
    first.remove()
    assert layer(1.0).tolist() == [2.0, 3.0]
    second.remove()
    with layer.register_forward_pre_hook(lambda module, args: (2.0,)):
        assert layer(1.0).tolist() == [2.0, 4.0]
    assert layer(1.0).tolist() == [1.0, 2.0]


def test_a_deep_copy_is_a_network_of_its_own() -> None:
    net = Net()
    net.generator = ad.random.Generator(3)
    twin = copy.deepcopy(net)
    with ad.no_grad():
        net.first.scale += 1
    assert twin.first.scale.tolist() == [1.0, 2.0]
    assert isinstance(twin.first.scale, nn.Parameter)
    assert twin.first.scale.name == "first.scale"
    assert [n for n, _ in twin.named_parameters()] == [n for n, _ in net.named_parameters()]
    net.freeze()
    assert not copy.deepcopy(net).first.scale.requires_grad
    assert twin.first.scale.requires_grad


def test_a_shallow_copy_shares_the_parameters_and_not_the_places() -> None:
    net = Net()
    twin = copy.copy(net)
    assert twin.first.scale is net.first.scale
    twin.first = nn.Identity()
    assert isinstance(net.first, Affine)
    alone = copy.copy(net.first.scale)
    assert isinstance(alone, nn.Parameter)
    assert alone is not net.first.scale


# -- modules as trees ------------------------------------------------------------------------------


def loss(net: Any, x: Any) -> Any:
    return ad.sum(net(x) ** 2)


def test_the_gradient_of_a_module_is_a_module() -> None:
    net, x = Net(), ad.tensor([1.0, 2.0])
    value, g = ad.value_and_grad(loss)(net, x)
    assert isinstance(g, Net)
    loss(net, x).backward()
    for mine, theirs in zip(g.parameters(), net.parameters(), strict=True):
        assert np.allclose(mine.detach().numpy(), theirs.grad.numpy())
    assert g.first.calls is net.first.calls
    assert flatten(g)[1].paths() == [n for n, _ in net.named_parameters()]
    assert value.item() == loss(net, x).item()


def test_a_step_of_descent_as_a_function() -> None:
    net, x = Net(), ad.tensor([1.0, 2.0])
    before = loss(net, x).item()
    with ad.no_grad():
        for _ in range(3):
            g = ad.grad(loss)(net, x)
            net = tree_map(lambda p, d: p - 0.001 * d, net, g)
    assert loss(net, x).item() < before
    assert flatten(net)[1] == flatten(g)[1]


def test_leaves_that_are_the_same_object_stay_apart() -> None:
    net = Net()
    zero = ad.tensor(0.0)
    zeros = tree_map(lambda p: zero, net)
    assert len(flatten(zeros)[0]) == 4
    assert flatten(tree_map(lambda p: 1, zeros))[0] == [1] * 4


def test_other_transforms_take_modules() -> None:
    net, x = Net(), ad.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    per = ad.per_example_grad(loss)(net, x)
    assert per.first.scale.shape == (3, 2)
    whole = ad.grad(loss)(net, x)
    assert np.allclose(per.first.scale.detach().numpy().sum(0), whole.first.scale.detach().numpy())
    assert ad.vmap(net)(x).shape == (3, 2)
    out, dot = ad.jvp(lambda n: n(x[0]), (net,), (tree_map(ad.ones_like, net),))
    assert out.shape == dot.shape == (2,)
    _, pullback = ad.vjp(lambda n: n(x[0]), net)
    (g,) = pullback(ad.ones(2))
    assert isinstance(g, Net)
    graph = ad.trace(lambda n, x: n(x), net, x)
    assert len(graph.inputs) == 5
    assert ad.checkpoint(net)(x[0]).tolist() == net(x[0]).tolist()
    h = ad.hvp(lambda n: loss(n, x[0]), (net,), (tree_map(ad.ones_like, net),))
    assert isinstance(h, Net)


def test_gradients_of_gradients_flow_to_the_parameters() -> None:
    net, x = Affine(), ad.tensor([1.0, 2.0])
    penalty = ad.sum(ad.grad(loss)(net, x).scale ** 2)
    penalty.backward()
    assert net.scale.grad.tolist() == [8.0, 256.0]  # of (2 s x²)² is 8 s x⁴


def test_structures_are_equal_by_class_and_places() -> None:
    assert flatten(Affine())[1] == flatten(Affine(3))[1]
    assert flatten(Net())[1] != flatten(Affine())[1]
    assert hash(flatten(Net())[1]) == hash(flatten(Net())[1])
    assert "Affine" in repr(flatten(Affine())[1])


# -- text ------------------------------------------------------------------------------------------


def test_repr_shows_calls_and_counts() -> None:
    model = nn.Sequential(nn.Linear(4, 300), nn.ReLU(), Net(), nn.Linear(300, 1, bias=False))
    assert (
        repr(model)
        == """\
Sequential(  # 1,808 parameters
  (0): Linear(in_features=4, out_features=300)  # 1,500
  (1): ReLU()
  (2): Net(  # 8
    (first): Affine(scale=f64[2], shift=f64[2])  # 4
    (rest): ModuleList(  # 4
      (0): Affine(scale=f64[2], shift=f64[2])  # 4
      (1): Identity()
    )
  )
  (3): Linear(in_features=300, out_features=1, bias=False)  # 300
)"""
    )


def test_tree_shows_shapes_and_what_is_frozen() -> None:
    net = Net()
    net.first.freeze()
    assert (
        net.tree()
        == """\
Net   8 parameters
├─ first: Affine   4   scale f64[2] frozen, shift f64[2] frozen, calls i64[] buffer, scratch f64[2] buffer
└─ rest: ModuleList   4
   ├─ 0: Affine   4   scale f64[2], shift f64[2], calls i64[] buffer, scratch f64[2] buffer
   └─ 1: Identity"""  # noqa: E501
    )
    assert nn.Linear(0, 1, bias=False).tree() == "Linear   0 parameters   weight f32[1,0]"


def test_a_parameter_prints_as_one() -> None:
    assert repr(nn.Parameter([[1.0], [2.0]])) == "Parameter([[1.],\n           [2.]])"
    assert repr(nn.Parameter([1.0], requires_grad=False)) == "Parameter([1.], requires_grad=False)"
