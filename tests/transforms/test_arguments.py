"""Which arguments are differentiated, what comes back beside the gradient, and what is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.core.errors import ArgumentError, AxisError, DTypeError, ShapeError, TracerLeak


def f(x: Any, y: Any, *, k: Any = 1.0) -> Any:
    return x * x * y * k


def numbers(tree: Any) -> Any:
    """Tensors as Python numbers."""
    if isinstance(tree, tuple | list):
        return type(tree)(map(numbers, tree))
    if isinstance(tree, dict):
        return {key: numbers(x) for key, x in tree.items()}
    return tree.tolist()


@pytest.mark.parametrize(
    ("argnums", "wanted"),
    [
        (0, 12.0),
        (1, 4.0),
        (-1, 4.0),
        ((0,), (12.0,)),
        ((1, 0), (4.0, 12.0)),
        ([0, -1], (12.0, 4.0)),
    ],
)
def test_argnums_choose_positional_arguments(argnums: Any, wanted: Any) -> None:
    assert numbers(ad.grad(f, argnums)(2.0, 3.0)) == wanted
    assert numbers(ad.value_and_grad(f, argnums)(2.0, 3.0)) == (12.0, wanted)
    assert numbers(ad.jacobian(f, argnums)(2.0, 3.0)) == wanted


def test_argnames_choose_keyword_arguments() -> None:
    assert numbers(ad.grad(f, argnames=["k"])(2.0, 3.0, k=1.0)) == (12.0, {"k": 12.0})
    assert numbers(ad.grad(f, (0, 1), "k")(2.0, 3.0, k=1.0)) == ((12.0, 4.0), {"k": 12.0})
    assert numbers(ad.grad(f, argnames=("x", "k"))(x=2.0, y=3.0, k=1.0)) == {"x": 12.0, "k": 12.0}


def test_keyword_arguments_pass_through() -> None:
    assert ad.grad(f)(2.0, 3.0, k=5.0).item() == 60.0
    assert ad.jacobian(f)(2.0, 3.0, k=5.0).item() == 60.0
    assert ad.checkpoint(f)(2.0, 3.0, k=5.0) == 60.0
    assert ad.per_example_grad(f)(2.0, np.array([3.0, 4.0]), k=5.0).tolist() == [60.0, 80.0]
    assert "multiply" in str(ad.trace(f, 2.0, 3.0, k=5.0))


def test_other_arguments_need_not_be_tensors() -> None:
    def g(x: Any, name: str, options: dict[str, Any], n: int) -> Any:
        return x**n if name == options["name"] else x

    assert ad.grad(g)(2.0, "a", {"name": "a"}, 3).item() == 12.0


def test_aux_comes_back_beside_the_gradient() -> None:
    def g(x: ad.Tensor) -> Any:
        h = x * x
        return ad.sum(h), {"h": h, "note": "kept", "none": None}

    x = ad.tensor([1.0, 2.0])
    gradient, aux = ad.grad(g, has_aux=True)(x)
    assert gradient.tolist() == [2.0, 4.0]
    assert aux["h"].tolist() == [1.0, 4.0]
    assert not aux["h"].requires_grad
    assert (aux["note"], aux["none"]) == ("kept", None)
    (value, aux), gradient = ad.value_and_grad(g, has_aux=True)(x)
    assert (value.item(), gradient.tolist(), aux["note"]) == (5.0, [2.0, 4.0], "kept")
    jacobian, aux = ad.jacobian(lambda x: (x * x, "aux"), has_aux=True)(x)
    assert (jacobian.tolist(), aux) == ([[2.0, 0.0], [0.0, 4.0]], "aux")


def test_the_derivative_with_respect_to_what_is_not_used_is_zero() -> None:
    x = ad.tensor([1.0, 2.0])
    assert ad.grad(lambda x: ad.tensor(1.0))(x).tolist() == [0.0, 0.0]
    assert ad.grad(lambda x: 1.0)(x).tolist() == [0.0, 0.0]
    assert ad.jvp(lambda x: ad.tensor(1.0), (x,), (x,))[1].item() == 0.0
    assert ad.jacobian(lambda x, y: y, 0)(x, ad.tensor(1.0)).tolist() == [0.0, 0.0]
    assert numbers(ad.vjp(lambda x, y: y, x, 1.0)[1](1.0)) == ([0.0, 0.0], 1.0)


DTYPES = ["float64", "float32", "float16"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_derivatives_have_the_dtype_of_the_numpy_array_that_was_given(dtype: str) -> None:
    x = np.array([1.0, 2.0], dtype)

    def cubes(x: Any) -> Any:
        return ad.sum(x * x * x)

    found = [
        ad.grad(cubes)(x),
        *ad.value_and_grad(cubes)(x),
        ad.vjp(cubes, x)[1](1.0)[0],
        *ad.jvp(cubes, (x,), (x,)),
        ad.linearize(cubes, x)[1](np.ones(2)),
        ad.jacobian(lambda x: x * x)(x),
        ad.hessian(cubes)(x),
        ad.hvp(cubes, x, x),
        ad.vmap(cubes)(x[:, None]),
        ad.per_example_grad(lambda w, x: w * x)(x[0], x),
        ad.stop_gradient(x),
    ]
    assert {str(t.dtype) for t in found} == {dtype}


def test_complex_arguments_have_gradients_and_complex_results_have_not() -> None:
    z = np.array([1.0 + 2.0j])
    gradient = ad.grad(lambda z: ad.sum(ad.abs(z) ** 2))(z)
    np.testing.assert_allclose(gradient.numpy(), 2 * z)
    with pytest.raises(DTypeError, match="the result must be a real float, it is complex128"):
        ad.grad(ad.sum)(z)


# -- what is refused: the message names the fact, and where it can the way out ---------------------


def vector() -> ad.Tensor:
    return ad.tensor([1.0, 2.0, 3.0])


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "argnums out of range": (
        lambda: ad.grad(f, 2)(1.0, 2.0),
        ArgumentError,
        "grad: argnums 2, but the call has 2 positional arguments",
    ),
    "argnums of one argument": (
        lambda: ad.jacobian(lambda x: x, 1)(1.0),
        ArgumentError,
        "jacobian: argnums 1, but the call has 1 positional argument",
    ),
    "argnums twice": (
        lambda: ad.grad(f, (0, -2))(1.0, 2.0),
        ArgumentError,
        "grad: argnums (0, -2) name an argument twice",
    ),
    "argnames unknown": (
        lambda: ad.grad(f, argnames=["z"])(1.0, 2.0, k=1.0),
        ArgumentError,
        "grad: argnames ['z'] are not among the keyword arguments",
    ),
    "an integer": (
        lambda: ad.grad(f)(3, 2.0),
        DTypeError,
        "grad: argument 0 has dtype int64, which has no gradient",
    ),
    "an integer inside": (
        lambda: ad.vjp(lambda p: p["a"] * 1.0, {"a": 3}),
        DTypeError,
        "vjp: argument 0 at 'a' has dtype int64",
    ),
    "a string inside": (
        lambda: ad.grad(lambda p: p["a"])({"a": 1.0, "b": ["c", 2.0]}),
        ArgumentError,
        "grad: argument 0 at 'b.0' is str, which is neither an array nor a number",
    ),
    "a vector result": (
        lambda: ad.grad(lambda x: x * 2.0)(vector()),
        ShapeError,
        "grad: the function must return a scalar, it returned shape (3,)",
    ),
    "a vector of one": (
        lambda: ad.grad(lambda x: x[:1])(vector()),
        ShapeError,
        "it returned shape (1,)",
    ),
    "an integer result": (
        lambda: ad.grad(lambda x: 3)(1.0),
        DTypeError,
        "grad: the result must be a real float, it is int64",
    ),
    "a tuple result": (
        lambda: ad.grad(lambda x: (x, x))(1.0),
        ArgumentError,
        "grad: the function must return a scalar tensor, it returned tuple",
    ),
    "no result": (
        lambda: ad.grad(lambda x: None)(1.0),
        ArgumentError,
        "it returned NoneType",
    ),
    "no aux": (
        lambda: ad.grad(lambda x: x, has_aux=True)(1.0),
        ArgumentError,
        "grad: with has_aux=True the function must return (loss, aux)",
    ),
    "a cotangent of another shape": (
        lambda: ad.vjp(lambda x: x * 2.0, vector())[1](1.0),
        ShapeError,
        "vjp: the cotangent has shape (), the result of the function (3,)",
    ),
    "a cotangent of another structure": (
        lambda: ad.vjp(lambda x: {"a": x}, vector())[1](vector()),
        ArgumentError,
        "vjp: the cotangent has the structure *",
    ),
    "a tangent of another shape": (
        lambda: ad.jvp(lambda x: x * 2.0, (vector(),), (1.0,)),
        ShapeError,
        "jvp: the tangent has shape (), the primal (3,)",
    ),
    "a tangent of another structure": (
        lambda: ad.jvp(lambda p: p["a"], ({"a": 1.0},), ({"b": 1.0},)),
        ArgumentError,
        "jvp: tangent has the structure",
    ),
    "too many tangents": (
        lambda: ad.jvp(lambda x: x, (1.0,), (1.0, 1.0)),
        ArgumentError,
        "jvp: 1 primals but 2 tangents",
    ),
    "primals that are no tuple": (
        lambda: ad.jvp(lambda x: x, vector(), vector()),
        ArgumentError,
        "jvp: primals must be a tuple with one entry per argument of the function, got Tensor",
    ),
    "an unknown mode": (
        lambda: ad.jacobian(f, mode="backward"),  # type: ignore[arg-type]
        ArgumentError,
        "jacobian: mode must be auto, forward or reverse, got 'backward'",
    ),
    "a complex Jacobian": (
        lambda: ad.jacobian(lambda x: x * 1j)(vector()),
        DTypeError,
        "differentiate the real and the imaginary part",
    ),
    "batches of different size": (
        lambda: ad.vmap(lambda p, x: p["w"] * x)({"w": vector()}, ad.zeros(2)),
        ShapeError,
        "vmap: batch sizes differ: 3 of argument 0 at 'w', 2 of argument 1",
    ),
    "a scalar to map over": (
        lambda: ad.vmap(f)(vector(), 1.0),
        AxisError,
        "vmap: argument 1 is a scalar, which has no axis to map over",
    ),
    "a keyword scalar to map over": (
        lambda: ad.vmap(f)(vector(), vector(), k=1.0),
        AxisError,
        "vmap: k is a scalar",
    ),
    "an axis that does not exist": (
        lambda: ad.vmap(f, (1, 0))(vector(), vector()),
        AxisError,
        "vmap: in_axes of argument 0 1 is out of range",
    ),
    "nothing to map over": (
        lambda: ad.vmap(f, None)(vector(), vector()),
        ArgumentError,
        "vmap: no argument is batched; at least one in_axes must be an int",
    ),
    "too few in_axes": (
        lambda: ad.vmap(f, (0,))(vector(), vector()),
        ArgumentError,
        "vmap: in_axes has 1 entries, the call 2 positional arguments",
    ),
    "in_axes of another structure": (
        lambda: ad.vmap(lambda p: p["w"] * p["b"], ({"w": 0},))({"w": vector(), "b": 1.0}),
        ArgumentError,
        "vmap: in_axes {'w': 0} does not fit a dict with the keys ['b', 'w']",
    ),
    "out_axes of another structure": (
        lambda: ad.vmap(lambda x: (x, x), out_axes=(0,))(vector()),
        ArgumentError,
        "vmap: out_axes (0,) does not fit a tuple",
    ),
    "out_axes None of a batched result": (
        lambda: ad.vmap(lambda x: x, out_axes=None)(vector()),
        ArgumentError,
        "vmap: out_axes is None for a result that depends on the batch",
    ),
    "a pullback for too few arguments": (
        lambda: ad.grad(ad.custom_gradient(lambda x, y: (x * y, lambda ct: ct)))(1.0, 2.0),
        ArgumentError,
        "custom_gradient: the pullback returned 1 gradients for 2 arguments",
    ),
    "a pullback of another shape": (
        lambda: ad.grad(ad.custom_gradient(lambda x: (ad.sum(x), lambda ct: ct)))(vector()),
        ShapeError,
        "custom_gradient: the pullback returned shape () for an argument of shape (3,)",
    ),
    "a pullback of another structure": (
        lambda: ad.grad(ad.custom_gradient(lambda p: (p["a"], lambda ct: {"b": ct})))({"a": 1.0}),
        ArgumentError,
        "custom_gradient: the pullback returned the structure",
    ),
    "no pullback": (
        lambda: ad.grad(ad.custom_gradient(lambda x: x))(1.0),
        ArgumentError,
        "custom_gradient: <lambda> must return (out, pullback), it returned Tensor",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    call, cls, message = REFUSED[name]
    with pytest.raises(cls) as error:
        call()
    assert message in str(error.value)


def test_a_refused_result_names_the_line_that_made_it_and_a_way_out() -> None:
    def doubled(x: ad.Tensor) -> ad.Tensor:
        return x * 2.0

    with pytest.raises(ShapeError) as error:
        ad.grad(doubled)(vector())
    lines = str(error.value).splitlines()
    assert lines[1] == (
        f"    result: f32[3]   from test_arguments.py:{doubled.__code__.co_firstlineno + 1}"
    )
    assert lines[-1] == "  Try: ad.sum or ad.mean of it, or ad.vjp, ad.jacobian."


def branch(x: ad.Tensor) -> ad.Tensor:
    if x > 0.0:
        return x
    return -x


STAGING = {
    "vmap": lambda f: ad.vmap(f)(vector()),
    "trace": lambda f: ad.trace(f, 1.0),
    "vmap of grad": lambda f: ad.vmap(ad.grad(f))(vector()),
    "jacobian of vmap": lambda f: ad.jacobian(ad.vmap(f))(vector()),
    "hessian in trace": lambda f: ad.trace(ad.hessian(f), 1.0),
}
ASKED: dict[str, Callable[[Any], Any]] = {
    "bool(x)": branch,
    "float(x)": lambda x: x * float(x),
    "int(x)": lambda x: x * int(x),
    "x.item()": lambda x: x * x.item(),
    "x.numpy()": lambda x: x * x.numpy().max(),
    "x.tolist()": lambda x: x * x.tolist(),
}


@pytest.mark.parametrize("how", STAGING)
@pytest.mark.parametrize("asked", ASKED)
def test_asking_for_a_number_while_staging_names_the_line_and_a_remedy(
    how: str, asked: str
) -> None:
    with pytest.raises(TracerLeak) as error:
        STAGING[how](ASKED[asked])
    text = str(error.value)
    code = ASKED[asked].__code__
    line = code.co_firstlineno + (1 if asked == "bool(x)" else 0)
    assert text.startswith(asked)
    assert f"  at test_arguments.py:{line} in {code.co_name}:   " in text
    assert "Try: ad.where(condition, a, b), ad.cond or ad.scan instead of Python control" in text


def test_grad_itself_stages_nothing_so_python_may_branch() -> None:
    assert ad.grad(branch)(-2.0).item() == -1.0
    assert ad.jvp(branch, (3.0,), (2.0,))[1].item() == 2.0
    assert ad.jacobian(branch)(-2.0).item() == -1.0
    assert ad.checkpoint(branch)(ad.tensor(-2.0)).item() == 2.0
