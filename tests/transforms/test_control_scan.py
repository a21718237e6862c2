"""scan, against the Python loop that it stands for."""

import itertools
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.errors import ArgumentError, DTypeError, NotDifferentiable, ShapeError
from adjoint.core.graph import ancestors
from adjoint.core.parse import parse
from adjoint.core.text import large_constants
from adjoint.testing import check_grads
from adjoint.transforms.control_scan import Scan

H, X, T = 3, 2, 5


def unrolled(f: Any, carry: Any, xs: Any, reverse: bool = False) -> Any:
    """The loop, recorded step by step."""
    ys = [None] * len(xs)
    steps = range(len(xs))
    for t in reversed(steps) if reverse else steps:
        carry, ys[t] = f(carry, xs[t])
    return carry, ad.stack(ys)


def loss_with(loop: Any, reverse: bool = False) -> Any:
    """A recurrent network as a function of its weights, its first state and its inputs."""

    def loss(w: Any, u: Any, h: Any, xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            h = ad.tanh(w @ h + u @ x)
            return h, h * h

        last, ys = loop(step, h, xs, reverse=reverse)
        return ad.sum(last) + ad.sum(ys * ys)

    return loss


@pytest.fixture
def args(rng: np.random.Generator) -> tuple[Any, ...]:
    shapes = [(H, H), (H, X), (H,), (T, X)]
    return tuple(ad.tensor(0.5 * rng.normal(size=s)) for s in shapes)


def scans_in(x: Any) -> list[Any]:
    """The scans that a tensor was computed by."""
    return [n for n in ancestors([x.node], lambda n: True) if isinstance(n.op, Scan)]


def close(found: Any, wanted: Any, rtol: float = 1e-12) -> None:
    np.testing.assert_allclose(np.asarray(found.value), wanted.value, rtol=rtol, atol=1e-14)


# -- values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
def test_value_is_that_of_the_loop(args: Any, reverse: bool) -> None:
    close(loss_with(ad.scan, reverse)(*args), loss_with(unrolled, reverse)(*args))


def test_carry_xs_and_ys_are_any_trees() -> None:
    def step(carry: Any, x: Any) -> Any:
        new = {"n": carry["n"] + 1, "s": (carry["s"][0] + x["a"] * x["b"][0],)}
        return new, {"even": carry["n"] % 2 == 0, "none": None}

    xs = {"a": ad.tensor([1.0, 2.0, 3.0]), "b": [ad.tensor([1.0, 1.0, 2.0])]}
    carry, ys = ad.scan(step, {"n": 0, "s": (0.0,)}, xs)
    assert carry["n"].item() == 3
    assert carry["n"].dtype == np.int64
    assert carry["s"][0].item() == 9.0
    assert ys["even"].tolist() == [True, False, True]
    assert ys["none"] is None


def test_without_xs_length_says_how_many_steps() -> None:
    powers = ad.scan(lambda c, _: (c * 2, c), 1, length=4)
    assert powers[0].item() == 16
    assert powers[1].tolist() == [1, 2, 4, 8]


def test_no_steps_give_the_carry_back_and_empty_ys() -> None:
    carry, ys = ad.scan(lambda c, x: (c + x, c * x), ad.tensor([1.0]), np.zeros((0, 1), "f4"))
    assert carry.tolist() == [1.0]
    assert ys.shape == (0, 1)
    g = ad.grad(lambda c: ad.sum(ad.scan(lambda c, x: (c * x, c), c, np.zeros((0, 2)))[0]))(
        np.ones(2)
    )
    assert g.tolist() == [1.0, 1.0]


def test_python_number_takes_the_dtype_that_a_step_gives_it() -> None:
    total, _ = ad.scan(lambda c, x: (c + x, None), 0, np.array([0.1, 0.2]))
    assert total.dtype == np.float64
    assert total.item() == 0.1 + 0.2
    carry, _ = ad.scan(lambda c, _: (1, c), ad.tensor(2.0), length=2)
    assert carry.dtype == np.float32


def test_nothing_to_carry_and_nothing_put_out() -> None:
    assert ad.scan(lambda c, x: (c, None), None, np.zeros(3)) == (None, None)
    _, ys = ad.scan(lambda c, x: (None, x * x), None, ad.tensor([1.0, 2.0]))
    assert ys.tolist() == [1.0, 4.0]
    _, ys = ad.scan(lambda c, _: ((), 7.0), (), length=2)
    assert ys.tolist() == [7.0, 7.0]


def test_a_step_is_called_once() -> None:
    calls = []
    ad.scan(lambda c, x: (calls.append(1), (c + x, None))[1], 0.0, np.ones(50, "f4"))
    assert len(calls) == 1


# -- derivatives -----------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_are_those_of_the_loop(args: Any, reverse: bool) -> None:
    found = ad.grad(loss_with(ad.scan, reverse), (0, 1, 2, 3))(*args)
    wanted = ad.grad(loss_with(unrolled, reverse), (0, 1, 2, 3))(*args)
    for g, w in zip(found, wanted, strict=True):
        close(g, w)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_second_derivatives_are_those_of_the_loop(args: Any, mode: Any) -> None:
    gradients = [ad.grad(loss_with(loop), (0, 3)) for loop in (ad.scan, unrolled)]
    found, wanted = (ad.jacobian(g, (0, 2), mode=mode)(*args) for g in gradients)
    for f, w in zip(found, wanted, strict=True):
        for a, b in zip(f, w, strict=True):
            close(a, b, 1e-10)


def test_derivatives_to_third_order(args: Any) -> None:
    def step(h: Any, x: Any) -> Any:
        h = h * args[0] @ h + x
        return h, ad.sum(h)

    def f(h: Any, xs: Any) -> Any:
        return ad.scan(step, h, xs)

    check_grads(f, (args[2], args[3][:3, :1] * ad.ones((1, H), dtype="f8")), order=3, elementwise=0)


def test_jvp_is_that_of_the_loop(args: Any, rng: np.random.Generator) -> None:
    dots = [rng.normal(size=a.shape) for a in args]
    found = ad.jvp(loss_with(ad.scan), args, dots)
    wanted = ad.jvp(loss_with(unrolled), args, dots)
    for f, w in zip(found, wanted, strict=True):
        close(f, w)


def test_jacobian_of_all_steps(args: Any) -> None:
    w, u, h, xs = args

    def ys(loop: Any) -> Any:
        return lambda h: loop(lambda h, x: (ad.sin(w @ h + u @ x),) * 2, h, xs)[1]

    for mode in ("forward", "reverse"):
        close(ad.jacobian(ys(ad.scan), mode=mode)(h), ad.jacobian(ys(unrolled))(h))


def test_jacobian_of_a_scan_can_be_staged(args: Any) -> None:
    w, u, h, xs = args
    graph = ad.trace(
        ad.jacobian(lambda h: ad.scan(lambda h, x: (ad.sin(w @ h + u @ x),) * 2, h, xs)[1]), h
    )
    graph.verify()
    assert graph.out_types[0].shape == (T, H, H)


def test_captured_tensors_get_their_gradient(args: Any) -> None:
    grads = []
    for loop in (ad.scan, unrolled):
        w, u, h, xs = (ad.tensor(a, requires_grad=True) for a in args)
        loss_with(loop)(w * 2.0, u, h, xs).backward()
        grads.append([x.grad for x in (w, u, h, xs)])
    for f, g in zip(*grads, strict=True):
        close(f, g)


def test_only_some_operands_are_differentiated(args: Any) -> None:
    for chosen in itertools.chain(*(itertools.combinations(range(4), n) for n in (1, 2, 3))):
        found = ad.grad(loss_with(ad.scan), chosen)(*args)
        wanted = ad.grad(loss_with(unrolled), chosen)(*args)
        for f, w in zip(found, wanted, strict=True):
            close(f, w)


def test_one_result_alone_is_differentiated(args: Any) -> None:
    w, u, h, xs = args
    for which in (0, 1):

        def f(w: Any, h: Any, loop: Any, which: int = which) -> Any:
            return ad.sum(loop(lambda h, x: (ad.sin(w @ h + u @ x), h * h), h, xs)[which])

        for a in (0, 1):
            close(ad.grad(f, a)(w, h, ad.scan), ad.grad(f, a)(w, h, unrolled))


def test_integers_and_bools_in_carry_and_xs(args: Any) -> None:
    def step(carry: Any, x: Any) -> Any:
        i, on, h = carry
        k, v = x
        h = ad.where(on, h * v + ad.astype(i, "f8"), h)
        return (i + k, ad.logical_not(on), h), (i, h)

    def f(loop: Any) -> Any:
        def g(h: Any, v: Any) -> Any:
            xs = (np.arange(4), v) if loop is ad.scan else list(zip(np.arange(4), v, strict=True))
            if loop is ad.scan:
                (_, _, last), (_, hs) = ad.scan(step, (np.array(2), np.array(True), h), xs)
                return ad.sum(last) + ad.sum(hs * hs)
            carry, hs = (ad.tensor(2), ad.tensor(True), h), []
            for x in xs:
                carry, (_, y) = step(carry, x)
                hs.append(y)
            return ad.sum(carry[2]) + ad.sum(ad.stack(hs) ** 2)

        return g

    h, v = args[2], args[3][:4, 0]
    for a in (0, 1):
        close(ad.grad(f(ad.scan), a)(h, v), ad.grad(f(unrolled), a)(h, v))


def test_complex_carry() -> None:
    z = ad.tensor(np.array([0.3 + 0.4j, 1.0 - 0.5j]))

    def f(z: Any) -> Any:
        last, _ = ad.scan(lambda c, _: (c * c + z, None), z, length=4)
        return ad.sum(ad.real(last * ad.conj(last)))

    def g(z: Any) -> Any:
        c = z
        for _ in range(4):
            c = c * c + z
        return ad.sum(ad.real(c * ad.conj(c)))

    close(ad.grad(f)(z), ad.grad(g)(z))


def test_scan_of_scan(args: Any) -> None:
    w = args[0]

    def f(loop: Any) -> Any:
        def outer(h: Any, x: Any) -> Any:
            h, inner = loop(lambda h, y: (ad.tanh(w @ h) * y, ad.sum(h)), h, x * w[0])
            return h, inner

        return lambda w0, h, xs: ad.sum(loop(outer, h * w0, xs)[1])

    point = (args[0][0], args[2], args[3][:, :1])
    for a in (0, 1, 2):
        close(ad.grad(f(ad.scan), a)(*point), ad.grad(f(unrolled), a)(*point))
    check_grads(f(ad.scan), point, order=2, elementwise=0)


def test_gradient_inside_of_a_step(args: Any) -> None:
    def f(loop: Any) -> Any:
        def step(
            x: Any, lr: Any
        ) -> Any:  # gradient descent, differentiated with respect to its rate
            return x - lr * ad.grad(lambda x: ad.sum(x**4))(x), None

        def loss(x: Any, lr: Any) -> Any:
            if loop is ad.scan:
                return ad.sum(ad.scan(step, x, lr)[0])
            for rate in lr:
                x, _ = step(x, rate)
            return ad.sum(x)

        return loss

    point = (args[2], 0.1 * args[3][:, 0])
    for a in (0, 1):
        close(ad.grad(f(ad.scan), a)(*point), ad.grad(f(None), a)(*point))


def test_checkpoint_around_and_inside(args: Any) -> None:
    w, u, h, xs = args

    def f(h: Any) -> Any:
        step = ad.checkpoint(lambda h, x: (ad.tanh(w @ h + u @ x), None))
        return ad.sum(ad.scan(step, h, xs)[0])

    plain = ad.grad(
        lambda h: ad.sum(ad.scan(lambda h, x: (ad.tanh(w @ h + u @ x), None), h, xs)[0])
    )(h)
    close(ad.grad(f)(h), plain)
    close(ad.grad(ad.checkpoint(f))(h), plain)


def test_no_grad_and_detach_hold_inside_of_a_step() -> None:
    def by_mode(c: Any, x: Any) -> Any:
        with ad.no_grad():
            held = c * x
        return c + held, None

    def by_hand(c: Any, x: Any) -> Any:
        return c + (c * x).detach(), None

    for step in (by_mode, by_hand):
        g = ad.grad(lambda c, step=step: ad.scan(step, c, np.array([2.0, 3.0]))[0])(np.array(1.0))
        assert g.item() == 1.0


def test_what_has_no_derivative_is_said_when_it_is_asked_for() -> None:
    def f(x: Any) -> Any:
        return ad.scan(
            lambda c, _: (ad.while_loop(lambda c: c < 10.0, lambda c: c * 2.0, c), None),
            x,
            length=1,
        )[0]

    x = ad.tensor(1.5, requires_grad=True)
    y = f(x)
    assert y.item() == 12.0
    with pytest.raises(NotDifferentiable, match=r"while_loop.*\n.*while differentiating"):
        y.backward()
    assert ad.jvp(f, (1.5,), (1.0,))[1].item() == 8.0


# -- vmap ------------------------------------------------------------------------------------------

BATCH = 3
SUBSETS = [s for s in itertools.product([False, True], repeat=4) if any(s)]


def batch_of(args: Any, subset: Any) -> list[Any]:
    scales = np.array([1.0, 1.2, 0.7])
    return [
        ad.stack([a * s for s in scales]) if on else a for a, on in zip(args, subset, strict=True)
    ]


@pytest.mark.parametrize("subset", SUBSETS)
def test_vmap_over_any_operands(args: Any, subset: Any) -> None:
    batch = batch_of(args, subset)
    axes = tuple(0 if on else None for on in subset)
    for f in (loss_with(ad.scan), ad.grad(loss_with(ad.scan), (0, 2))):
        found = ad.vmap(f, axes)(*batch)
        singles = [
            f(*[b[i] if on else b for b, on in zip(batch, subset, strict=True)])
            for i in range(BATCH)
        ]
        if not isinstance(found, tuple):
            found, singles = (found,), [(s,) for s in singles]
        for k, y in enumerate(found):
            close(y, ad.stack([s[k] for s in singles]))


@pytest.mark.parametrize("subset", [SUBSETS[0], SUBSETS[2], SUBSETS[7], SUBSETS[-1]])
def test_gradient_of_vmap(args: Any, subset: Any) -> None:
    batch = batch_of(args, subset)
    axes = tuple(0 if on else None for on in subset)
    found, wanted = (
        ad.grad(lambda *b, loop=loop: ad.sum(ad.vmap(loss_with(loop), axes)(*b)), (0, 1, 2, 3))(
            *batch
        )
        for loop in (ad.scan, unrolled)
    )
    for f, w in zip(found, wanted, strict=True):
        close(f, w)


def test_a_carry_that_becomes_batched_later() -> None:
    # the batch reaches b in the first step, c in the second, d in the third
    def f(x: Any) -> Any:
        def step(carry: Any, _: Any) -> Any:
            a, b, c, d = carry
            return (a * 2.0, x * a, b + 1.0, c + a), d

        return ad.scan(step, (1.0, 0.0, 0.0, 0.0), length=4)

    xs = ad.tensor([1.0, 2.0])
    carry, ys = ad.vmap(f)(xs)
    for k in range(2):
        single, y = f(xs[k])
        assert [c[k].item() for c in carry] == [c.item() for c in single]
        assert ys[k].tolist() == y.tolist()


def test_vmap_of_vmap_and_per_example_gradients(args: Any) -> None:
    w, u, h, xs = args
    grid = ad.stack([xs * s for s in (0.5, 1.0)])
    states = ad.stack([h, 2 * h, 3 * h])
    loss = loss_with(ad.scan)
    found = ad.vmap(lambda h: ad.vmap(lambda x: loss(w, u, h, x))(grid))(states)
    for i, j in itertools.product(range(3), range(2)):
        close(found[i, j], loss(w, u, states[i], grid[j]))
    each = ad.per_example_grad(lambda w, x: loss(w, u, h, x))(w, grid)
    for j in range(2):
        close(each[j], ad.grad(loss)(w, u, h, grid[j]))


# -- what people do with it ------------------------------------------------------------------------


def test_gradient_through_an_ode_solver_is_the_analytic_one() -> None:
    # x' = -k x, by Runge and Kutta: x(1) = x0 exp(-k)
    def solve(x0: Any, k: Any, n: int = 64) -> Any:
        dt = 1.0 / n

        def step(x: Any, _: Any) -> Any:
            k1 = -k * x
            k2 = -k * (x + 0.5 * dt * k1)
            k3 = -k * (x + 0.5 * dt * k2)
            k4 = -k * (x + dt * k3)
            return x + dt / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4), x

        return ad.scan(step, x0, length=n)[0]

    x0, k = np.array(2.0), np.array(1.5)
    exact = 2.0 * np.exp(-1.5)
    gx, gk = ad.grad(solve, (0, 1))(x0, k)
    np.testing.assert_allclose([gx.item(), gk.item()], [exact / 2.0, -exact], rtol=1e-8)
    kk = ad.hessian(solve, 1)(x0, k)
    np.testing.assert_allclose(kk.item(), exact, rtol=1e-7)


