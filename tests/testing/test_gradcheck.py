"""check_grads finds wrong gradients, names them, and lets right ones pass."""

import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import adjoint as ad
from adjoint.core.errors import AdjointError, ArgumentError
from adjoint.ops.shape import Sum
from adjoint.testing import GradientMismatch, GradientReport, check_grads
from adjoint.testing.numeric import complex_step, differences, directional, inner
from adjoint.testing.tolerances import TOLERANCES, epsilon, tolerance_for
from adjoint.transforms.custom import custom_gradient
from tests.strategies import arrays


def total(x: Any) -> Any:
    return Sum(tuple(range(x.ndim)))(x)


def square(x: Any) -> Any:
    return x * x


def with_slope(slope: Any) -> Any:
    """A function whose value is the square and whose gradient is ``ct * slope(x)``."""

    @custom_gradient
    def wrong(x: Any) -> Any:
        return x * x, lambda ct: ct * slope(x)

    return wrong


# -- what is right passes --------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("modes", [("forward",), ("reverse",), ("forward", "reverse")])
def test_right_gradients_pass(order: int, modes: tuple[str, ...]) -> None:
    x, y = np.array([[1.0, -2.0]]), np.array([[0.5], [3.0]])
    report = check_grads(lambda x, y: x * y / (x * x + 1.0), (x, y), order, modes)
    assert isinstance(report, GradientReport)
    assert report.checks > 0
    assert report.worst_error < 1e-6
    assert report.worst is not None
    assert report.worst.where in str(report)


def test_the_number_of_checks() -> None:
    report = check_grads(square, (np.ones(3),), order=1)
    # three elements in two modes, and the identity between the modes
    assert report.checks == 3 * 2 + 1
    assert report.methods.total() == report.checks
    report = check_grads(square, (np.ones(3),), order=2)
    assert report.checks == 3 * 7  # first order, and that of both derivatives


@dataclass
class Layer:
    weight: Any
    bias: Any
    name: str = "layer"


def test_arguments_and_results_may_be_nested() -> None:
    layer = Layer(np.ones((2, 3)), ad.tensor([1.0, 2.0, 3.0], dtype="float64"))

    def f(params: Any, x: Any, n: int) -> Any:
        y = x * params["first"].weight + params["first"].bias
        return {"out": [y * n, total(y)], "n": n, "mask": np.array([True])}

    report = check_grads(f, ({"first": layer}, 2.0, 3), order=2)
    assert report.checks > 20


def test_an_argument_that_is_no_tuple_is_the_only_one() -> None:
    assert check_grads(square, np.array([1.0, 2.0]), order=1).checks == 5
    assert check_grads(square, 3.0, order=1).checks == 3


@pytest.mark.parametrize("dtype", [*TOLERANCES, "complex128", "complex64"])
def test_every_dtype_has_its_tolerance(dtype: str) -> None:
    x = np.array([0.5, -1.25, 2.0]).astype(ad.tensor(1.0, dtype=dtype).dtype)
    check_grads(lambda x: x * x / 2 + x, (x,))


def test_large_arguments_are_checked_along_a_direction() -> None:
    x = np.linspace(-1, 1, 10_000)
    report = check_grads(lambda x: total(x * x * x), (x,), order=1)
    assert report.checks == 3
    assert report.worst is not None


def test_a_complex_function_that_is_not_holomorphic() -> None:
    z = np.array([1 + 2j, -0.5j])
    check_grads(lambda z: z * z.conj(), (z,))


@given(arrays())
def test_memory_layouts_make_no_difference(x: Any) -> None:
    check_grads(lambda x: x * x, (x,), order=1)


# -- what is wrong is found ------------------------------------------------------------------------


def message(f: Any, args: Any, **options: Any) -> str:
    with pytest.raises(GradientMismatch) as caught:
        check_grads(f, args, **options)
    assert isinstance(caught.value, AdjointError)
    assert isinstance(caught.value, AssertionError)
    return str(caught.value)


