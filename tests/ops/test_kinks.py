"""Each row of the table in docs/use/kinks.md: it says the gradients, this file asks for them."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint import linalg

PAGE = Path(__file__).resolve().parents[2] / "docs" / "use" / "kinks.md"
NAN, INF = float("nan"), float("inf")


def of_vector(f: Callable[..., Any]) -> Callable[..., Any]:
    """The sum of what a function makes of the vector of its operands."""
    return lambda *xs: ad.sum(f(ad.stack(xs)))


def vector(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a vector as one of its elements."""
    return lambda *xs: f(ad.stack(xs))


# (function, at), as in the table -> the function and its operands
ROWS: dict[tuple[str, str], tuple[Callable[..., Any], tuple[Any, ...]]] = {
    ("relu(x)", "x = 0"): (ad.relu, (0.0,)),
    ("relu(x)", "x = NaN"): (ad.relu, (NAN,)),
    ("abs(x)", "x = 0"): (ad.abs, (0.0,)),
    ("abs(z)", "z = 0 + 0i"): (ad.abs, (0j,)),
    ("sign(x)", "x = 0"): (ad.sign, (0.0,)),
    ("sign(x)", "x = 2"): (ad.sign, (2.0,)),
    ("floor(x)", "x = 1"): (ad.floor, (1.0,)),
    ("ceil(x)", "x = 1.5"): (ad.ceil, (1.5,)),
    ("trunc(x)", "x = -1"): (ad.trunc, (-1.0,)),
    ("round(x)", "x = 0.5"): (ad.round, (0.5,)),
    ("x // y", "x = 4, y = 2"): (ad.floor_divide, (4.0, 2.0)),
    ("x % y", "x = 4, y = 2"): (ad.remainder, (4.0, 2.0)),
    ("fmod(x, y)", "x = -4, y = 2"): (ad.fmod, (-4.0, 2.0)),
    ("maximum(x, y)", "x = y = 1"): (ad.maximum, (1.0, 1.0)),
    ("minimum(x, y)", "x = y = 1"): (ad.minimum, (1.0, 1.0)),
    ("maximum(x, 1)", "x = 1"): (lambda x: ad.maximum(x, 1), (1.0,)),
    ("maximum(x, y)", "x = NaN, y = 1"): (ad.maximum, (NAN, 1.0)),
    ("fmax(x, y)", "x = y = 1"): (ad.fmax, (1.0, 1.0)),
    ("fmax(x, y)", "x = NaN, y = 1"): (ad.fmax, (NAN, 1.0)),
    ("fmin(x, y)", "x = y = 1"): (ad.fmin, (1.0, 1.0)),
    ("clip(x, -1, 1)", "x = 1"): (lambda x: ad.clip(x, -1, 1), (1.0,)),
    ("clip(x, -1, 1)", "x = -1"): (lambda x: ad.clip(x, -1, 1), (-1.0,)),
    ("clip(x, -1, 1)", "x = 2"): (lambda x: ad.clip(x, -1, 1), (2.0,)),
    ("clip(x, low, high)", "x = low = 0, high = 1"): (ad.clip, (0.0, 0.0, 1.0)),
    ("clip(x, low, high)", "x = 0, low = 2, high = 1"): (ad.clip, (0.0, 2.0, 1.0)),
    ("copysign(x, y)", "x = 0, y = -1"): (ad.copysign, (0.0, -1.0)),
    ("heaviside(x, y)", "x = 0, y = 0.5"): (ad.heaviside, (0.0, 0.5)),
    ("hypot(x, y)", "x = y = 0"): (ad.hypot, (0.0, 0.0)),
    ("atan2(y, x)", "y = x = 0"): (ad.atan2, (0.0, 0.0)),
    ("angle(z)", "z = 0 + 0i"): (ad.angle, (0j,)),
    ("sinc(x)", "x = 0"): (ad.sinc, (0.0,)),
    ("sqrt(x)", "x = 0"): (ad.sqrt, (0.0,)),
    ("cbrt(x)", "x = 0"): (ad.cbrt, (0.0,)),
    ("x ** 0.5", "x = 0"): (lambda x: ad.power(x, 0.5), (0.0,)),
    ("x ** 2", "x = 0"): (lambda x: ad.power(x, 2), (0.0,)),
    ("x ** 1", "x = 0"): (lambda x: ad.power(x, 1), (0.0,)),
    ("x ** 0", "x = 0"): (lambda x: ad.power(x, 0), (0.0,)),
    ("x ** y", "x = 0, y = 2"): (ad.power, (0.0, 2.0)),
    ("x ** y", "x = 0, y = 1"): (ad.power, (0.0, 1.0)),
    ("x ** y", "x = 0, y = 0"): (ad.power, (0.0, 0.0)),
    ("x ** y", "x = 0, y = -1"): (ad.power, (0.0, -1.0)),
    ("x ** y", "x = -2, y = 3"): (ad.power, (-2.0, 3.0)),
    ("0 ** y", "y = 2"): (lambda y: ad.power(0, y), (2.0,)),
    ("0 ** y", "y = 0"): (lambda y: ad.power(0, y), (0.0,)),
    ("logaddexp(x, y)", "x = y = -inf"): (ad.logaddexp, (-INF, -INF)),
    ("logaddexp(x, y)", "x = y = inf"): (ad.logaddexp, (INF, INF)),
    ("xlogy(x, y)", "x = 0, y = 0"): (ad.xlogy, (0.0, 0.0)),
    ("xlogy(x, y)", "x = 0, y = 1"): (ad.xlogy, (0.0, 1.0)),
    ("log(x)", "x = 0"): (ad.log, (0.0,)),
    ("nan_to_num(x)", "x = NaN"): (ad.nan_to_num, (NAN,)),
    ("nan_to_num(x)", "x = inf"): (ad.nan_to_num, (INF,)),
    ("linalg.vector_norm([x, y])", "x = y = 0"): (vector(linalg.vector_norm), (0.0, 0.0)),
    ("linalg.vector_norm([x, y])", "x = 0, y = 2"): (vector(linalg.vector_norm), (0.0, 2.0)),
    ("linalg.vector_norm([x, y], ord=1)", "x = 0, y = -2"): (
        vector(lambda v: linalg.vector_norm(v, ord=1)),
        (0.0, -2.0),
    ),
    ("linalg.vector_norm([x, y], ord=0.5)", "x = y = 0"): (
        vector(lambda v: linalg.vector_norm(v, ord=0.5)),
        (0.0, 0.0),
    ),
    ("linalg.vector_norm([x, y], ord=inf)", "x = 2, y = -2"): (
        vector(lambda v: linalg.vector_norm(v, ord=INF)),
        (2.0, -2.0),
    ),
    ("linalg.matrix_norm(diag([x, y]))", "x = y = 0"): (
        vector(lambda v: linalg.matrix_norm(ad.diag(v))),
        (0.0, 0.0),
    ),
    ("linalg.matrix_norm(diag([x, y]), ord=1)", "x = y = 2"): (
        vector(lambda v: linalg.matrix_norm(ad.diag(v), ord=1)),
        (2.0, 2.0),
    ),
    ('linalg.matrix_norm(diag([x, y]), ord="nuc")', "x = y = 0"): (
        vector(lambda v: linalg.matrix_norm(ad.diag(v), ord="nuc")),
        (0.0, 0.0),
    ),
    ("linalg.matrix_norm(diag([x, y]), ord=2)", "x = y = 0"): (
        vector(lambda v: linalg.matrix_norm(ad.diag(v), ord=2)),
        (0.0, 0.0),
    ),
    ("linalg.det(diag([x, y]))", "x = 0, y = 3"): (
        vector(lambda v: linalg.det(ad.diag(v))),
        (0.0, 3.0),
    ),
    ("linalg.slogdet(diag([x, y])).logabsdet", "x = 0, y = 3"): (
        vector(lambda v: linalg.slogdet(ad.diag(v)).logabsdet),
        (0.0, 3.0),
    ),
    ("max([x, y])", "x = y = 1"): (of_vector(ad.max), (1.0, 1.0)),
    ("max([x, y, z])", "x = z = 1, y = 0"): (of_vector(ad.max), (1.0, 0.0, 1.0)),
    ("max([x, y])", "x = NaN, y = 1"): (of_vector(ad.max), (NAN, 1.0)),
    ("min([x, y])", "x = y = 1"): (of_vector(ad.min), (1.0, 1.0)),
    ("prod([x, y])", "x = 0, y = 3"): (of_vector(ad.prod), (0.0, 3.0)),
    ("prod([x, y, z])", "x = y = 0, z = 2"): (of_vector(ad.prod), (0.0, 0.0, 2.0)),
    ("cumprod([x, y])", "x = 0, y = 3"): (of_vector(ad.cumprod), (0.0, 3.0)),
    ("std([x, y])", "x = y = 1"): (of_vector(ad.std), (1.0, 1.0)),
    ("logsumexp([x, y])", "x = y = -inf"): (of_vector(ad.logsumexp), (-INF, -INF)),
    ("logcumsumexp([x, y])[1]", "x = -inf, y = 0"): (
        of_vector(lambda v: ad.logcumsumexp(v)[1]),
        (-INF, 0.0),
    ),
    ("sort([x, y])[0]", "x = y = 1"): (of_vector(lambda v: ad.sort(v)[0]), (1.0, 1.0)),
    ("topk([x, y], 1)", "x = y = 1"): (of_vector(lambda v: ad.topk(v, 1)[0]), (1.0, 1.0)),
    ("median([x, y, z])", "x = y = z = 1"): (of_vector(ad.median), (1.0, 1.0, 1.0)),
}


def table() -> dict[tuple[str, str], tuple[float, ...]]:
    """The gradients that the page promises, by function and place."""
    found: dict[tuple[str, str], tuple[float, ...]] = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        row = re.fullmatch(r"\| `(.+)` \| (.+) \| ([^|]+) \|", line)
        if row is not None:
            assert (row[1], row[2]) not in found, f"twice in the table: {line}"
            found[row[1], row[2]] = tuple(float(n) for n in row[3].split(","))
    return found


def leaf(x: complex) -> Any:
    return ad.tensor(np.asarray(x), requires_grad=True)


def gradients(f: Callable[..., Any], at: tuple[Any, ...], create_graph: bool) -> list[Any]:
    xs = [leaf(x) for x in at]
    f(*xs).backward(create_graph=create_graph)
    return [0.0 if x.grad is None else x.grad.numpy() for x in xs]


def test_the_page_and_the_test_have_the_same_rows() -> None:
    assert table().keys() == ROWS.keys()


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("row", ROWS, ids=" at ".join)
def test_gradient_is_what_the_page_says(row: tuple[str, str], create_graph: bool) -> None:
    found = gradients(*ROWS[row], create_graph)
    np.testing.assert_array_equal(np.stack(found), table()[row])