def test_an_rnn_learns_to_remember(rng: np.random.Generator) -> None:
    xs = rng.choice([-1.0, 1.0], size=(16, 6)).astype("f4")
    w = ad.tensor(0.5 * rng.normal(size=(8, 8)).astype("f4"), requires_grad=True)
    u = ad.tensor(rng.normal(size=8).astype("f4"), requires_grad=True)
    v = ad.tensor(0.3 * rng.normal(size=8).astype("f4"), requires_grad=True)

    def run(x: Any) -> Any:
        h, _ = ad.scan(lambda h, x: (ad.tanh(w @ h + u * x), None), ad.zeros(8), x)
        return ad.sum(v * h)

    losses = []
    for _ in range(60):
        loss = ad.sum((ad.vmap(run)(xs) - xs[:, 2]) ** 2) / 16.0
        loss.backward()
        for p in (w, u, v):
            p.assign(p.detach() - 0.1 * p.grad)
            p.requires_grad = True
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


# -- memory ----------------------------------------------------------------------------------------


def kept_bytes(node: Any) -> int:
    out, *_ = node.saved
    return sum(o.nbytes for o in out or () if isinstance(o, np.ndarray))


def test_kept_are_the_carries_before_each_step_and_nothing_else(args: Any) -> None:
    w, u, h, xs = args
    w.requires_grad = True

    def step(h: Any, x: Any) -> Any:
        z = ad.tanh(w @ h + u @ x)
        for _ in range(10):
            z = ad.sin(z)
        return z, ad.sum(z)

    last, ys = ad.scan(step, h, xs)
    (node,) = scans_in(ad.sum(last) + ad.sum(ys))
    assert node.op.keep == (0,)
    assert kept_bytes(node) == T * H * 8


