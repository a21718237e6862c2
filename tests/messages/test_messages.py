"""The whole text of each kind of error, with places in this file written as ``FILE:LINE``."""

import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.compiler.budget import within_budget
from adjoint.compiler.verification import Verifier
from adjoint.core import errors
from adjoint.core.bind import staged_leaf
from adjoint.core.program import Graph, extract
from adjoint.core.types import Type, as_dtype, normalize_axes, set_default_dtype
from adjoint.core.verify import verify
from adjoint.ops.arithmetic import ADD, NEGATIVE
from adjoint.ops.shape import Permute, Reshape, Sum
from adjoint.testing import GradientMismatch, check_grads
from adjoint.transforms.custom import custom_gradient
from adjoint.transforms.reverse import grad, vjp

THIS = re.escape(Path(__file__).name)
Pinned = tuple[type[Exception], Callable[[], Any], str]
PINNED: dict[str, Pinned] = {}


def pinned(error: type[Exception], text: str) -> Callable[[Any], Any]:
    """Pin the text of the error that a function raises."""

    def pin(raises: Any) -> Any:
        PINNED[raises.__name__] = (error, raises, textwrap.dedent(text).strip())
        return raises

    return pin


def variable(*values: float) -> Any:
    return ad.tensor(list(values), requires_grad=True)


# -- ShapeError ------------------------------------------------------------------------------------


@pinned(
    errors.ShapeError,
    """
    add: shapes (2,) and (3,) do not broadcast: sizes 2 and 3 meet at axis -1
        x: f32[2]   from FILE:LINE
        y: f32[3]   from FILE:LINE
      at FILE:LINE in operands_that_do_not_broadcast:   return x + y  # the sum
    """,
)
def operands_that_do_not_broadcast() -> Any:
    x = ad.tensor([1.0, 2.0])
    y = ad.tensor([1.0, 2.0, 3.0])
    return x + y  # the sum


@pinned(
    errors.ShapeError,
    """
    add: shapes (2,) and (3,) do not broadcast: sizes 2 and 3 meet at axis -1
        x: f32[2]
        y: f32[3]
      at FILE:LINE in operands_that_do_not_broadcast_when_staged:   return ADD(x, y)
    """,
)
def operands_that_do_not_broadcast_when_staged() -> Any:
    x, y = (staged_leaf(Type((n,), as_dtype("float32"))) for n in (2, 3))
    return ADD(x, y)


@pinned(
    errors.ShapeError,
    """
    reshape: 6 elements do not fit the shape (4,)
        x: f32[2,3]   from FILE:LINE
      at FILE:LINE in elements_that_do_not_fit:   return Reshape((4,))(x)
    """,
)
def elements_that_do_not_fit() -> Any:
    x = ad.tensor(np.ones((2, 3), np.float32))
    return Reshape((4,))(x)


@pinned(
    errors.ShapeError,
    """
    permute_dims: axes (0, 0) are no permutation of the 2 axes of x
        x: f32[2,3]   from FILE:LINE
      at FILE:LINE in axes_that_are_no_permutation:   return Permute((0, 0))(x)
    """,
)
def axes_that_are_no_permutation() -> Any:
    x = ad.tensor(np.ones((2, 3), np.float32))
    return Permute((0, 0))(x)


@pinned(
    errors.ShapeError,
    """
    backward: only a scalar has a gradient without a cotangent
        self: f32[2]   from FILE:LINE
      at FILE:LINE in backward_from_a_vector:   (x * 2.0).backward()
      Try: loss.sum().backward(), or pass gradient= of the shape of the tensor.
    """,
)
def backward_from_a_vector() -> None:
    x = variable(1.0, 2.0)
    (x * 2.0).backward()


@pinned(
    errors.ShapeError,
    """
    backward: the gradient has shape (3,), the tensor (2,)
        self: f32[2]   from FILE:LINE
        gradient: f64[3]   from FILE:LINE
      at FILE:LINE in a_cotangent_of_another_shape:   (x * 2.0).backward(np.ones(3))
    """,
)
def a_cotangent_of_another_shape() -> None:
    x = variable(1.0, 2.0)
    (x * 2.0).backward(np.ones(3))


@pinned(
    errors.ShapeError,
    """
    grad: the function must return a scalar, it returned shape (2,)
        result: f32[2]   from FILE:LINE
      at FILE:LINE in grad_of_a_vector:   return grad(lambda x: x * 2.0)(ad.tensor([1.0, 2.0]))
      Try: ad.sum or ad.mean of it, or ad.vjp, ad.jacobian.
    """,
)
def grad_of_a_vector() -> Any:
    return grad(lambda x: x * 2.0)(ad.tensor([1.0, 2.0]))


