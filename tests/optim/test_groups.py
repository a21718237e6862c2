"""What an optimizer can be given, how options change, and what it refuses."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import adjoint as ad

errors = ad.errors


def leaf(*shape: int, dtype: Any = "float32") -> Any:
    return ad.tensor(np.ones(shape), dtype=dtype, requires_grad=True)


class Net(ad.nn.Module):
    def __init__(self) -> None:
        self.first = ad.nn.Linear(3, 2)
        self.second = ad.nn.Linear(2, 1)

    def forward(self, x: Any) -> Any:
        return self.second(ad.tanh(self.first(x)))


NAMES = ["first.weight", "first.bias", "second.weight", "second.bias"]


def test_names_come_from_where_they_are_known() -> None:
    net = Net()
    for given in (net, net.parameters(), net.named_parameters(), dict(net.named_parameters())):
        assert list(ad.optim.SGD(given).state) == NAMES
    assert list(ad.optim.SGD([leaf(2), leaf(3)]).state) == ["0", "1"]
    assert list(ad.optim.SGD({"a": {"b": leaf(2)}, "c": [leaf(3)]}).state) == ["a.b", "c.0"]
    assert list(ad.optim.SGD([("x", leaf(2)), ("y", leaf(2))]).state) == ["x", "y"]
    assert list(ad.optim.SGD([{"w": leaf(2)}, {"w": leaf(2)}]).state) == ["0.w", "1.w"]
    twins = [*ad.nn.Linear(2, 2).parameters(), *ad.nn.Linear(2, 2).parameters()]
    assert list(ad.optim.SGD(twins).state) == ["weight", "bias", "2", "3"]


def test_groups() -> None:
    net = Net()
    groups = [{"params": net.first, "lr": 0.5}, {"params": net.second.parameters()}]
    opt = ad.optim.SGD(groups, lr=0.1, momentum=0.9)
    assert [g["lr"] for g in opt.param_groups] == [0.5, 0.1]
    assert [g["momentum"] for g in opt.param_groups] == [0.9, 0.9]
    extra = leaf(2)
    opt.add_param_group({"params": extra, "lr": 0.01, "momentum": 0.0})
    assert opt.param_groups[2]["params"] == [extra]
    assert opt.state["4"] == {}  # no momentum, no buffer
    opt.lr = 0.2
    assert [g["lr"] for g in opt.param_groups] == [0.2, 0.2, 0.2]
    opt.param_groups[2]["momentum"] = 0.5  # what it needs is there before the next step
    assert opt.state["4"]["momentum_buffer"].shape == (2,)


def test_an_option_is_a_float_that_lives_in_a_tensor() -> None:
    group = ad.optim.Adam([leaf(2)], lr=0.1).param_groups[0]
    held = group.tensor("lr")
    group["lr"] = 0.3
    assert group["lr"] == 0.3
    assert held.item() == 0.3
    assert held.dtype == np.float64
    group["lr"] = ad.tensor(0.25)
    assert (group["lr"], group.tensor("lr") is held) == (0.25, True)
    group["betas"] = (0.5, 0.75)
    assert group["betas"] == (0.5, 0.75)
    assert {"params", "names", "lr", "betas", "eps", "weight_decay"} <= set(group)
    assert "lr=0.25" in repr(group)


def test_zero_grad() -> None:
    p = leaf(2)
    opt = ad.optim.SGD([p])
    p.sum().backward()
    opt.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0, 0.0]
    opt.zero_grad()
    assert p.grad is None


def test_a_parameter_without_gradient_stays_as_it_is() -> None:
    p, q = leaf(2), leaf(2)
    opt = ad.optim.AdamW([p, q], weight_decay=0.5)
    p.sum().backward()
    opt.step()
    assert q.tolist() == [1.0, 1.0]
    assert p.tolist() != [1.0, 1.0]
    assert opt.param_groups[0].steps.tolist() == [1.0, 0.0]


def test_closure() -> None:
    p = leaf()
    opt = ad.optim.SGD([p], lr=0.5)

    def closure() -> Any:
        opt.zero_grad()
        loss = p * p
        loss.backward()
        return loss

    with ad.no_grad():  # the closure records nevertheless
        assert opt.step(closure).item() == 1.0
    assert p.item() == 0.0


@dataclass
class Weights:
    w: Any
    b: Any


def test_functional_gradients_in_the_form_of_the_parameters() -> None:
    net, x = Net(), ad.tensor(np.ones((4, 3), np.float32))

    def loss(net: Any) -> Any:
        return (net(x) ** 2).mean()

    opt = ad.optim.SGD(net, lr=0.1)
    before = loss(net).item()
    opt.update(net, ad.grad(loss)(net))
    assert loss(net).item() < before

    tree = {"a": Weights(ad.tensor([1.0, 2.0]), ad.tensor(3.0))}  # none requires a gradient
    opt = ad.optim.SGD(tree, lr=0.5)
    opt.update(tree, ad.grad(lambda t: (t["a"].w ** 2).sum() + t["a"].b)(tree))
    assert tree["a"].w.tolist() == [0.0, 0.0]
    assert tree["a"].b.item() == 2.5
    opt.update(tree, {"a.w": np.ones(2), "a.b": None})  # flat; arrays; a gradient that is missing
    assert tree["a"].w.tolist() == [-0.5, -0.5]
    assert tree["a"].b.item() == 2.5


def test_a_frozen_parameter_of_a_module_is_not_updated() -> None:
    net, x = Net(), ad.tensor(np.ones((4, 3), np.float32))
    net.first.weight.requires_grad = False
    before = net.first.weight.numpy().copy()
    opt = ad.optim.SGD(net, lr=0.1)
    opt.update(net, ad.grad(lambda net: (net(x) ** 2).mean())(net))
    (net(x) ** 2).mean().backward()
    opt.step()
    np.testing.assert_array_equal(net.first.weight.numpy(), before)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_has_masters(dtype: str) -> None:
    p = leaf(3, dtype=dtype)
    opt = ad.optim.SGD([p], lr=1e-4)
    for _ in range(50):  # each update is far below the rounding of 1.0
        p.grad = ad.ones(3, dtype=dtype)
        opt.step()
    np.testing.assert_allclose(opt.state["0"]["master"].numpy(), 1 - 50e-4, rtol=1e-5)
    assert p.dtype == ad.asarray(1, dtype=dtype).dtype
    np.testing.assert_allclose(p.detach().astype("float32").numpy(), 0.995, atol=4e-3)
    with ad.no_grad():
        p.assign(2.0)  # as loading weights does: the master follows
    p.grad = ad.ones(3, dtype=dtype)
    opt.step()
    np.testing.assert_allclose(opt.state["0"]["master"].numpy(), 2 - 1e-4, rtol=1e-6)
    assert "master" not in ad.optim.SGD([leaf(3, dtype=dtype)], master=False).state["0"]


# -- what it refuses ---------------------------------------------------------------------------

P = leaf(2)
REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "lr": (
        lambda: ad.optim.SGD([P], lr=-1.0),
        errors.ArgumentError,
        "SGD: lr must be a number of at",
    ),
    "lr nan": (lambda: ad.optim.SGD([P], lr=float("nan")), errors.ArgumentError, "not nan"),
    "lr text": (lambda: ad.optim.SGD([P], lr="fast"), errors.ArgumentError, "not 'fast'"),
    "betas": (
        lambda: ad.optim.Adam([P], betas=(0.9, 1.0)),
        errors.ArgumentError,
        r"Adam: betas must be two numbers in \[0, 1\), not \(0.9, 1.0\)",
    ),
    "nesterov": (
        lambda: ad.optim.SGD([P], nesterov=True),
        errors.ArgumentError,
        "needs a momentum",
    ),
    "etas": (lambda: ad.optim.Rprop([P], etas=(1.5, 2.0)), errors.ArgumentError, "below 1"),
    "option": (
        lambda: ad.optim.SGD([{"params": [P], "lrr": 1.0}]),
        errors.ArgumentError,
        "no option 'lrr'; there are lr, momentum",
    ),
    "a tensor": (lambda: ad.optim.SGD(P), errors.ArgumentError, r"Try: SGD\(\[x\]\)"),
    "nothing": (lambda: ad.optim.SGD([]), errors.ArgumentError, "SGD: no parameters"),
    "a number": (lambda: ad.optim.SGD(3), errors.ArgumentError, "params is int"),
    "numbers": (lambda: ad.optim.SGD([3.0]), errors.ArgumentError, "parameter '0' is float"),
    "integers": (
        lambda: ad.optim.SGD([ad.tensor([1, 2])]),
        errors.DTypeError,
        "dtype int64, which has no gradient",
    ),
    "computed": (lambda: ad.optim.SGD([P * 2.0]), errors.ArgumentError, "was computed from other"),
    "twice": (
        lambda: ad.optim.SGD([("a", P), ("b", P)]),
        errors.ArgumentError,
        "'b' is already in this group, as 'a'",
    ),
    "in two groups": (
        lambda: ad.optim.SGD([{"params": [P]}, {"params": [P]}]),
        errors.ArgumentError,
        "already in group 0, as '0'",
    ),
    "one name": (
        lambda: ad.optim.SGD([("a", P), ("a", leaf(2))]),
        errors.ArgumentError,
        "two parameters are named 'a'",
    ),
    "muon": (lambda: ad.optim.Muon([P]), errors.ShapeError, r"shape \(2,\), and must be a matrix"),
    "muon complex": (
        lambda: ad.optim.Muon([leaf(2, 2, dtype="complex64")]),
        errors.DTypeError,
        "must be real",
    ),
    "lbfgs search": (
        lambda: ad.optim.LBFGS([P], line_search_fn="armijo"),
        errors.ArgumentError,
        "there are 'strong_wolfe' and None",
    ),
    "lbfgs groups": (
        lambda: ad.optim.LBFGS([{"params": [P]}, {"params": [leaf(2)]}]),
        errors.ArgumentError,
        "one group",
    ),
    "no gradients": (
        lambda: ad.optim.SGD([ad.tensor([1.0])]).step(),
        errors.ArgumentError,
        "no parameter requires a gradient",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str) -> None:
    make, kind, message = REFUSED[what]
    with pytest.raises(kind, match=message):
        make()


def test_options_are_checked_when_they_change() -> None:
    opt = ad.optim.Adam([leaf(2)])
    with pytest.raises(errors.ArgumentError, match="lr must be a number of at least 0, not -2"):
        opt.lr = -2.0
    with pytest.raises(errors.ArgumentError, match="do not change"):
        opt.param_groups[0]["params"] = []
    assert opt.lr == 1e-3


def test_gradients_that_do_not_fit_are_refused() -> None:
    p = {"w": leaf(2), "b": leaf()}
    opt = ad.optim.SGD(p)
    for params, grads, message in [
        ({"w": leaf(2)}, {"w": np.ones(2)}, "'w' is not a parameter of this optimizer"),
        (p, {"w": np.ones(2)}, "no gradient for 'b'; there are gradients for 'w'"),
        ({"w": p["w"]}, {"w": np.ones(2), "c": np.ones(2)}, "gradients for 'c', which params does"),
        ({"w": p["w"]}, {"w": np.ones(3)}, re.escape("'w' has shape (2,), its gradient (3,)")),
    ]:
        with pytest.raises(errors.AdjointError, match=message):
            opt.update(params, grads)
    assert p["w"].tolist() == [1.0, 1.0]


STATES: dict[str, tuple[Any, str]] = {
    "no state": (lambda s: {}, "no state of an optimizer"),
    "another": (lambda s: s | {"optimizer": "SGD"}, "this is the state of SGD"),
    "groups": (
        lambda s: s | {"param_groups": []},
        "it has 0 groups of parameters, the optimizer 1",
    ),
    "names": (
        lambda s: s | {"param_groups": [s["param_groups"][0] | {"params": ["a", "c"]}]},
        "\n    missing: b\n    unexpected: c",
    ),
    "arrays": (
        lambda s: s | {"state": s["state"] | {"a": {"step": 1, "exp_avg": ad.zeros(3)}}},
        "\n    exp_avg of a is \\(3,\\), needed is \\(2,\\)\n    missing: exp_avg_sq of a",
    ),
    "entry": (lambda s: s | {"state": {"a": s["state"]["a"]}}, "missing: state of b"),
}


@pytest.mark.parametrize("what", STATES)
def test_a_state_that_does_not_fit_is_refused(what: str) -> None:
    opt = ad.optim.Adam({"a": leaf(2), "b": leaf()}, lr=0.5)
    change, message = STATES[what]
    with pytest.raises(errors.ArgumentError, match=message):
        opt.load_state_dict(change(opt.state_dict()))
    assert opt.lr == 0.5