def test_kept_is_nothing_that_the_derivative_does_not_read(args: Any) -> None:
    w, _, h, xs = args
    xs.requires_grad = True

    def step(carry: Any, x: Any) -> Any:
        h, n = carry
        return (w @ h + ad.sum(x), n + 1), h

    (last, _), _ = ad.scan(step, (h, 0), xs)  # linear in what is differentiated
    (node,) = scans_in(last)
    assert node.op.keep == ()
    assert kept_bytes(node) == 0
    assert not any(isinstance(s, np.ndarray) and s is xs.value for s in node.saved[1:])


def test_nothing_is_kept_without_a_gradient(args: Any) -> None:
    last, _ = ad.scan(lambda h, x: (ad.tanh(h + ad.sum(x)), h), args[2], args[3])
    assert not last.requires_grad
    assert last.node.inputs == ()


def test_the_card_holds_no_numbers(args: Any) -> None:
    w = ad.tensor(args[0], requires_grad=True)
    last, _ = ad.scan(lambda h, x: (w @ h * 2.0 + ad.sum(x), None), args[2], args[3])
    (node,) = scans_in(last)
    assert not node.op.body.constants
    assert all(n.saved is None for n in node.op.body.nodes)


def test_a_function_that_was_staged_before_finds_its_card_again(args: Any) -> None:
    w, u, h, xs = (ad.tensor(a, requires_grad=True) for a in args)

    def run(scale: float) -> Any:
        last, _ = ad.scan(lambda h, x: (ad.tanh(w @ h + u @ x) * scale, None), h, xs)
        return last, scans_in(last)[0].op

    (one, first), (_, again), (other, changed) = run(0.5), run(0.5), run(0.25)
    assert first is again
    assert first is not changed
    assert one.tolist() != other.tolist()


