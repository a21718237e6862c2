"""Muon: momentum whose matrix is made orthogonal."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import adjoint as ad
from adjoint.optim.group import AT_LEAST_0, ParamGroup, Ranges, Scalars
from adjoint.optim.optimizer import Optimizer

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ADJUSTMENTS = (None, "original", "match_rms_adamw")


class Muon(Optimizer):
    r"""For the weight matrices of hidden layers: every direction of the momentum counts alike.

    With gradient g, and NS the Newton-Schulz iteration of `orthogonalized`::

        b ← b + (1 − μ)·(g − b)
        o = NS(g + μ·(b − g)) with Nesterov's momentum, else NS(b)
        p ← p·(1 − lr·weight_decay) − lr·a·o

    where a = √max(1, rows/columns), or 0.2·√max(rows, columns) for ``"match_rms_adamw"``, which
    lets learning rate and weight decay of `AdamW` be used. Biases, norms, embeddings and the last
    layer are for another optimizer.

    Args:
        params: matrices: a module, tensors, (name, tensor) pairs, a tree, or a list of groups.
        lr: learning rate.
        weight_decay: by how much of `lr` a parameter shrinks in each update.
        momentum: μ.
        nesterov: look ahead along the momentum.
        ns_coefficients: the polynomial of an iteration.
        eps: least norm that is divided by.
        ns_steps: number of iterations.
        adjust_lr_fn: ``"original"`` (also None) or ``"match_rms_adamw"``.
        master: keep float32 masters of parameters in half precision.

    Raises:
        ArgumentError: if a number is out of range.
        ShapeError: if a parameter is not a matrix.

    Example:
        >>> w = ad.tensor([[3.0, 0.0], [0.0, 0.1]], requires_grad=True)
        >>> opt = ad.optim.Muon([w], lr=0.1, weight_decay=0.0)
        >>> (w * w).sum().backward()
        >>> opt.step()
        >>> w.numpy().round(2)  # both have moved by about 0.1, though one gradient is 30 × larger
        array([[ 2.93,  0.  ],
               [ 0.  , -0.01]], dtype=float32)

    Source: Jordan et al., Muon: an optimizer for hidden layers in neural networks, 2024; Liu et
    al., Muon is scalable for LLM training, arXiv:2502.16982. PyTorch iterates in bfloat16, this in
    the precision of the parameter.
    """

    ranges: ClassVar[Ranges] = {
        "lr": AT_LEAST_0,
        "weight_decay": AT_LEAST_0,
        "momentum": AT_LEAST_0,
        "eps": AT_LEAST_0,
    }
    complex_ok: ClassVar[bool] = False

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = COEFFICIENTS,
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
        *,
        master: bool = True,
    ) -> None:
        options = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "eps": eps}
        options |= {"nesterov": nesterov, "ns_coefficients": ns_coefficients}
        options |= {"ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn}
        super().__init__(params, options, master)

    def _check_group(self, group: ParamGroup) -> None:
        super()._check_group(group)
        for name, p in zip(group.names, group.params, strict=True):
            if p.ndim != 2:
                raise ad.errors.ShapeError(
                    f"Muon: parameter {name!r} has shape {p.shape}, and must be a matrix\n"
                    "  Try: AdamW for what has fewer or more axes."
                )
        if len(group["ns_coefficients"]) != 3 or not 0 <= group["ns_steps"] < 100:
            raise ad.errors.ArgumentError(
                "Muon: ns_coefficients must be three numbers and ns_steps below 100, not "
                f"{group['ns_coefficients']} and {group['ns_steps']}"
            )
        if group["adjust_lr_fn"] not in ADJUSTMENTS:
            raise ad.errors.ArgumentError(
                f"Muon: adjust_lr_fn {group['adjust_lr_fn']!r}; there are 'original' and "
                "'match_rms_adamw'"
            )

    def buffers(self, group: ParamGroup) -> dict[str, float]:
        return {"momentum_buffer": 0.0}

    def coefficients(self, h: Scalars, t: Any, r: Scalars, group: ParamGroup) -> dict[str, Any]:
        return {
            "lr": h.lr,
            "momentum": h.momentum,
            "new": 1.0 - h.momentum,
            "eps": h.eps,
            "shrink": 1.0 - h.lr * h.weight_decay,
        }

    def rule(self, p: Any, g: Any, state: dict[str, Any], c: Scalars, group: ParamGroup) -> Any:
        b = state["momentum_buffer"]
        b.assign(b + (g - b) * c.new)
        towards = g + (b - g) * c.momentum if group["nesterov"] else b
        o = orthogonalized(towards, group["ns_coefficients"], group["ns_steps"], c.eps)
        rows, columns = p.shape
        if group["adjust_lr_fn"] == "match_rms_adamw":
            scale = 0.2 * math.sqrt(max(rows, columns))
        else:
            scale = math.sqrt(max(1.0, rows / columns))
        if "weight_decay" in group.used:
            p = p * c.shrink
        return p - o * (c.lr * scale)


def orthogonalized(
    x: Any, coefficients: tuple[float, float, float] = COEFFICIENTS, steps: int = 5, eps: Any = 1e-7
) -> Any:
    r"""Nearly the orthogonal matrix next to `x`: singular values become about 1 (0.7 to 1.2).

    Newton-Schulz iteration, ``x ← a·x + (b·xxᵀ + c·(xxᵀ)²)·x``, from x over its Frobenius norm.

    Example:
        >>> ad.optim.orthogonalized(ad.tensor([[2.0, 0.0], [0.0, 0.5]])).numpy().round(1)
        array([[0.7, 0. ],
               [0. , 0.7]], dtype=float32)
    """
    a, b, c = coefficients
    wide = x.shape[0] <= x.shape[1]
    x = x if wide else x.T
    x = x / ad.maximum(ad.sqrt((x * x).sum()), eps)
    for _ in range(steps):
        square = x @ x.T
        x = x * a + (square * b + square @ square * c) @ x
    return x if wide else x.T