def test_a_wrong_gradient_is_named() -> None:
    factor = np.array([2.0, 2.0, 2.5, 2.0])
    f = with_slope(lambda x: x * factor)
    text = message(f, (np.array([1.0, 2.0, 3.0, 4.0]),), modes=("reverse",))
    assert "args[0][2]" in text
    assert "relative error: 0.2" in text
    assert "order: 1   mode: reverse" in text
    text = message(lambda x: total(f(x)), (np.array([1.0, 2.0, 3.0, 4.0]),), modes=("reverse",))
    assert "analytic: 7.5" in text
    assert "numeric:  6" in text


def test_the_worst_of_several_wrong_elements_is_named() -> None:
    factor = np.array([2.0, 2.001, 2.5, 2.1])
    text = message(with_slope(lambda x: x * factor), (np.ones(4),))
    assert "args[0][2]" in text


def test_a_wrong_tangent_names_the_output() -> None:
    factor = np.array([[2.0, 2.0], [9.0, 2.0]])
    text = message(with_slope(lambda x: x * factor), (np.ones((2, 2)),), modes=("forward",))
    assert "args[0][1, 0]" in text
    assert "of output: result[1, 0]" in text
    assert "mode: forward" in text


def test_the_path_of_the_argument_is_named() -> None:
    f = with_slope(lambda x: x * 3.0)
    layer = Layer(np.ones(2), np.zeros(2))
    text = message(lambda d: f(d["layers"][1].weight), ({"layers": [layer, layer]},))
    assert "args[0].layers[1].weight[0]" in text


def test_a_wrong_element_among_many_is_found() -> None:
    factor = np.full(3_000, 2.0)
    factor[1234] = -2.0
    f = with_slope(lambda x: x * factor)
    text = message(lambda x: total(f(x)), (np.ones(3_000),), modes=("reverse",))
    assert "args[0][1234]" in text


def test_a_small_gradient_beside_a_large_one_is_not_lost() -> None:
    scale = np.array([1e8, 1.0])
    factor = np.array([2.0, 1.9])
    f = with_slope(lambda x: x * factor)
    text = message(lambda x: f(x) * scale, (np.ones(2),), modes=("reverse",))
    assert "args[0][1]" in text


def test_a_wrong_second_derivative_is_found() -> None:
    @custom_gradient
    def f(x: Any) -> Any:
        held = x.detach()
        return x * x, lambda ct: ct * (2.0 * held)  # the first derivative is right

    check_grads(f, (np.array([1.0, 2.0]),), order=1)
    text = message(f, (np.array([1.0, 2.0]),), order=2)
    assert "order: 2" in text
    assert " over " in text


def test_a_gradient_off_in_the_eighth_digit_is_found_by_the_complex_step() -> None:
    f = with_slope(lambda x: x * (2.0 + 1e-8))
    text = message(f, (np.array([1.0]),), order=1)
    assert "by complex step" in text


def test_an_imaginary_part_is_named() -> None:
    f = with_slope(lambda z: z * 2.0)  # the conjugate is missing
    text = message(f, (np.array([1.0 + 2.0j]),), order=1, modes=("reverse",))
    assert "args[0][0]" in text
    text = message(lambda z: f(z) * 1j, (np.array([1.0 + 0.5j]),), order=1, modes=("reverse",))
    assert "imaginary part" in text or "args[0][0]" in text


def test_a_nan_is_a_mismatch() -> None:
    text = message(with_slope(lambda x: x * np.nan), (np.array([1.0]),))
    assert "nan" in text


def test_a_kink_is_suspected() -> None:
    x = np.array([0.0])
    text = message(lambda x: ad.abs(x - 1e-9) + 0.1 * x, (x,), order=1)
    assert "kink" in text


# -- options and misuse ----------------------------------------------------------------------------