def test_zero_and_minus_zero_are_different_functions() -> None:
    x = ad.tensor(2.0)
    ends = [ad.scan(lambda c, _, z=z: (c * z, None), x, length=1)[0] for z in (0.0, -0.0)]
    assert [np.signbit(e.item()) for e in ends] == [False, True]


# -- staging, text ---------------------------------------------------------------------------------


def test_staged_scan_prints_verifies_and_is_read_back(args: Any) -> None:
    graph = ad.trace(ad.grad(loss_with(ad.scan), (0, 3)), *args)
    graph.verify()
    assert parse(str(graph), large_constants(graph)) == graph
    assert str(graph).count(" scan(") == 2
    assert "reverse=True" in str(graph)


def test_cost_is_that_of_all_steps() -> None:
    graph = ad.trace(
        lambda c, xs: ad.scan(lambda c, x: (c * x + c, None), c, xs)[0], np.array(1.0), np.ones(7)
    )
    assert graph.flops() == 14


def test_staged_value_of_outside_is_an_operand() -> None:
    def f(x: Any, xs: Any) -> Any:
        k = ad.exp(x)  # known to vmap only by its type
        return ad.scan(lambda c, y: (c * k + y, None), x, xs)[0]

    xs = ad.tensor([0.5, 1.0])
    found = ad.vmap(f, (0, None))(xs, xs)
    for i in range(2):
        close(found[i], f(xs[i], xs))


