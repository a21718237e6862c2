"""Relatives of Adam: NAdam, RAdam, Adamax."""

from __future__ import annotations

from typing import Any, ClassVar

import adjoint as ad
from adjoint.optim.adam import averaged, decayed, moments
from adjoint.optim.group import AT_LEAST_0, UNIT_PAIR, ParamGroup, Ranges, Scalars
from adjoint.optim.optimizer import Optimizer, choose

ADAM_RANGES = {
    "lr": AT_LEAST_0,
    "betas": UNIT_PAIR,
    "eps": AT_LEAST_0,
    "weight_decay": AT_LEAST_0,
}


class NAdam(Optimizer):
    r"""Adam with Nesterov's momentum.

    With μₜ = β₁·(1 − ½·0.96^(t·ψ)) and m, v, v̂ as in `Adam`::

        p ← p − lr·( (1 − μₜ)·g / (1 − μ₁⋯μₜ) + μₜ₊₁·m / (1 − μ₁⋯μₜ₊₁) ) / (√v̂ + eps)

    Args:
        params: a module, tensors, (name, tensor) pairs, a tree of tensors, or a list of groups.
        lr: learning rate.
        betas: shares of the running means of gradient and squared gradient that are kept.
        eps: what keeps the quotient finite.
        weight_decay: multiple of the parameter that is added to its gradient.
        momentum_decay: ψ, how fast the momentum approaches β₁.
        decoupled_weight_decay: shrink the parameter by ``lr·weight_decay`` instead.
        maximize: go up instead of down.
        master: keep float32 masters of parameters in half precision.

    Raises:
        ArgumentError: if a number is out of range.

    Example:
        >>> x = ad.tensor([1.0, -2.0], requires_grad=True)
        >>> opt = ad.optim.NAdam([x], lr=0.1)
        >>> (x * x).sum().backward()
        >>> opt.step()
        >>> x.numpy().round(2)
        array([ 0.89, -1.89], dtype=float32)

    Source: Dozat, Incorporating Nesterov momentum into Adam, 2016; in the form of PyTorch.
    """

    ranges: ClassVar[Ranges] = {**ADAM_RANGES, "momentum_decay": AT_LEAST_0}

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        master: bool = True,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        options |= {"momentum_decay": momentum_decay, "maximize": maximize}
        options |= {"decoupled_weight_decay": decoupled_weight_decay}
        super().__init__(params, options, master)

    def buffers(self, group: ParamGroup) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def running(self, group: ParamGroup) -> dict[str, float]:
        return {"mu_product": 1.0}

    def coefficients(self, h: Scalars, t: Any, r: Scalars, group: ParamGroup) -> dict[str, Any]:
        root = (1.0 - h.betas2**t) ** 0.5
        mu = h.betas1 * (1.0 - 0.5 * 0.96 ** (t * h.momentum_decay))
        mu_next = h.betas1 * (1.0 - 0.5 * 0.96 ** ((t + 1.0) * h.momentum_decay))
        product = r.mu_product * mu
        r["mu_product"] = product
        return moments(h) | {
            "of_g": h.lr * root * (1.0 - mu) / (1.0 - product),
            "of_m": h.lr * root * mu_next / (1.0 - product * mu_next),
            "eps": h.eps * root,
        }

    def rule(self, p: Any, g: Any, state: dict[str, Any], c: Scalars, group: ParamGroup) -> Any:
        p, g = decayed(p, g, c, group)
        m, v = averaged(g, state, c)
        root = ad.sqrt(v) + c.eps
        return p - g / root * c.of_g - m / root * c.of_m


