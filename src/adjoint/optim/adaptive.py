"""Step sizes from squared gradients: Adagrad, RMSprop, Adadelta."""

from __future__ import annotations

from typing import Any, ClassVar

import adjoint as ad
from adjoint.optim.group import AT_LEAST_0, ParamGroup, Range, Ranges, Scalars
from adjoint.optim.optimizer import Optimizer


class Adagrad(Optimizer):
    r"""Steps that shrink with the sum of all squared gradients.

    At update t, with gradient g::

        s ← s + g²
        p ← p − lr/(1 + (t − 1)·lr_decay) · g/(√s + eps)

    Args:
        params: a module, tensors, (name, tensor) pairs, a tree of tensors, or a list of groups.
        lr: learning rate.
        lr_decay: how fast the learning rate falls.
        weight_decay: multiple of the parameter that is added to its gradient.
        initial_accumulator_value: first value of s.
        eps: what keeps the quotient finite.
        maximize: go up instead of down.
        master: keep float32 masters of parameters in half precision.

    Raises:
        ArgumentError: if a number is out of range.

    Example:
        >>> x = ad.tensor([1.0, -2.0], requires_grad=True)
        >>> opt = ad.optim.Adagrad([x], lr=0.1)
        >>> (x * x).sum().backward()
        >>> opt.step()
        >>> x.numpy().round(2)
        array([ 0.9, -1.9], dtype=float32)

    Source: Duchi, Hazan and Singer, Adaptive subgradient methods, JMLR 12, 2011.
    """

    ranges: ClassVar[Ranges] = {
        "lr": AT_LEAST_0,
        "lr_decay": AT_LEAST_0,
        "weight_decay": AT_LEAST_0,
        "initial_accumulator_value": AT_LEAST_0,
        "eps": AT_LEAST_0,
    }

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        master: bool = True,
    ) -> None:
        options = {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps}
        options |= {"initial_accumulator_value": initial_accumulator_value, "maximize": maximize}
        super().__init__(params, options, master)

    def buffers(self, group: ParamGroup) -> dict[str, float]:
        return {"sum": group["initial_accumulator_value"]}

    def coefficients(self, h: Scalars, t: Any, r: Scalars, group: ParamGroup) -> dict[str, Any]:
        size = h.lr / ((t - 1.0) * h.lr_decay + 1.0)
        return {"size": size, "eps": h.eps, "weight_decay": h.weight_decay}

    def rule(self, p: Any, g: Any, state: dict[str, Any], c: Scalars, group: ParamGroup) -> Any:
        if "weight_decay" in group.used:
            g = g + p * c.weight_decay
        s = state["sum"]
        s.assign(s + g * g)
        return p - g / (ad.sqrt(s) + c.eps) * c.size