def test_tolerances_can_be_given() -> None:
    f = with_slope(lambda x: x * 2.02)
    check_grads(f, (np.array([1.0]),), order=1, rtol=0.05)
    check_grads(f, (np.array([1.0]),), order=1, atol=0.1)
    message(f, (np.array([1.0]),), order=1, rtol=0.001)


def test_misuse_is_explained() -> None:
    with pytest.raises(ArgumentError, match="no mode 'backward'; there are forward and reverse"):
        check_grads(square, (1.0,), modes=("backward",))
    with pytest.raises(ArgumentError, match="order must be at least 1, got 0"):
        check_grads(square, (1.0,), order=0)
    with pytest.raises(ArgumentError, match="no argument is a float or complex"):
        check_grads(square, (1, "a"))
    with pytest.raises(ArgumentError, match="returns no float or complex"):
        check_grads(lambda x: 1, (1.0,))
    rng = np.random.default_rng(0)
    with pytest.raises(ArgumentError, match="different results"):
        check_grads(lambda x: x * rng.normal(), (1.0,))


def test_the_same_seed_gives_the_same_check() -> None:
    x = np.linspace(0, 1, 100)
    a, b = (check_grads(lambda x: x / (x + 1), (x,), seed=3) for _ in range(2))
    assert str(a) == str(b)


# -- derivatives from values -----------------------------------------------------------------------


def test_differences_are_exact_to_eleven_digits() -> None:
    found = differences(lambda xs: [np.exp(xs[0])], [np.array([0.3])], [np.array([1.0])])
    assert found.method == "differences"
    assert found.settled
    np.testing.assert_allclose(found.values[0], np.exp(0.3), rtol=1e-11)


def test_differences_step_back_from_a_pole() -> None:
    x = np.array([1e-3])
    found = differences(lambda xs: [1 / xs[0]], [x], [np.array([1.0])])
    np.testing.assert_allclose(found.values[0], -1e6, rtol=1e-7)


def test_the_complex_step_is_exact() -> None:
    (found,) = complex_step(lambda xs: [np.sin(xs[0])], [np.array([0.3])], [np.array([1.0])]) or []
    np.testing.assert_allclose(found, np.cos(0.3), rtol=1e-15)


def test_the_complex_step_is_not_trusted_for_a_function_that_is_not_holomorphic() -> None:
    xs, vs = [np.array([2.0])], [np.array([1.0])]
    found = directional(lambda xs: [xs[0] * np.conj(xs[0])], xs, vs)
    assert found.method == "differences"
    np.testing.assert_allclose(found.values[0], 4.0, rtol=1e-9)
    found = directional(lambda xs: [xs[0] * xs[0]], xs, vs)
    assert found.method == "complex step"


def test_a_function_that_refuses_complex_numbers_is_differenced() -> None:
    def f(xs: Any) -> Any:
        if np.iscomplexobj(xs[0]):
            raise TypeError("real numbers only")
        return [xs[0] ** 2]

    assert directional(f, [np.array([2.0])], [np.array([1.0])]).method == "differences"


def test_warnings_of_a_complex_step_are_not_seen() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        directional(lambda xs: [xs[0].astype(np.float64)], [np.ones(1)], [np.ones(1)])


def test_a_step_is_noticed() -> None:
    found = differences(lambda xs: [np.abs(xs[0])], [np.array([1e-9])], [np.array([1.0])])
    assert not found.settled


def test_the_inner_product_is_real() -> None:
    a, b = np.array([1 + 2j]), np.array([3 - 1j])
    assert inner([a], [b]) == (np.conj(a) * b).real.item()


def test_the_table_of_tolerances() -> None:
    assert list(TOLERANCES) == ["float64", "float32", "float16", "bfloat16"]
    for finer, coarser in pairwise(TOLERANCES.values()):
        assert all(a <= b for a, b in zip(finer, coarser, strict=True))
    assert tolerance_for(np.dtype("f8"), np.dtype("c8")) == TOLERANCES["float32"]
    assert epsilon(np.dtype("c16")) == np.finfo("f8").eps