# -- DTypeError ------------------------------------------------------------------------------------


@pinned(
    errors.DTypeError,
    "requires_grad: int64 has no gradient; use a float dtype",
)
def a_gradient_for_integers() -> Any:
    return ad.tensor([1, 2], requires_grad=True)


@pinned(
    errors.DTypeError,
    """
    grad: argument 0 has dtype int64, which has no gradient
        x: i64[2]   from FILE:LINE
      at FILE:LINE in grad_for_integers:   return grad(lambda x: x * 2.0)(ad.tensor([1, 2]))
      Try: x.astype('float32'), or leave it out of argnums.
    """,
)
def grad_for_integers() -> Any:
    return grad(lambda x: x * 2.0)(ad.tensor([1, 2]))


@pinned(
    errors.DTypeError,
    "set_default_dtype: expected a real floating dtype, got int64",
)
def a_default_that_is_no_float() -> None:
    set_default_dtype("int64")


@pinned(
    errors.DTypeError,
    "dtype <U1 is not supported; Adjoint computes with bool, int8, int16, int32, int64, uint8, "
    "uint16, uint32, uint64, bfloat16, float16, float32, float64, complex64, complex128",
)
def text_as_data() -> Any:
    return ad.tensor(np.array(["a"]))


# -- AxisError, ArgumentError ----------------------------------------------------------------------


@pinned(errors.AxisError, "axis 2 is out of range for a value with 2 axes")
def an_axis_that_does_not_exist() -> Any:
    return normalize_axes((0, 2), 2)


@pinned(errors.AxisError, "axis (0, -2) names an axis twice")
def an_axis_named_twice() -> Any:
    return normalize_axes((0, -2), 2)


@pinned(errors.ArgumentError, "grad: argnums 1, but the call has 1 positional argument")
def an_argument_that_does_not_exist() -> Any:
    return grad(lambda x: x, argnums=1)(1.0)


@pinned(
    errors.ArgumentError,
    "check_grads: two calls with the same arguments gave different results; "
    "seed the random numbers inside of the function",
)
def a_random_function() -> Any:
    rng = np.random.default_rng(0)
    return check_grads(lambda x: x * rng.normal(), (1.0,))


# -- gradients that do not exist -------------------------------------------------------------------


@pinned(
    errors.NoGraph,
    """
    multiply: the values that its derivative needs were released by an earlier backward pass
      at FILE:LINE in a_second_backward while differentiating:   y = x * x
      Try: backward(retain_graph=True) on the first pass, or compute the loss again.
    """,
)
def a_second_backward() -> None:
    x = variable(3.0)
    y = x * x
    y.backward()
    y.backward()


@pinned(
    errors.NoGraph,
    """
    backward: nothing that requires a gradient leads to this tensor
        self: f32[1]   from FILE:LINE
      at FILE:LINE in backward_without_a_graph:   x.backward()
      Try: ad.tensor(..., requires_grad=True) for what you want gradients of, and no ad.no_grad() or .detach() on the way.
    """,  # noqa: E501
)
def backward_without_a_graph() -> None:
    x = ad.tensor([1.0])
    x.backward()


@pinned(
    errors.NotDifferentiable,
    """
    qr: the added columns of a complete basis are not determined by a matrix with more rows than columns; use mode="reduced"
      at FILE:LINE in an_operation_without_derivative while differentiating:   q, _ = ad.linalg.qr(x, mode="complete")
    """,  # noqa: E501
)
def an_operation_without_derivative() -> None:
    x = ad.tensor([[1.0], [2.0]], requires_grad=True)
    q, _ = ad.linalg.qr(x, mode="complete")
    ad.sum(q).backward()


@pinned(
    errors.MutatedInput,
    """
    checkpoint: a tensor that the function uses has been assigned to since the forward pass; run the backward pass first
    """,  # noqa: E501
)
def an_assignment_before_the_backward_pass() -> None:
    w = variable(2.0)
    loss = ad.sum(ad.checkpoint(lambda x: ad.sin(x * w))(variable(1.0)))
    w.assign(ad.tensor([3.0]))
    loss.backward()


@pinned(errors.GraphError, "verify: output 0 is not computed by the graph")
def a_graph_without_its_result() -> None:
    x = staged_leaf(Type((2,), as_dtype("float32")))
    graph = extract([x], [x * 2.0])
    verify(Graph(graph.inputs, (), graph.outputs, {}))


