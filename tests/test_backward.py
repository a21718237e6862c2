"""The reverse sweep: order, accumulation, release, hooks, and graphs of any size."""

import gc
import threading
import weakref
from collections import Counter
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.backward import sweep
from adjoint.core.bind import make, setting
from adjoint.core.errors import DTypeError, NoGraph, ShapeError
from adjoint.core.graph import leaf
from adjoint.ops.arithmetic import Add, Multiply, Negative
from adjoint.ops.shape import Expand, Sum
from adjoint.transforms.reverse import vjp


def variable(*values: float) -> Any:
    return ad.tensor(list(values), dtype="float64", requires_grad=True)


def total(x: Any) -> Any:
    return Sum(tuple(range(x.ndim)))(x)


@pytest.fixture
def rule_calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the rule of each card has been called."""
    calls: Counter[str] = Counter()
    for card in (Add, Multiply, Negative, Sum):

        def counting(self: Any, *args: Any, _pull: Any = card.pull, **kwargs: Any) -> Any:
            calls[type(self).__name__] += 1
            return _pull(self, *args, **kwargs)

        monkeypatch.setattr(card, "pull", counting)
    x, y = variable(1.0), variable(1.0)
    total(-(x * y + x))  # what the rules read is found now, so that it is not counted later
    total(-(x * x + x))
    calls.clear()
    return calls


# -- the chain rule --------------------------------------------------------------------------------


def test_a_product_of_sums() -> None:
    x, y = variable(2.0, 3.0), variable(5.0, 7.0)
    total((x + y) * x).backward()
    np.testing.assert_array_equal(x.grad.value, 2 * x.value + y.value)
    np.testing.assert_array_equal(y.grad.value, x.value)


def test_fan_out_is_added() -> None:
    x = variable(3.0)
    (x * x * x).backward()
    np.testing.assert_array_equal(x.grad.value, [27.0])
    y = variable(3.0)
    (y + y + y + y).backward()
    np.testing.assert_array_equal(y.grad.value, [4.0])


def test_each_node_is_visited_once_when_its_cotangent_is_complete(rule_calls: Counter[str]) -> None:
    x = variable(2.0)
    y = x * x
    z = y * y + y  # three uses of y, one visit
    z.backward()
    np.testing.assert_array_equal(x.grad.value, [36.0])
    assert rule_calls == {"Multiply": 2, "Add": 1}


def test_a_broadcast_operand_gets_the_sum() -> None:
    x, y = variable(1.0, 2.0, 3.0), ad.tensor(2.0, dtype="float64", requires_grad=True)
    total(x * y).backward()
    assert y.grad.shape == ()
    assert y.grad.item() == 6.0
    column = ad.tensor(np.ones((2, 1)), requires_grad=True)
    total(column * x.detach()).backward()
    np.testing.assert_array_equal(column.grad.value, [[6.0], [6.0]])


def test_a_gradient_has_the_dtype_of_its_tensor() -> None:
    x = ad.tensor([1.0], dtype="float32", requires_grad=True)
    y = ad.tensor([2.0], dtype="float64", requires_grad=True)
    (x * y).backward()
    assert x.grad.dtype == np.float32
    assert y.grad.dtype == np.float64


def test_a_part_that_leads_nowhere_is_not_visited(rule_calls: Counter[str]) -> None:
    x, y = variable(1.0), variable(2.0)
    z = (x * x) + (y * y)
    found = sweep([(z.node, np.ones(1))], [x.node])
    assert set(found) == {x.node}
    assert rule_calls == {"Add": 1, "Multiply": 1}


def test_constants_get_no_gradient() -> None:
    x, c = variable(1.0), ad.tensor([2.0])
    (x * c).backward()
    assert c.grad is None
    assert x.grad.item() == 2.0


# -- large graphs ----------------------------------------------------------------------------------


def test_a_chain_of_100_000_nodes(rule_calls: Counter[str]) -> None:
    x = variable(1.0)
    y = x
    for _ in range(100_000):
        y = -y
    y.backward()
    assert x.grad.item() == 1.0
    assert rule_calls == {"Negative": 100_000}
    del y
    gc.collect()  # and freeing the chain does not recurse either


def test_a_fan_out_of_100_000(rule_calls: Counter[str]) -> None:
    x = variable(1.0)
    y = x
    for _ in range(100_000):
        y = y + x
    y.backward()
    assert x.grad.item() == 100_001.0
    assert rule_calls == {"Add": 100_000}


@pytest.mark.parametrize("depth", [10, 10_000])
def test_a_ladder_of_diamonds_is_linear(depth: int, rule_calls: Counter[str]) -> None:
    x = variable(1.0)
    y = x
    for _ in range(depth):
        y = (y + y) * 0.5  # 2**depth paths
    y.backward()
    assert x.grad.item() == 1.0
    assert rule_calls == {"Add": depth, "Multiply": depth}


def test_cotangents_in_flight_do_not_grow_with_depth() -> None:
    x = variable(1.0)
    y = x
    for _ in range(1_000):
        y = (y + y) * 0.5
    seen: list[weakref.ref[Any]] = []
    most = 0
    real = Multiply.pull

    def watching(self: Any, ct: Any, *rest: Any) -> Any:
        nonlocal most
        results = real(self, ct, *rest)
        seen.extend(weakref.ref(g) for g in results if isinstance(g, np.ndarray))
        most = max(most, sum(r() is not None for r in seen[-50:]))
        return results

    Multiply.pull = watching  # type: ignore[method-assign]
    try:
        y.backward()
    finally:
        Multiply.pull = real  # type: ignore[method-assign]
    assert len(seen) == 1_000
    assert most <= 3


# -- accumulation ----------------------------------------------------------------------------------


def test_gradients_accumulate_until_they_are_reset() -> None:
    x = variable(2.0)
    (x * x).backward()
    (x * x).backward()
    assert x.grad.item() == 8.0
    x.grad = None
    (x * 3.0).backward()
    assert x.grad.item() == 3.0


def test_accumulating_does_not_change_a_gradient_that_was_handed_out() -> None:
    x = variable(2.0)
    (x * x).backward()
    first = x.grad
    (x * x).backward()
    assert first.item() == 4.0
    assert x.grad.item() == 8.0


def test_a_gradient_does_not_share_memory_with_the_cotangent_or_another_gradient() -> None:
    x, y = variable(1.0, 2.0), variable(3.0, 4.0)
    ct = np.ones(2)
    (x + y).backward(ct)
    ct[0] = 5.0
    np.testing.assert_array_equal(x.grad.value, [1.0, 1.0])
    (x + y).backward(np.ones(2))
    np.testing.assert_array_equal(y.grad.value, [2.0, 2.0])
    np.testing.assert_array_equal(x.grad.value, [2.0, 2.0])


# -- the start of a backward pass ------------------------------------------------------------------


def test_a_cotangent_may_be_given() -> None:
    x = variable(1.0, 2.0)
    (x * x).backward(np.array([10.0, 1.0]))
    np.testing.assert_array_equal(x.grad.value, [20.0, 4.0])


def test_a_scalar_of_any_rank_starts_from_one() -> None:
    x = ad.tensor([[2.0]], requires_grad=True)
    (x * x).backward()
    assert x.grad.shape == (1, 1)


def test_a_leaf_is_its_own_gradient() -> None:
    x = variable(2.0)
    x.backward()
    assert x.grad.item() == 1.0


def test_more_than_a_scalar_needs_a_cotangent() -> None:
    x = variable(1.0, 2.0)
    with pytest.raises(ShapeError, match="only a scalar has a gradient without a cotangent"):
        (x * x).backward()


def test_a_cotangent_of_another_shape_is_refused() -> None:
    x = variable(1.0, 2.0)
    with pytest.raises(ShapeError, match=r"the gradient has shape \(3,\), the tensor \(2,\)"):
        (x * x).backward(np.ones(3))


def test_what_was_not_recorded_has_no_gradient() -> None:
    x = ad.tensor([1.0])
    with pytest.raises(NoGraph, match="nothing that requires a gradient leads to this tensor"):
        (x * x).backward()
    y = variable(1.0)
    with setting(recording=False):
        z = y * y
    with pytest.raises(NoGraph):
        z.backward()
    with pytest.raises(NoGraph):
        (y * y).detach().backward()


def test_integers_require_no_gradient() -> None:
    with pytest.raises(DTypeError, match="int64 has no gradient"):
        ad.tensor([1, 2], requires_grad=True)


# -- release ---------------------------------------------------------------------------------------


def test_a_second_backward_says_what_to_do() -> None:
    x = variable(2.0)
    y = x * x
    y.backward()
    with pytest.raises(NoGraph, match="released by an earlier backward pass") as caught:
        y.backward()
    assert "retain_graph=True" in str(caught.value)
    assert "y = x * x" in str(caught.value)
    assert x.grad.item() == 4.0


def test_a_retained_graph_can_be_swept_again() -> None:
    x = variable(2.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 12.0
    with pytest.raises(NoGraph):
        y.backward()


def test_a_part_shared_by_two_losses_is_released_by_the_first() -> None:
    x = variable(2.0)
    h = x * x
    a, b = h + 1.0, h * 3.0
    a.backward()
    with pytest.raises(NoGraph):
        b.backward()


def test_saved_values_are_released_as_the_sweep_passes() -> None:
    x = variable(2.0)
    y = x * x
    z = y * y
    z.backward()
    assert z.node.saved is None
    assert y.node.saved is None


def test_arrays_die_after_backward() -> None:
    x = variable(1.0, 2.0)
    h = x * 2.0
    loss = total(h * h)
    value = weakref.ref(h.value)
    del h
    assert value() is not None  # the rule of h * h reads it
    loss.backward()
    assert value() is None  # though the loss is still held


def test_arrays_die_with_their_handles() -> None:
    x = variable(1.0, 2.0)
    h = x * 2.0
    loss = total(h * h)
    value, node = weakref.ref(h.value), weakref.ref(h.node)
    del h, loss
    assert value() is None  # no cycle: reference counting suffices
    assert node() is None


def test_an_intermediate_that_no_rule_reads_is_freed_early() -> None:
    x = variable(1.0, 2.0)
    h = x + 1.0
    k = -h
    value = weakref.ref(h.value)
    del h
    assert value() is None
    total(k).backward()
    np.testing.assert_array_equal(x.grad.value, [-1.0, -1.0])


def test_nothing_is_left_after_a_training_loop() -> None:
    x = variable(1.0, 2.0)
    losses: list[weakref.ref[Any]] = []
    for _ in range(20):
        loss = total(x * x + x)
        losses.append(weakref.ref(loss.node))
        loss.backward(create_graph=False)
        x.grad = None
    del loss
    assert not any(r() for r in losses)


def test_create_graph_leaves_no_cycle_behind_once_the_gradient_is_dropped() -> None:
    x = variable(3.0)
    y = x * x * x
    y.backward(create_graph=True)
    node = weakref.ref(y.node)
    x.grad = None
    del y
    assert node() is None


# -- higher orders ---------------------------------------------------------------------------------


def test_a_created_graph_is_differentiated_again() -> None:
    x = variable(3.0)
    y = x * x * x
    y.backward(create_graph=True)
    g = x.grad
    assert g.requires_grad
    x.grad = None
    g.backward(create_graph=True)
    h = x.grad
    assert h.item() == 18.0
    x.grad = None
    h.backward()
    assert x.grad.item() == 6.0


def test_without_create_graph_the_gradient_is_a_constant() -> None:
    x = variable(3.0)
    (x * x).backward()
    assert not x.grad.requires_grad


# -- hooks and gradients of intermediates ----------------------------------------------------------


def test_a_hook_sees_the_complete_gradient_once() -> None:
    x = variable(2.0)
    y = x * x
    seen: list[float] = []
    y.register_hook(lambda g: seen.append(g.item()))
    (y * y + y).backward()
    assert seen == [9.0]


def test_what_a_hook_returns_takes_the_place_of_the_gradient() -> None:
    x = variable(2.0)
    y = x * x
    y.register_hook(lambda g: g * 10.0)
    y.register_hook(lambda g: g + 1.0)
    (y * 3.0).backward()
    assert x.grad.item() == 31.0 * 4.0


def test_a_hook_on_a_leaf_changes_what_is_accumulated() -> None:
    x = variable(2.0)
    x.register_hook(lambda g: g * 0.5)
    (x * x).backward()
    (x * x).backward()
    assert x.grad.item() == 4.0


def test_a_removed_hook_is_not_called() -> None:
    x = variable(2.0)
    remove = x.register_hook(lambda g: g * 0.0)
    remove()
    (x * x).backward()
    assert x.grad.item() == 4.0


def test_a_hook_is_called_with_tensors_that_record_when_a_graph_is_created() -> None:
    x = variable(2.0)
    y = x * x
    y.register_hook(lambda g: g * x)
    y.backward(create_graph=True)
    assert x.grad.item() == 8.0  # 2x * x
    g, x.grad = x.grad, None
    g.backward()
    assert x.grad.item() == 8.0  # 4x


def test_the_gradient_of_an_intermediate_is_kept_on_request() -> None:
    x = variable(2.0)
    y = x * x
    z = y * 3.0
    y.retain_grad()
    z.backward()
    assert y.grad.item() == 3.0
    assert z.grad is None
    assert x.grad.item() == 12.0


def test_an_intermediate_has_no_gradient_otherwise() -> None:
    x = variable(2.0)
    y = x * x
    (y * 3.0).backward()
    assert y.grad is None


# -- strong zeros ----------------------------------------------------------------------------------


def test_what_does_not_reach_the_loss_gives_no_nan() -> None:
    x = variable(0.0, 4.0)
    bad = 1.0 / x  # infinite value and derivative at 0
    mask = np.array([0.0, 1.0])
    _, pullback = vjp(lambda x: 1.0 / x, x)
    (g,) = pullback(mask)
    np.testing.assert_array_equal(g.value, [0.0, -1.0 / 16.0])
    bad.backward(mask)
    np.testing.assert_array_equal(x.grad.value, [0.0, -1.0 / 16.0])


def test_a_zero_stays_zero_against_infinity_and_nan_also_on_the_way_down() -> None:
    x = variable(np.nan, np.inf, 2.0)
    y = x * x
    (y * y).backward(np.array([0.0, 0.0, 1.0]))
    np.testing.assert_array_equal(x.grad.value, [0.0, 0.0, 32.0])


def test_a_nan_that_reaches_the_loss_is_not_hidden() -> None:
    x = variable(np.nan, 1.0)
    total(x * x).backward()
    assert np.isnan(x.grad.value[0])


# -- state -----------------------------------------------------------------------------------------


def test_backward_in_threads_on_separate_graphs() -> None:
    results: dict[int, float] = {}

    def work(k: int) -> None:
        x = variable(float(k))
        for _ in range(50):
            x.grad = None
            y = x
            for _ in range(20):
                y = y * 1.0
            (y * y).backward()
        results[k] = x.grad.item()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == {k: 2.0 * k for k in range(4)}


def test_backward_under_no_recording_still_works_on_a_recorded_graph() -> None:
    x = variable(2.0)
    y = x * x
    with setting(recording=False):
        y.backward()
    assert x.grad.item() == 4.0
    assert not x.grad.requires_grad


def test_a_failing_hook_leaves_the_state_clean() -> None:
    x = variable(2.0)
    y = x * x

    def fail(g: Any) -> None:
        raise RuntimeError("from the hook")

    y.register_hook(fail)
    with pytest.raises(RuntimeError, match="from the hook"):
        (y * 1.0).backward()
    x2 = variable(1.0)
    (x2 * x2).backward()  # recording, error state and place are as before
    assert x2.grad.item() == 2.0


def test_expand_and_sum_are_transposes() -> None:
    x = ad.tensor(np.arange(3.0), requires_grad=True)
    y = Expand((2, 3, 4), (0, 2))(x)
    ct = np.arange(24.0).reshape(2, 3, 4)
    y.backward(ct)
    np.testing.assert_array_equal(x.grad.value, ct.sum((0, 2)))


def test_a_handle_on_a_node_made_by_hand() -> None:
    value = np.ones(2)
    x = make(value, leaf(value, tracked=True))
    found = sweep([((x * x).node, np.ones(2))], [x.node])
    np.testing.assert_array_equal(found[x.node], [2.0, 2.0])
