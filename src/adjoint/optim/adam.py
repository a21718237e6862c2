"""Adam and AdamW."""

from __future__ import annotations

from typing import Any, ClassVar

import adjoint as ad
from adjoint.optim.group import AT_LEAST_0, UNIT_PAIR, ParamGroup, Ranges, Scalars
from adjoint.optim.optimizer import Optimizer


class Adam(Optimizer):
    r"""Steps of about `lr` for each element: the mean gradient over its root mean square.

    At update t, with gradient g::

        m ← m + (1 − β₁)·(g − m)        m̂ = m / (1 − β₁ᵗ)
        v ← β₂·v + (1 − β₂)·g²          v̂ = v / (1 − β₂ᵗ)
        p ← p − lr·m̂ / (√v̂ + eps)

    Args:
        params: a module, tensors, (name, tensor) pairs, a tree of tensors, or a list of groups.
        lr: learning rate.
        betas: β₁ and β₂, the shares of the running means that are kept.
        eps: what keeps the quotient finite.
        weight_decay: multiple of the parameter that is added to its gradient (L2 penalty).
        amsgrad: divide by the largest v so far.
        maximize: go up instead of down.
        decoupled_weight_decay: shrink the parameter by ``lr·weight_decay`` instead, as `AdamW`.
        master: keep float32 masters of parameters in half precision.

    Raises:
        ArgumentError: if a number is out of range.

    Example:
        >>> x = ad.tensor([1.0, -2.0], requires_grad=True)
        >>> opt = ad.optim.Adam([x], lr=0.1)
        >>> (x * x).sum().backward()
        >>> opt.step()
        >>> x.numpy().round(2)
        array([ 0.9, -1.9], dtype=float32)

    Source: Kingma and Ba, Adam: a method for stochastic optimization, arXiv:1412.6980; AMSGrad:
    Reddi et al., On the convergence of Adam and beyond, arXiv:1904.09237.
    """

    ranges: ClassVar[Ranges] = {
        "lr": AT_LEAST_0,
        "betas": UNIT_PAIR,
        "eps": AT_LEAST_0,
        "weight_decay": AT_LEAST_0,
    }

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
        master: bool = True,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        options |= {"amsgrad": amsgrad, "maximize": maximize}
        options |= {"decoupled_weight_decay": decoupled_weight_decay}
        super().__init__(params, options, master)

    def buffers(self, group: ParamGroup) -> dict[str, float]:
        names = ["exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if group["amsgrad"] else [])]
        return dict.fromkeys(names, 0.0)

    def coefficients(self, h: Scalars, t: Any, r: Scalars, group: ParamGroup) -> dict[str, Any]:
        # √v̂ = √v / root: one pass less if the root goes to the other numbers
        root = (1.0 - h.betas2**t) ** 0.5
        return moments(h) | {
            "size": h.lr * root / (1.0 - h.betas1**t),
            "eps": h.eps * root,
        }

    def rule(self, p: Any, g: Any, state: dict[str, Any], c: Scalars, group: ParamGroup) -> Any:
        p, g = decayed(p, g, c, group)
        m, v = averaged(g, state, c)
        if group["amsgrad"]:
            v = ad.maximum(state["max_exp_avg_sq"], v)
            state["max_exp_avg_sq"].assign(v)
        return p - m / (ad.sqrt(v) + c.eps) * c.size


class AdamW(Adam):
    r"""Adam with decoupled weight decay: ``p ← p·(1 − lr·weight_decay)`` before the update.

    Args:
        params: a module, tensors, (name, tensor) pairs, a tree of tensors, or a list of groups.
        lr: learning rate.
        betas: shares of the running means of gradient and squared gradient that are kept.
        eps: what keeps the quotient finite.
        weight_decay: by how much of `lr` a parameter shrinks in each update.
        amsgrad: divide by the largest mean square so far.
        maximize: go up instead of down.
        master: keep float32 masters of parameters in half precision.

    Raises:
        ArgumentError: if a number is out of range.

    Example:
        >>> x = ad.tensor([1.0, -2.0], requires_grad=True)
        >>> opt = ad.optim.AdamW([x], lr=0.1, weight_decay=0.5)
        >>> (x * x).sum().backward()
        >>> opt.step()
        >>> x.numpy().round(2)
        array([ 0.85, -1.8 ], dtype=float32)

    Source: Loshchilov and Hutter, Decoupled weight decay regularization, arXiv:1711.05101.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        master: bool = True,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            decoupled_weight_decay=True,
            master=master,
        )


def moments(h: Scalars) -> dict[str, Any]:
    """The numbers that Adam and its kin share."""
    return {
        "new1": 1.0 - h.betas1,
        "keep2": h.betas2,
        "new2": 1.0 - h.betas2,
        "weight_decay": h.weight_decay,
        "shrink": 1.0 - h.lr * h.weight_decay,
    }


def decayed(p: Any, g: Any, c: Scalars, group: ParamGroup) -> tuple[Any, Any]:
    """Parameter and gradient after weight decay, of either kind."""
    if "weight_decay" not in group.used:
        return p, g
    if group["decoupled_weight_decay"]:
        return p * c.shrink, g
    return p, g + p * c.weight_decay


def averaged(g: Any, state: dict[str, Any], c: Scalars) -> tuple[Any, Any]:
    """The running means of the gradient and its square, updated."""
    m = state["exp_avg"]
    m.assign(m + (g - m) * c.new1)
    v = state["exp_avg_sq"]
    v.assign(v * c.keep2 + g * g * c.new2)
    return m, v