@pinned(
    errors.TracerLeak,
    """
    x.item(): the number is not known while the function is staged (traced, compiled or mapped)
        x: f32[]
      at FILE:LINE in the_number_of_a_staged_tensor:   return x.item()
      Try: ad.where(condition, a, b), ad.cond or ad.scan instead of Python control flow; or compute this outside of the staged function.
    """,  # noqa: E501
)
def the_number_of_a_staged_tensor() -> Any:
    x = staged_leaf(Type((), as_dtype("float32")))
    return x.item()


@pinned(
    errors.VerificationError,
    """
    compile: the result differs from what the interpreter computes (allowed: 0.000831)
        compiled:    5.0 at [1]
        interpreter: 4.0
      This is a fault of the library, not of the program; nothing has been changed.
      Try: ad.compile(..., backend="numpy"), and please report it with the function.
    """,
)
def a_program_that_computes_something_else() -> None:
    x = staged_leaf(Type((2,), as_dtype("float32")))

    def wrong(arrays: Any) -> bool:
        arrays[1][...] = arrays[0] * 2.5
        return True

    verifier = Verifier(extract([x], [x * 2.0]), wrong, {}, lambda: ["the result"])
    verifier([np.float32([0.0, 2.0]), np.zeros(2, np.float32)])


@pinned(
    errors.MemoryBudgetError,
    """
    compile: the step does not fit into memory=0 B, whatever is computed again
        the least budget that was found: 128 bytes (128 B)
      Try: that budget, or a smaller batch.
    """,
)
def a_budget_that_nothing_fits() -> None:
    x = staged_leaf(Type((2,), as_dtype("float32")))
    graph = extract([x], [ad.sort(x) * 2.0])
    within_budget(graph, graph, {}, (), 0)


# -- check_grads -----------------------------------------------------------------------------------


@pinned(
    GradientMismatch,
    """
    check_grads: the derivative with respect to args[0].w[1, 0] is wrong
        analytic: 3
        numeric:  2   by complex step
        relative error: 0.333   tolerance: 1e-09
        order: 1   mode: reverse
    """,
)
def a_wrong_gradient() -> Any:
    wrong = np.array([[2.0, 2.0], [3.0, 2.0]])

    @custom_gradient
    def double(w: Any) -> Any:
        return Sum((0, 1))(w * 2.0), lambda ct: ct * wrong

    weights = {"w": np.array([[1.0, 2.0], [3.0, 4.0]])}
    return check_grads(lambda d: double(d["w"]), (weights,), modes=("reverse",))


# -- the tests -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PINNED)
def test_message(name: str) -> None:
    error, raises, text = PINNED[name]
    with pytest.raises(error) as caught:
        raises()
    assert type(caught.value) is error
    assert re.sub(rf"{THIS}:\d+", "FILE:LINE", str(caught.value)) == text


def classes() -> dict[str, type]:
    return {
        name: found
        for name, found in vars(errors).items()
        if isinstance(found, type)
        and issubclass(found, errors.AdjointError)
        and found is not errors.AdjointError
    }


def test_every_class_of_error_is_pinned() -> None:
    raised = {error.__name__ for error, _, _ in PINNED.values()}
    assert {*classes(), GradientMismatch.__name__} == raised


def test_every_error_is_also_one_of_python() -> None:
    for found in [*classes().values(), GradientMismatch]:
        others = [b for b in found.__mro__ if b.__module__ == "builtins"]
        assert others[0] is not Exception, f"{found.__name__} is caught by no builtin name"
        assert (found.__doc__ or "").endswith(".")


def test_an_operand_is_named_by_its_path_in_a_module() -> None:
    x = variable(1.0, 2.0)
    x.slot.name = "parameter layers.0.weight"
    with pytest.raises(errors.ShapeError, match=r"x: f32\[2\] .* parameter layers\.0\.weight"):
        ADD(x, ad.tensor([1.0, 2.0, 3.0]))


def test_arrays_and_scalars_are_named_too() -> None:
    text = errors.explain("wrong", "op", [("x", np.ones((2, 1))), ("y", 2.5)])
    assert text == "op: wrong\n    x: f64[2,1]   an array\n    y: 2.5"


def test_a_fact_that_names_its_operation_is_not_named_twice() -> None:
    assert errors.explain("op: wrong", "op", []) == "op: wrong"


def test_the_line_of_the_forward_pass_is_named_while_differentiating() -> None:
    x = variable(3.0)
    y = NEGATIVE(x * x)
    y.backward()
    with pytest.raises(errors.NoGraph, match="while differentiating:   y = NEGATIVE"):
        y.backward()


def test_a_pullback_may_be_called_twice() -> None:
    _, pullback = vjp(lambda x: x * x, 3.0)
    assert pullback(1.0)[0].item() == pullback(1.0)[0].item() == 6.0