class RAdam(Optimizer):
    r"""Adam that does not divide by the root mean square before it is known well enough.

    With ρ∞ = 2/(1 − β₂) − 1 and ρₜ = ρ∞ − 2t·β₂ᵗ/(1 − β₂ᵗ), and m̂, v as in `Adam`::

        p ← p − lr·m̂·r·√(1 − β₂ᵗ)/(√v + eps)  if ρₜ > 5, else p − lr·m̂
        r = √( (ρₜ − 4)(ρₜ − 2)ρ∞ / ((ρ∞ − 4)(ρ∞ − 2)ρₜ) )

    Args:
        params: a module, tensors, (name, tensor) pairs, a tree of tensors, or a list of groups.
        lr: learning rate.
        betas: shares of the running means of gradient and squared gradient that are kept.
        eps: what keeps the quotient finite.
        weight_decay: multiple of the parameter that is added to its gradient.
        decoupled_weight_decay: shrink the parameter by ``lr·weight_decay`` instead.
        maximize: go up instead of down.
        master: keep float32 masters of parameters in half precision.

    Raises:
        ArgumentError: if a number is out of range.

    Example:
        >>> x = ad.tensor([1.0, -2.0], requires_grad=True)
        >>> opt = ad.optim.RAdam([x], lr=0.1)
        >>> (x * x).sum().backward()
        >>> opt.step()
        >>> x.numpy().round(2)
        array([ 0.8, -1.6], dtype=float32)

    Source: Liu et al., On the variance of the adaptive learning rate and beyond,
    arXiv:1908.03265; in the form of PyTorch.
    """

    ranges: ClassVar[Ranges] = ADAM_RANGES

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        master: bool = True,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        options |= {"decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize}
        super().__init__(params, options, master)

    def buffers(self, group: ParamGroup) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def coefficients(self, h: Scalars, t: Any, r: Scalars, group: ParamGroup) -> dict[str, Any]:
        power = h.betas2**t
        limit = 2.0 / (1.0 - h.betas2) - 1.0
        rho = limit - 2.0 * t * power / (1.0 - power)
        ready = rho > 5.0
        # where it is not ready, any numbers will do that are neither infinite nor imaginary
        rho, limit = choose(ready, rho, 6.0), choose(ready, limit, 7.0)
        square = (rho - 4.0) * (rho - 2.0) * limit / ((limit - 4.0) * (limit - 2.0) * rho)
        size = h.lr / (1.0 - h.betas1**t)
        return moments(h) | {
            "plain": choose(ready, 0.0, size),
            "size": choose(ready, size * (square * (1.0 - power)) ** 0.5, 0.0),
            "eps": choose(ready, h.eps, 1.0),  # v may be 0 where its quotient does not count
        }

    def rule(self, p: Any, g: Any, state: dict[str, Any], c: Scalars, group: ParamGroup) -> Any:
        p, g = decayed(p, g, c, group)
        m, v = averaged(g, state, c)
        return p - m * (c.size / (ad.sqrt(v) + c.eps) + c.plain)


class Adamax(Optimizer):
    r"""Adam with the largest recent gradient in place of the root mean square.

    With m as in `Adam`::

        u ← max(β₂·u, |g| + eps)
        p ← p − lr·m / ((1 − β₁ᵗ)·u)

    Args:
        params: a module, tensors, (name, tensor) pairs, a tree of tensors, or a list of groups.
        lr: learning rate.
        betas: shares of the running mean and of the running maximum that are kept.
        eps: what keeps the quotient finite.
        weight_decay: multiple of the parameter that is added to its gradient.
        maximize: go up instead of down.
        master: keep float32 masters of parameters in half precision.

    Raises:
        ArgumentError: if a number is out of range.

    Example:
        >>> x = ad.tensor([1.0, -2.0], requires_grad=True)
        >>> opt = ad.optim.Adamax([x], lr=0.1)
        >>> (x * x).sum().backward()
        >>> opt.step()
        >>> x.numpy().round(2)
        array([ 0.9, -1.9], dtype=float32)

    Source: Kingma and Ba, Adam: a method for stochastic optimization, arXiv:1412.6980, section 7.
    """

    ranges: ClassVar[Ranges] = ADAM_RANGES

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        master: bool = True,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, options | {"maximize": maximize}, master)

    def buffers(self, group: ParamGroup) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_inf": 0.0}

    def coefficients(self, h: Scalars, t: Any, r: Scalars, group: ParamGroup) -> dict[str, Any]:
        return moments(h) | {"size": h.lr / (1.0 - h.betas1**t), "eps": h.eps}

    def rule(self, p: Any, g: Any, state: dict[str, Any], c: Scalars, group: ParamGroup) -> Any:
        if "weight_decay" in group.used:
            g = g + p * c.weight_decay
        m, u = state["exp_avg"], state["exp_inf"]
        m.assign(m + (g - m) * c.new1)
        u.assign(ad.maximum(u * c.keep2, abs(g) + c.eps))
        return p - m / u * c.size
