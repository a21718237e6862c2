"""checkpoint: the same values and gradients from fewer kept bytes, and what it refuses."""

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.errors import MutatedInput
from adjoint.core.graph import Node, ancestors


def kept_bytes(*outs: ad.Tensor) -> int:
    """Bytes of all arrays that the graph behind some tensors holds for its derivatives."""
    arrays: dict[int, Any] = {}
    for node in ancestors([out.node for out in outs], lambda node: True):
        for value in node.saved if isinstance(node.saved, tuple) else ():
            for x in value if isinstance(value, tuple) else (value,):
                if isinstance(x, np.ndarray):
                    arrays[id(x)] = x
    return sum(x.nbytes for x in arrays.values())


def block(x: ad.Tensor) -> ad.Tensor:
    for _ in range(5):
        x = ad.sin(x) * ad.exp(-x)
    return x


def start() -> ad.Tensor:
    return ad.tensor(np.linspace(0.1, 1, 1000), requires_grad=True)


def network(blocks: int, wrap: Any) -> tuple[ad.Tensor, ad.Tensor]:
    x = start()
    y = x
    for _ in range(blocks):
        y = wrap(block)(y)
    return x, ad.sum(y)


def test_the_gradient_is_the_same_to_the_last_bit() -> None:
    grads = []
    for wrap in (ad.checkpoint, lambda f: f):
        x, loss = network(3, wrap)
        loss.backward()
        grads.append(x.grad.numpy())
    assert np.array_equal(*grads)


def test_nodes_keep_nothing_until_the_backward_pass() -> None:
    _, plain = network(3, lambda f: f)
    x, loss = network(3, ad.checkpoint)
    assert kept_bytes(plain) > 3 * 5 * 2 * x.numpy().nbytes
    assert kept_bytes(loss) == 0
    loss.backward()
    assert kept_bytes(loss) == 0


def test_intermediate_results_are_freed_with_the_call() -> None:
    inside: list[weakref.ref[Any]] = []

    def f(x: ad.Tensor) -> ad.Tensor:
        y = ad.sin(x)
        inside.append(weakref.ref(y.value))
        return y * y

    loss = ad.sum(ad.checkpoint(f)(start()))
    gc.collect()
    assert inside[0]() is None
    loss.backward()
    assert len(inside) == 2  # it ran again


def test_one_block_at_a_time_is_computed_again() -> None:
    runs: list[int] = []
    peak: list[int] = []

    def watched_block(k: int) -> Any:
        def f(x: ad.Tensor) -> ad.Tensor:
            runs.append(k)
            return block(x)

        return ad.checkpoint(f)

    x = start()
    a = watched_block(0)(x)
    a.register_hook(lambda g: peak.append(kept_bytes(a, b)))
    b = watched_block(1)(a)
    ad.sum(b).backward()
    assert runs == [0, 1, 1, 0]
    assert peak == [0]  # the second block was done with when the first began


def test_a_second_backward_pass_computes_again() -> None:
    runs = []

    def f(x: ad.Tensor) -> ad.Tensor:
        runs.append(1)
        return block(x)

    x = start()
    loss = ad.sum(ad.checkpoint(f)(x))
    loss.backward(retain_graph=True)
    once = x.grad.numpy().copy()
    loss.backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * once)


def test_checkpoints_in_checkpoints() -> None:
    def nested(x: ad.Tensor) -> ad.Tensor:
        return ad.checkpoint(block)(ad.checkpoint(block)(x))

    x, y = start(), start()
    loss = ad.sum(ad.checkpoint(nested)(x))
    assert kept_bytes(loss) == 0
    loss.backward()
    ad.sum(block(block(y))).backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.grad.numpy())


def test_gradients_reach_tensors_that_the_function_closes_over() -> None:
    w = ad.tensor(2.0, requires_grad=True)
    ad.checkpoint(lambda x: x * w * w)(ad.tensor(3.0)).backward()
    assert w.grad.item() == 12.0