class RMSprop(Optimizer):
    r"""The gradient over the root of its recent mean square.

    With gradient g; a is subtracted if `centered`::

        v ← α·v + (1 − α)·g²            a ← α·a + (1 − α)·g
        d = g / (√(v − a²) + eps)
        p ← p − lr·d,  or with momentum  b ← μ·b + d,  p ← p − lr·b

    Args:
        params: a module, tensors, (name, tensor) pairs, a tree of tensors, or a list of groups.
        lr: learning rate.
        alpha: share of the running means that is kept.
        eps: what keeps the quotient finite.
        weight_decay: multiple of the parameter that is added to its gradient.
        momentum: share of the last direction that is kept.
        centered: divide by an estimate of the standard deviation.
        maximize: go up instead of down.
        master: keep float32 masters of parameters in half precision.

    Raises:
        ArgumentError: if a number is out of range.

    Example:
        >>> x = ad.tensor([1.0, -2.0], requires_grad=True)
        >>> opt = ad.optim.RMSprop([x], lr=0.01)
        >>> (x * x).sum().backward()
        >>> opt.step()
        >>> x.numpy().round(2)
        array([ 0.9, -1.9], dtype=float32)

    Source: Tieleman and Hinton, Lecture 6.5, 2012; centered: Graves, arXiv:1308.0850.
    """

    ranges: ClassVar[Ranges] = {
        "lr": AT_LEAST_0,
        "alpha": AT_LEAST_0,
        "eps": AT_LEAST_0,
        "weight_decay": AT_LEAST_0,
        "momentum": AT_LEAST_0,
    }

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
        master: bool = True,
    ) -> None:
        options = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay}
        options |= {"momentum": momentum, "centered": centered, "maximize": maximize}
        super().__init__(params, options, master)

    def buffers(self, group: ParamGroup) -> dict[str, float]:
        names = ["square_avg"]
        names += ["grad_avg"] if group["centered"] else []
        names += ["momentum_buffer"] if "momentum" in group.used else []
        return dict.fromkeys(names, 0.0)

    def coefficients(self, h: Scalars, t: Any, r: Scalars, group: ParamGroup) -> dict[str, Any]:
        return {
            "lr": h.lr,
            "keep": h.alpha,
            "new": 1.0 - h.alpha,
            "eps": h.eps,
            "weight_decay": h.weight_decay,
            "momentum": h.momentum,
        }

    def rule(self, p: Any, g: Any, state: dict[str, Any], c: Scalars, group: ParamGroup) -> Any:
        if "weight_decay" in group.used:
            g = g + p * c.weight_decay
        v = state["square_avg"]
        v.assign(v * c.keep + g * g * c.new)
        if group["centered"]:
            a = state["grad_avg"]
            a.assign(a + (g - a) * c.new)
            v = v - a * a
        d = g / (ad.sqrt(v) + c.eps)
        if "momentum" in group.used:
            b = state["momentum_buffer"]
            b.assign(b * c.momentum + d)
            d = b
        return p - d * c.lr


class Adadelta(Optimizer):
    r"""RMSprop with a step size from the recent steps, so that no learning rate need be chosen.

    With gradient g::

        v ← ρ·v + (1 − ρ)·g²
        d = g·√(u + eps)/√(v + eps)
        u ← ρ·u + (1 − ρ)·d²
        p ← p − lr·d

    Args:
        params: a module, tensors, (name, tensor) pairs, a tree of tensors, or a list of groups.
        lr: what the step is multiplied by.
        rho: ρ, the share of the running means that is kept.
        eps: what the first steps have for their size.
        weight_decay: multiple of the parameter that is added to its gradient.
        maximize: go up instead of down.
        master: keep float32 masters of parameters in half precision.

    Raises:
        ArgumentError: if a number is out of range.

    Example:
        >>> x = ad.tensor([1.0, -2.0], requires_grad=True)
        >>> opt = ad.optim.Adadelta([x])
        >>> (x * x).sum().backward()
        >>> opt.step()
        >>> x.numpy().round(4)
        array([ 0.9968, -1.9968], dtype=float32)

    Source: Zeiler, ADADELTA: an adaptive learning rate method, arXiv:1212.5701.
    """

    ranges: ClassVar[Ranges] = {
        "lr": AT_LEAST_0,
        "rho": Range(0.0, 1.0, closed=True),
        "eps": AT_LEAST_0,
        "weight_decay": AT_LEAST_0,
    }

    def __init__(
        self,
        params: Any,
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        master: bool = True,
    ) -> None:
        options = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, options | {"maximize": maximize}, master)

    def buffers(self, group: ParamGroup) -> dict[str, float]:
        return {"square_avg": 0.0, "acc_delta": 0.0}

    def coefficients(self, h: Scalars, t: Any, r: Scalars, group: ParamGroup) -> dict[str, Any]:
        numbers = {"lr": h.lr, "keep": h.rho, "new": 1.0 - h.rho, "eps": h.eps}
        return numbers | {"weight_decay": h.weight_decay}

    def rule(self, p: Any, g: Any, state: dict[str, Any], c: Scalars, group: ParamGroup) -> Any:
        if "weight_decay" in group.used:
            g = g + p * c.weight_decay
        v, u = state["square_avg"], state["acc_delta"]
        v.assign(v * c.keep + g * g * c.new)
        d = ad.sqrt(u + c.eps) / ad.sqrt(v + c.eps) * g
        u.assign(u * c.keep + d * d * c.new)
        return p - d * c.lr
