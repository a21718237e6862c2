"""Gradient norms, and gradients that are kept from being too large."""

from __future__ import annotations

from typing import Any

import numpy as np

import adjoint as ad
from adjoint.optim.parameters import tensors_of

HALF = ("bfloat16", "float16")


def grad_norm(parameters: Any, norm_type: float = 2.0) -> ad.Tensor:
    r"""The norm of all gradients as one vector: ``(Σ |g|ᵖ)^(1/p)``, the largest |g| for infinity.

    Args:
        parameters: a module, tensors, or a tree of them. Those without a gradient are left out.
        norm_type: p.

    Returns:
        A tensor of rank 0; 0 if there are no gradients.

    Example:
        >>> x = ad.tensor([3.0, 4.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> ad.optim.grad_norm([x])
        tensor(10.)
    """
    with ad.no_grad():
        return _norm([p.grad for p in tensors_of(parameters) if p.grad is not None], norm_type)


def clip_grad_norm_(
    parameters: Any,
    max_norm: Any,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> ad.Tensor:
    r"""Shorten all gradients together if their norm exceeds a limit.

    ``g ← g·min(1, max_norm/(norm + 1e-6))``.

    Call it between ``loss.backward()`` and ``opt.step()``.

    Args:
        parameters: a module, tensors, or a tree of them.
        max_norm: the limit.
        norm_type: which norm, see `grad_norm`.
        error_if_nonfinite: whether a norm that is infinite or not a number is an error. This looks
            at the number, which a compiled step cannot.

    Returns:
        The norm before, a tensor of rank 0.

    Raises:
        ArgumentError: if `error_if_nonfinite` and the norm is not finite.

    Example:
        >>> x = ad.tensor([3.0, 4.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> ad.optim.clip_grad_norm_([x], max_norm=1.0)
        tensor(10.)
        >>> x.grad
        tensor([0.6, 0.8])

    Source: Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks,
    arXiv:1211.5063.
    """
    clipped = [p for p in tensors_of(parameters) if p.grad is not None]
    with ad.no_grad():
        norm = _norm([p.grad for p in clipped], norm_type)
        if error_if_nonfinite and not bool(ad.isfinite(norm)):
            raise ad.errors.ArgumentError(
                f"clip_grad_norm_: the norm of the gradients is {norm.item()}\n"
                "  Try: error_if_nonfinite=False to scale by it anyway."
            )
        factor = ad.minimum(max_norm / (norm + 1e-6), 1.0)
        for p in clipped:
            p.grad = (p.grad * factor).astype(p.grad.dtype)
    return norm


def clip_grad_value_(parameters: Any, clip_value: Any) -> None:
    """Limit each element of the gradients to ``[-clip_value, clip_value]``.

    Args:
        parameters: a module, tensors, or a tree of them.
        clip_value: the limit.

    Example:
        >>> x = ad.tensor([0.1, 4.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> ad.optim.clip_grad_value_([x], 1.0)
        >>> x.grad
        tensor([0.2, 1. ])
    """
    with ad.no_grad():
        for p in tensors_of(parameters):
            if p.grad is not None:
                limited = ad.minimum(ad.maximum(p.grad, -clip_value), clip_value)
                p.grad = limited.astype(p.grad.dtype)


def _norm(grads: list[Any], norm_type: float) -> ad.Tensor:
    norms = [_one_norm(g, norm_type) for g in grads if g.size]
    if not norms:
        return ad.zeros(())
    return norms[0] if len(norms) == 1 else _one_norm(ad.stack(_same_type(norms)), norm_type)


def _one_norm(g: Any, norm_type: float) -> Any:
    if g.dtype.name in HALF:
        g = g.astype(ad.float32)  # squares of half precision overflow, or vanish
    if norm_type == 2.0 and g.dtype.kind == "f":
        return ad.sqrt((g * g).sum())
    size = abs(g)
    if norm_type == np.inf:
        return size.max()
    return ((size**norm_type).sum()) ** (1.0 / norm_type)


def _same_type(norms: list[Any]) -> list[Any]:
    wide = any(n.dtype == ad.float64 for n in norms)
    return [n.astype(ad.float64) for n in norms] if wide else norms