def test_several_results_and_unused_ones() -> None:
    x = ad.tensor(0.5, requires_grad=True)
    out = ad.checkpoint(lambda x: {"used": ad.sin(x), "not": [ad.exp(x) * x]})(x)
    out["used"].backward()
    assert x.grad.item() == pytest.approx(np.cos(0.5), rel=1e-6)


def test_second_derivatives_go_through() -> None:
    x = ad.tensor(np.array(0.5), requires_grad=True)
    ad.checkpoint(lambda x: ad.sin(x) * x)(x).backward(create_graph=True)
    (first,) = [x.grad]
    x.grad = None
    first.backward()
    assert x.grad.item() == pytest.approx(2 * np.cos(0.5) - 0.5 * np.sin(0.5), rel=1e-12)


def test_random_numbers_come_out_the_same_again() -> None:
    masks = []

    def dropped(x: ad.Tensor) -> ad.Tensor:
        mask = ad.random.uniform(size=(8,)) < 0.5
        masks.append(mask.tolist())
        return x * ad.where(mask, 2.0, 0.0)

    ad.random.seed(7)
    x = ad.tensor(np.ones(8), requires_grad=True)
    out = ad.checkpoint(dropped)(x)
    following = ad.random.uniform(size=3).tolist()
    ad.sum(out).backward()
    assert masks[0] == masks[1]
    np.testing.assert_array_equal(x.grad.numpy(), np.where(masks[0], 2.0, 0.0))
    ad.random.seed(7)  # and the stream goes on behind the first run, not behind the second
    ad.random.uniform(size=(8,))
    assert ad.random.uniform(size=3).tolist() == following


def test_an_argument_that_is_assigned_to_afterwards_does_not_matter() -> None:
    x = ad.tensor(3.0, requires_grad=True)
    y = x * 1.0
    out = ad.checkpoint(lambda y: y * y)(y)
    y += 10.0
    out.backward()
    assert x.grad.item() == 6.0


def test_a_function_may_assign_to_its_argument() -> None:
    x = ad.tensor(3.0, requires_grad=True)
    y = x * 1.0

    def f(y: ad.Tensor) -> ad.Tensor:
        y *= 2.0
        return y * y

    out = ad.checkpoint(f)(y)
    out.backward()
    assert x.grad.item() == 24.0


def test_a_parameter_that_was_updated_in_between_is_refused() -> None:
    w = ad.tensor(2.0, requires_grad=True)
    out = ad.checkpoint(lambda x: x * w * w)(ad.tensor(3.0))
    with ad.no_grad():
        w -= 0.1
    with pytest.raises(MutatedInput, match="has been assigned to since the forward pass"):
        out.backward()


def test_a_function_that_does_something_else_is_refused() -> None:
    runs = []

    def f(x: ad.Tensor) -> ad.Tensor:
        runs.append(1)
        return ad.sin(x) if len(runs) == 1 else ad.exp(x) * x

    x = ad.tensor(1.0, requires_grad=True)
    with pytest.raises(MutatedInput, match=r"ran again \(2 recorded operations instead of 1\)"):
        ad.checkpoint(f)(x).backward()


def test_without_recording_the_function_is_just_called() -> None:
    x = start()
    with ad.no_grad():
        y = ad.checkpoint(block)(x)
    assert not y.requires_grad
    assert y.node.op is None or y.node.inputs == ()


def test_a_gradient_inside_of_a_checkpoint() -> None:
    slope = ad.checkpoint(lambda x: ad.grad(lambda y: y * y * y)(x) * x)
    assert ad.grad(slope)(2.0).item() == 3 * 3 * 4.0


def test_it_keeps_the_name_of_the_function() -> None:
    assert ad.checkpoint(block).__name__ == "block"


def test_leaves_are_not_touched() -> None:
    x = start()
    out = ad.checkpoint(lambda x: x)(x)
    assert out.node is x.node
    assert isinstance(x.node, Node)
