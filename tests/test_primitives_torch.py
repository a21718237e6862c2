"""Values and gradients of the cards against PyTorch, on the same samples: ``pytest -m peers``."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from adjoint.core.bind import lift
from adjoint.transforms.reverse import vjp
from tests.cards import Case, all_cases, compute, like_random, rng_for, several

torch = pytest.importorskip("torch")
F = torch.nn.functional
pytestmark = pytest.mark.peers

Reference = Callable[..., Any]


def plain(f: Callable[..., Any]) -> Reference:
    """A function of the operands alone, for a card without fields."""
    return lambda op, *xs: f(*xs)


def dilate(x: Any, steps: tuple[int, ...]) -> Any:
    """Zeros between the elements of the last axes."""
    lead = x.shape[: x.ndim - len(steps)]
    sizes = [max(0, (n - 1) * s + 1) for n, s in zip(x.shape[len(lead) :], steps, strict=True)]
    out = torch.zeros((*lead, *sizes), dtype=x.dtype)
    out[(..., *(slice(None, None, s) for s in steps))] = x
    return out


def windows(x: Any, kernel: Any, stride: Any, dilation: Any, n_lead: int) -> Any:
    """The windows of the last axes: positions, then the inside of the windows."""
    for i, (k, s, d) in enumerate(zip(kernel, stride, dilation, strict=True)):
        x = x.unfold(n_lead + i, (k - 1) * d + 1, s)[..., ::d]
    return x


def pad_last(x: Any, pairs: Any, value: float = 0.0) -> Any:
    flat = [n for pair in reversed(pairs) for n in pair]
    return F.pad(x, flat, value=value)


def convolve(op: Any, x: Any, y: Any) -> Any:
    a, rest = op.spec.split(",")
    b, o = rest.split("->")
    n = len(op.stride)
    if op.flip:
        y = torch.flip(y, tuple(range(y.ndim - n, y.ndim)))
    if y.dtype.is_complex and not x.dtype.is_complex:
        x = x.to(y.dtype)
    x = pad_last(dilate(x, op.input_dilation), op.padding)
    w = windows(x, y.shape[len(b) :], op.stride, op.kernel_dilation, len(a))
    places, inside = "uvw"[:n], "xyz"[:n]
    return torch.einsum(f"{a}{places}{inside},{b}{inside}->{o}{places}", w, y)


def max_pool(op: Any, x: Any) -> Any:
    n = len(op.kernel)
    x = pad_last(x, op.padding, -np.inf)
    w = windows(x, op.kernel, op.stride, op.dilation, x.ndim - n)
    return w.flatten(w.ndim - n).amax(-1)


def slices(op: Any, x: Any) -> Any:
    """torch has no negative steps: gather each axis."""
    for axis, (start, size, step) in enumerate(zip(op.starts, op.sizes, op.steps, strict=True)):
        x = torch.index_select(x, axis, start + step * torch.arange(size))
    return x.squeeze(op.drop) if op.drop else x


def set_slice(op: Any, x: Any, v: Any) -> Any:
    if not op.starts:
        return v.clone()
    axes = [
        start + step * torch.arange(n)
        for start, step, n in zip(op.starts, op.steps, v.shape, strict=True)
    ]
    return x.index_put(tuple(torch.meshgrid(*axes, indexing="ij")), v)


def gather(op: Any, x: Any, index: Any) -> Any:
    index = index % x.shape[op.axis]
    out = torch.index_select(x, op.axis, index.reshape(-1))
    return out.reshape((*x.shape[: op.axis], *index.shape, *x.shape[op.axis + 1 :]))


def scatter_add(op: Any, v: Any, index: Any) -> Any:
    lead, rest = v.shape[: op.axis], v.shape[op.axis + index.ndim :]
    flat = v.reshape((*lead, -1, *rest))
    return torch.zeros((*lead, op.size, *rest), dtype=v.dtype).index_add(
        op.axis, index.reshape(-1) % op.size, flat
    )


def along(op: Any, x: Any, index: Any) -> Any:
    return torch.take_along_dim(x, index % x.shape[op.axis], op.axis)


def add_along(op: Any, v: Any, index: Any) -> Any:
    shape = list(v.shape)
    shape[op.axis] = op.size
    return torch.zeros(shape, dtype=v.dtype).scatter_add(op.axis, index % op.size, v)


def transform(name: str) -> Reference:
    def run(op: Any, x: Any) -> Any:
        chosen = name
        if name == "fft" and op.inverse:
            chosen = "ifft"
        n = getattr(op, "n", None)
        return getattr(torch.fft, chosen)(x, n=n, dim=op.axis, norm=op.norm)

    return run


def directed(f: Callable[..., Any]) -> Reference:
    """A scan along `axis`, perhaps from the end."""

    def run(op: Any, x: Any) -> Any:
        if not getattr(op, "reverse", False):
            return f(x, dim=op.axis)
        return torch.flip(f(torch.flip(x, (op.axis,)), dim=op.axis), (op.axis,))

    return run


def over_axes(f: Callable[..., Any]) -> Reference:
    """A reduction; torch takes an empty tuple of axes for all of them."""

    def run(op: Any, x: Any) -> Any:
        return f(x, op.axes) if op.axes else x.clone()

    return run


def prod(op: Any, x: Any) -> Any:
    for axis in sorted(op.axes, reverse=True):
        x = torch.prod(x, axis)
    return x


def pad(op: Any, x: Any) -> Any:
    x = dilate(x, tuple(i + 1 for i in op.interior)) if op.interior else x
    return pad_last(x, tuple(zip(op.low, op.high, strict=True))) if op.low else x.clone()


def triangular_solve(op: Any, a: Any, b: Any) -> Any:
    return torch.linalg.solve_triangular(a, b, upper=op.upper, unitriangular=op.unit)


def expand(op: Any, x: Any) -> Any:
    kept = iter(x.shape)
    aligned = [1 if i in op.axes else next(kept) for i in range(len(op.shape))]
    return x.reshape(aligned).expand(op.shape)


def scatter_set(op: Any, x: Any, index: Any, v: Any) -> Any:
    lead = (slice(None),) * op.axis
    out = x.clone()
    out[(*lead, index)] = v
    return out


def along_all(f: Callable[..., Any]) -> Reference:
    """A reduction that torch does for one axis at a time."""

    def run(op: Any, x: Any) -> Any:
        for axis in sorted(op.axes, reverse=True):
            x = f(x, dim=axis)
        return x.bool()

    return run


def sliding(op: Any, x: Any) -> Any:
    return windows(x, op.kernel, op.stride, op.dilation, x.ndim - len(op.kernel))


def concat(op: Any, *xs: Any) -> Any:
    return torch.cat(xs, op.axis)


NUMPY_TO_TORCH = {"float64": "float64", "complex128": "complex128", "float32": "float32"}

SAME_NAME = """
Abs Acos Acosh Add Asin Asinh Atan Atan2 Atanh Ceil Copysign Cos Cosh Divide Erf Erfc Erfinv
Exp Exp2 Expm1 Floor Fmax Fmin Fmod Hypot Lgamma Log Log10 Log1p Log2 Logaddexp Maximum
Minimum Multiply Negative Positive Reciprocal Relu Remainder Rsqrt Sigmoid Sin Sinc Sinh
Sqrt Square Subtract Tan Tanh Trunc Xlogy
"""
"""Cards without fields that torch calls by the same name."""

TORCH: dict[str, Reference] = {
    **{name: plain(getattr(torch, name.lower())) for name in SAME_NAME.split()},
    **{
        name: plain(getattr(torch, torch_name))
        for name, torch_name in {
            "BitwiseAnd": "bitwise_and",
            "BitwiseInvert": "bitwise_not",
            "BitwiseLeftShift": "bitwise_left_shift",
            "BitwiseOr": "bitwise_or",
            "BitwiseRightShift": "bitwise_right_shift",
            "BitwiseXor": "bitwise_xor",
            "Equal": "eq",
            "Greater": "gt",
            "GreaterEqual": "ge",
            "IsFinite": "isfinite",
            "IsIn": "isin",
            "IsInf": "isinf",
            "IsNan": "isnan",
            "Less": "lt",
            "LessEqual": "le",
            "LogicalAnd": "logical_and",
            "LogicalNot": "logical_not",
            "LogicalOr": "logical_or",
            "LogicalXor": "logical_xor",
            "Nextafter": "nextafter",
            "NotEqual": "ne",
            "Scale": "mul",
            "Signbit": "signbit",
            "StopGradient": "detach",
        }.items()
    },
    "FloorDivide": plain(lambda x, y: torch.floor_divide(x.detach(), y.detach())),
    "Heaviside": plain(lambda x, y: torch.heaviside(x.detach(), y.detach())),
    "Power": plain(torch.pow),
    "Sign": plain(torch.sgn),
    "Softplus": plain(F.softplus),
    "LogSigmoid": plain(F.logsigmoid),
    "Where": plain(torch.where),
    "Clip": plain(torch.clamp),
    "Complex": plain(torch.complex),
    "Conj": plain(lambda x: x.conj().resolve_conj()),
    "Real": plain(torch.real),
    "Imag": plain(torch.imag),
    "Cast": lambda op, x: (x.real if x.dtype.is_complex and op.dtype.kind != "c" else x).to(
        getattr(torch, NUMPY_TO_TORCH[op.dtype.name])
    ),
    "Round": lambda op, x: torch.round(x, decimals=op.decimals),
    "Polygamma": lambda op, x: torch.special.polygamma(op.order, x),
    "Reshape": lambda op, x: x.reshape(op.shape),
    "Permute": lambda op, x: x.permute(op.order),
    "Expand": expand,
    "Sum": over_axes(torch.sum),
    "Max": over_axes(torch.amax),
    "Min": over_axes(torch.amin),
    "Prod": prod,
    "Sort": lambda op, x: torch.sort(x, dim=op.axis, descending=op.descending, stable=True)[0],
    "ArgSort": lambda op, x: torch.argsort(x, dim=op.axis, descending=op.descending, stable=True),
    "ArgMax": lambda op, x: torch.argmax(x, op.axis),
    "ArgMin": lambda op, x: torch.argmin(x, op.axis),
    "CumSum": directed(torch.cumsum),
    "CumProd": directed(torch.cumprod),
    "LogCumSumExp": directed(torch.logcumsumexp),
    "AllTrue": along_all(torch.all),
    "AnyTrue": along_all(torch.any),
    "SearchSorted": lambda op, x, v: torch.searchsorted(x, v, right=op.right),
    "ScatterSet": scatter_set,
    "Windows": sliding,
    "BesselI": lambda op, x: (torch.special.i0, torch.special.i1)[op.order](x),
    "QR": plain(lambda x: tuple(torch.linalg.qr(x))),
    "PseudoInverse": lambda op, x, rtol: torch.linalg.pinv(x, rtol=float(rtol.real.max())),
    "Contract": lambda op, x, y: torch.einsum(op.spec, x, y),
    "Convolve": convolve,
    "MaxPool": max_pool,
    "Pad": pad,
    "Slice": slices,
    "SetSlice": set_slice,
    "Concat": concat,
    "Split": lambda op, x: torch.split(x, op.sizes, op.axis),
    "Gather": gather,
    "ScatterAdd": scatter_add,
    "TakeAlong": along,
    "AddAlong": add_along,
    "Diagonal": lambda op, x: torch.diagonal(x, op.offset, -2, -1),
    "Triangle": lambda op, x: (torch.tril if op.lower else torch.triu)(x, op.offset),
    "DFT": transform("fft"),
    "RealDFT": transform("rfft"),
    "InverseRealDFT": transform("irfft"),
    "Cholesky": plain(torch.linalg.cholesky),
    "Det": plain(torch.linalg.det),
    "Inverse": plain(torch.linalg.inv),
    "Solve": plain(torch.linalg.solve),
    "TriangularSolve": triangular_solve,
    "SingularValues": plain(torch.linalg.svdvals),
    "EigenvaluesHermitian": plain(torch.linalg.eigvalsh),
    "Expm": plain(torch.linalg.matrix_exp),
    "SlogdetReal": plain(lambda x: tuple(torch.linalg.slogdet(x))),
    "SlogdetComplex": plain(lambda x: tuple(torch.linalg.slogdet(x))),
}

OTHERWISE = {
    "Diagonal-3": "torch refuses an offset beyond the matrix",
    "BesselI-2": "torch has the orders 0 and 1",
    "BesselI-3": "torch has the orders 0 and 1",
    "Cholesky-2": "torch's gradient is not Hermitian; its Hermitian part is ours",
    "Polygamma-2": "torch's value is wrong in the tenth digit; ours agrees with SciPy",
    "ScatterSet-1": "torch's gradient does not see that an index occurs twice",
    "Heaviside-0": "torch has no gradient for the value at zero",
    "Round-2": "torch does not round complex numbers",
    "Prod-3": "torch's gradient of a product with several zeros is NaN in some releases",
}
"""Samples that torch cannot take or answers in another way, and why."""

CASES = [c for c in all_cases()[0] if c.card.__name__ in TORCH and str(c) not in OTHERWISE]


def to_torch(x: Any, tracked: bool) -> Any:
    if not hasattr(x, "dtype"):
        return x
    t = torch.from_numpy(np.array(x))
    return t.requires_grad_() if tracked else t


def close(ours: Any, theirs: Any, case: Case) -> None:
    theirs = theirs.detach().resolve_conj().resolve_neg().numpy(force=True)
    size = np.abs(theirs).max(initial=1.0) if theirs.dtype.kind in "fc" else 0
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10 * size, err_msg=str(case))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_value_and_gradient_are_those_of_torch(case: Case) -> None:
    at = case.differentiable
    ts = [to_torch(x, i in at) for i, x in enumerate(case.xs)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        theirs = several(TORCH[case.card.__name__](case.op, *ts))
    ours = several(compute(case.op, case.xs))
    for y, t in zip(ours, theirs, strict=True):
        close(y, t, case)
    leaves = [ts[i] for i in at]
    if not leaves or not any(t.requires_grad for t in theirs):
        return
    out, pullback = vjp(case.function(at), *[lift(case.xs[i]) for i in at])
    rng = rng_for(str(case))
    cts = [like_random(rng, y) for y in several(out)]
    grads = pullback(tuple(cts) if isinstance(out, tuple) else cts[0])
    pairs = [
        (t, torch.from_numpy(ct)) for t, ct in zip(theirs, cts, strict=True) if t.requires_grad
    ]
    expected = torch.autograd.grad(
        [t for t, _ in pairs], leaves, [ct for _, ct in pairs], allow_unused=True
    )
    for g, wanted in zip(grads, expected, strict=True):
        close(g.value, torch.zeros(g.shape) if wanted is None else wanted, case)


def test_the_table_names_cards_that_exist() -> None:
    unknown = TORCH.keys() - {c.card.__name__ for c in all_cases()[0]}
    assert not unknown
    assert not OTHERWISE.keys() - {str(c) for c in all_cases()[0]}