# -- errors ----------------------------------------------------------------------------------------


def test_changed_shape_is_refused_with_the_path() -> None:
    with pytest.raises(ShapeError) as caught:
        ad.scan(lambda c, x: ({"h": ad.stack([c["h"], x])}, None), {"h": 0.0}, np.ones(3, "f4"))
    text = str(caught.value)
    assert text.startswith("scan: the carry 'h' goes into a step as f32[] and comes out as f32[2]")
    assert "test_control_scan.py" in text


def test_changed_dtype_is_refused_with_a_way_out() -> None:
    with pytest.raises(
        DTypeError, match=r"goes into a step as f32\[\] and comes out as f64\[\]"
    ) as e:
        ad.scan(lambda c, x: (c + x, None), ad.tensor(0.0), np.ones(3))
    assert "Try: start with f64[]" in str(e.value)


def test_changed_structure_is_refused() -> None:
    with pytest.raises(ArgumentError, match="comes out as"):
        ad.scan(lambda c, x: ((c[0],), None), (0.0, 1.0), np.ones(3))


def test_a_step_must_return_a_pair() -> None:
    with pytest.raises(ArgumentError, match=r"must return \(carry, y\)"):
        ad.scan(lambda c, x: c + x, 0.0, np.ones(3, "f4"))


@pytest.mark.parametrize(
    ("xs", "length", "fact"),
    [
        ({"a": np.ones(3), "b": np.ones(4)}, None, "xs 'a' has 3 steps, xs 'b' has 4"),
        (np.ones(3), 4, "length is 4, but xs has 3 steps"),
        ([1.0, 2.0], None, "xs '0' is a scalar"),
    ],
)
def test_lengths_that_do_not_fit(xs: Any, length: Any, fact: str) -> None:
    with pytest.raises(ShapeError, match=fact):
        ad.scan(lambda c, x: (c, None), 0.0, xs, length)


@pytest.mark.parametrize(("length", "fact"), [(None, "must say how many"), (-1, "not be negative")])
def test_no_length(length: Any, fact: str) -> None:
    with pytest.raises(ArgumentError, match=fact):
        ad.scan(lambda c, x: (c, None), 0.0, None, length)
