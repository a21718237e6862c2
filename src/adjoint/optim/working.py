"""What the update rule works on: a real array of enough precision, whatever the parameter is."""

from __future__ import annotations

from typing import Any

import adjoint as ad

HALF = ("bfloat16", "float16")
REAL = {"complex64": ad.float32, "complex128": ad.float64}


def working_type(p: ad.Tensor, master: bool) -> tuple[tuple[int, ...], Any]:
    """Shape and dtype of what the rule works on.

    Complex parameters are pairs of real numbers, on a last axis of 2; half precision is float32 if
    masters are kept.
    """
    if p.dtype.name in REAL:
        return (*p.shape, 2), REAL[p.dtype.name]
    return p.shape, ad.float32 if master and p.dtype.name in HALF else p.dtype


def as_pairs(z: Any) -> Any:
    """Real and imaginary parts on a last axis."""
    return ad.stack([z.real, z.imag], axis=-1)


def enter(p: ad.Tensor, state: dict[str, ad.Tensor]) -> Any:
    """The working value of a parameter.

    Where the parameter is no longer what its master rounds to, somebody has assigned to it, and
    the master follows.
    """
    if p.dtype.name in REAL:
        return as_pairs(p)
    master = state.get("master")
    if master is None:
        return p
    return ad.where(master.astype(p.dtype) == p, master, p.astype(master.dtype))


def enter_gradient(g: Any, dtype: Any) -> Any:
    """A gradient in the form of the working value."""
    if g.dtype.name in REAL:
        g = as_pairs(g)
    return g if g.dtype == dtype else g.astype(dtype)


def leave(p: ad.Tensor, new: Any, state: dict[str, ad.Tensor]) -> None:
    """Assign a new working value to the parameter, and to its master."""
    if p.dtype.name in REAL:
        new = ad.complex(new[..., 0], new[..., 1])
    elif "master" in state:
        state["master"].assign(new)
    p.assign(new)
