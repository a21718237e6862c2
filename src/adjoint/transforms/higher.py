"""jacobian, hessian, hvp: derivatives of functions with many outputs and of higher order."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from adjoint.core.bind import lift
from adjoint.core.errors import ArgumentError, DTypeError
from adjoint.core.tree import Structure
from adjoint.transforms.batch import vmap
from adjoint.transforms.forward import jvp, push
from adjoint.transforms.leaves import as_argnums, tensors
from adjoint.transforms.reverse import Recorded, grad

__all__ = ["hessian", "hvp", "jacfwd", "jacobian", "jacrev"]

Mode = Literal["auto", "forward", "reverse"]


def jacobian(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    mode: Mode = "auto",
    has_aux: bool = False,
) -> Callable[..., Any]:
    """A function that computes the Jacobian of `f`: all derivatives of all outputs.

    Args:
        f: arguments and result are any nesting of containers.
        argnums: which positional arguments to differentiate.
        mode: ``"reverse"`` costs a pullback per output, ``"forward"`` a pushforward per input;
            ``"auto"`` takes the cheaper one.
        has_aux: whether `f` returns ``(out, aux)``.

    Returns:
        A function whose result has the structure of the output, then of the argument; each leaf
        has the shape ``out.shape + arg.shape``. With `has_aux`, a pair of it and aux.

    Example:
        >>> ad.jacobian(lambda x: x * x)(ad.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    if mode not in ("auto", "forward", "reverse"):
        raise ArgumentError(f"jacobian: mode must be auto, forward or reverse, got {mode!r}")

    @functools.wraps(f, updated=())
    def derivative(*args: Any, **kwargs: Any) -> Any:
        positions = as_argnums(argnums, len(args), "jacobian")
        aux: list[Any] = []

        def chosen(*some: Any) -> Any:
            full = list(args)
            for i, x in zip(positions, some, strict=True):
                full[i] = x
            result = f(*full, **kwargs)
            if has_aux:
                result, extra = result
                aux[:] = [extra]
            return result

        primals = [args[i] for i in positions]
        n_in = sum(x.size for p in primals for x in tensors(p, "jacobian: argument")[0])
        recorded = Recorded(chosen, primals, "jacobian")
        how = mode
        if how == "auto":
            how = "forward" if n_in < sum(out.size for out in recorded.outs) else "reverse"
        jac = _by_rows(recorded) if how == "reverse" else _by_columns(recorded, primals)
        out = jac(isinstance(argnums, int))
        return (out, aux[0]) if has_aux else out

    return derivative


def jacrev(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """`jacobian` in reverse mode: for functions with fewer outputs than inputs.

    Example:
        >>> ad.jacrev(lambda x: (x * x).sum())(ad.tensor([1.0, 2.0]))
        tensor([2., 4.])
    """
    return jacobian(f, argnums, "reverse")


def jacfwd(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """`jacobian` in forward mode: for functions with fewer inputs than outputs.

    Example:
        >>> ad.jacfwd(lambda t: ad.stack([t, t * t]))(3.0)
        tensor([1., 6.])
    """
    return jacobian(f, argnums, "forward")


def _basis(leaves: Sequence[Any]) -> list[Any]:
    """For each leaf the unit vectors of the whole tree, one per row."""
    total = sum(x.size for x in leaves)
    out: list[Any] = []
    at = 0
    for x in leaves:
        block = np.zeros((total, x.size), x.dtype)
        block[np.arange(at, at + x.size), np.arange(x.size)] = 1
        out.append(lift(block.reshape((total, *x.shape))))
        at += x.size
    return out


def _real_only(leaves: Sequence[Any]) -> None:
    for x in leaves:
        if x.dtype.kind == "c":
            raise DTypeError(
                "jacobian: complex numbers have no Jacobian of one number per pair; "
                "differentiate the real and the imaginary part (ad.real, ad.imag)"
            )


def _split_rows(block: Any, leaves: Sequence[Any]) -> list[Any]:
    """Rows of a (total, ...) block, cut into one piece per leaf and shaped like it."""
    out: list[Any] = []
    at = 0
    for x in leaves:
        out.append(_shaped(block[at : at + x.size], (*x.shape, *block.shape[1:])))
        at += x.size
    return out


def _shaped(x: Any, shape: tuple[int, ...]) -> Any:
    return x if x.shape == shape else x.reshape(shape)


def _by_rows(recorded: Recorded) -> Callable[..., Any]:
    outs, out_structure = recorded.outs, recorded.structure
    _real_only(outs)
    rows = vmap(recorded.pullback)(out_structure.rebuild(_basis(outs)))

    def assemble(single: bool) -> Any:
        per_out: list[list[Any]] = [[] for _ in outs]
        for tree in rows:
            leaves, structure = tensors(tree)
            pieces = [_split_rows(block, outs) for block in leaves]
            for k in range(len(outs)):
                per_out[k].append(structure.rebuild([p[k] for p in pieces]))
        return out_structure.rebuild([t[0] if single else tuple(t) for t in per_out])

    return assemble


def _by_columns(recorded: Recorded, primals: Sequence[Any]) -> Callable[..., Any]:
    flat: list[Any] = []
    structures: list[tuple[int, Structure]] = []
    for p in primals:
        leaves, structure = tensors(p)
        flat += leaves
        structures.append((len(leaves), structure))
    _real_only(flat)

    def trees(values: Sequence[Any]) -> list[Any]:
        built: list[Any] = []
        at = 0
        for n, structure in structures:
            built.append(structure.rebuild(values[at : at + n]))
            at += n
        return built

    columns = vmap(functools.partial(push, recorded), out_axes=-1)(*trees(_basis(flat)))
    blocks, out_structure = tensors(columns)

    def assemble(single: bool) -> Any:
        built: list[Any] = []
        for block in blocks:
            lead = block.shape[:-1]
            pieces: list[Any] = []
            at = 0
            for x in flat:
                pieces.append(_shaped(block[..., at : at + x.size], (*lead, *x.shape)))
                at += x.size
            per_arg = trees(pieces)
            built.append(per_arg[0] if single else tuple(per_arg))
        return out_structure.rebuild(built)

    return assemble


def hessian(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """A function that computes the Hessian of a scalar function: forward over reverse.

    Returns:
        A function whose result has the structure of the argument twice; leaves have the shape
        ``x.shape + y.shape``.

    Example:
        >>> ad.hessian(lambda x: (x**3).sum())(ad.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    return jacfwd(grad(f, argnums), argnums)


def hvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The product of the Hessian of a scalar function with a vector, without the Hessian.

    Args:
        f: a function of the primals whose result is a real scalar.
        primals: a sequence of arguments, or a single array.
        tangents: the vector, of the same structure.

    Returns:
        A tuple with a product for each primal; the product itself for a single one.

    Example:
        >>> ad.hvp(lambda x: (x**3).sum(), (ad.tensor([1.0, 2.0]),), (ad.tensor([1.0, 0.0]),))
        tensor([6., 0.])
    """
    xs, dots = (tuple(t) if isinstance(t, tuple | list) else (t,) for t in (primals, tangents))
    gradient = grad(f, tuple(range(len(xs))))
    out = jvp(gradient, xs, dots)[1]
    return out[0] if len(xs) == 1 else out
