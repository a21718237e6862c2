"""Steps by the sign alone: Lion and Rprop."""

from __future__ import annotations

from typing import Any, ClassVar

import adjoint as ad
from adjoint.optim.group import AT_LEAST_0, UNIT_PAIR, ParamGroup, Range, Ranges, Scalars
from adjoint.optim.optimizer import Optimizer, choose


class Lion(Optimizer):
    r"""Every element moves by `lr`, in the direction of a running mean; one buffer of state.

    With gradient g::

        p ← p·(1 − lr·weight_decay) − lr·sign(β₁·m + (1 − β₁)·g)
        m ← β₂·m + (1 − β₂)·g

    Args:
        params: a module, tensors, (name, tensor) pairs, a tree of tensors, or a list of groups.
        lr: learning rate; 3 to 10 times smaller than for `AdamW`.
        betas: shares of m that are kept in the direction and in m.
        weight_decay: by how much of `lr` a parameter shrinks in each update.
        maximize: go up instead of down.
        master: keep float32 masters of parameters in half precision.

    Raises:
        ArgumentError: if a number is out of range.

    Example:
        >>> x = ad.tensor([1.0, -2.0], requires_grad=True)
        >>> opt = ad.optim.Lion([x], lr=0.1)
        >>> (x * x).sum().backward()
        >>> opt.step()
        >>> x.numpy().round(2)
        array([ 0.9, -1.9], dtype=float32)

    Source: Chen et al., Symbolic discovery of optimization algorithms, arXiv:2302.06675; defaults
    of the authors' code.
    """

    ranges: ClassVar[Ranges] = {"lr": AT_LEAST_0, "betas": UNIT_PAIR, "weight_decay": AT_LEAST_0}

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        master: bool = True,
    ) -> None:
        options = {"lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, options, master)

    def buffers(self, group: ParamGroup) -> dict[str, float]:
        return {"exp_avg": 0.0}

    def coefficients(self, h: Scalars, t: Any, r: Scalars, group: ParamGroup) -> dict[str, Any]:
        return {
            "lr": h.lr,
            "keep1": h.betas1,
            "new1": 1.0 - h.betas1,
            "keep2": h.betas2,
            "new2": 1.0 - h.betas2,
            "shrink": 1.0 - h.lr * h.weight_decay,
        }

    def rule(self, p: Any, g: Any, state: dict[str, Any], c: Scalars, group: ParamGroup) -> Any:
        m = state["exp_avg"]
        direction = ad.sign(m * c.keep1 + g * c.new1)
        m.assign(m * c.keep2 + g * c.new2)
        if "weight_decay" in group.used:
            p = p * c.shrink
        return p - direction * c.lr


class Rprop(Optimizer):
    r"""A step size for each element, which grows while the sign of the gradient stays the same.

    With gradient g, and g′ the one before::

        η ← η·etas[1] if g·g′ > 0;  η·etas[0] and g ← 0 if g·g′ < 0;  within step_sizes
        p ← p − η·sign(g)

    For full batches: the noise of small ones changes signs.

    Args:
        params: a module, tensors, (name, tensor) pairs, a tree of tensors, or a list of groups.
        lr: first step size; what it becomes later has no effect.
        etas: factors by which a step size shrinks and grows.
        step_sizes: smallest and largest step size.
        maximize: go up instead of down.
        master: keep float32 masters of parameters in half precision.

    Raises:
        ArgumentError: if a number is out of range.

    Example:
        >>> x = ad.tensor([1.0, -2.0], requires_grad=True)
        >>> opt = ad.optim.Rprop([x], lr=0.1)
        >>> (x * x).sum().backward()
        >>> opt.step()
        >>> x.numpy().round(2)
        array([ 0.9, -1.9], dtype=float32)

    Source: Riedmiller and Braun, A direct adaptive method for faster backpropagation learning,
    1993.
    """

    ranges: ClassVar[Ranges] = {
        "lr": AT_LEAST_0,
        "etas": Range(0.0, pair=True),
        "step_sizes": Range(0.0, pair=True),
    }

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0),
        *,
        maximize: bool = False,
        master: bool = True,
    ) -> None:
        options = {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize}
        super().__init__(params, options, master)

    def _check_group(self, group: ParamGroup) -> None:
        super()._check_group(group)
        if not 0.0 < group["etas"][0] < 1.0 < group["etas"][1]:
            raise ad.errors.ArgumentError(
                f"Rprop: etas must be a number below 1 and one above 1, not {group['etas']}"
            )

    def buffers(self, group: ParamGroup) -> dict[str, float]:
        return {"prev": 0.0, "step_size": 0.0}

    def coefficients(self, h: Scalars, t: Any, r: Scalars, group: ParamGroup) -> dict[str, Any]:
        first = {"first": choose(t == 1.0, h.lr, 0.0), "keep": choose(t == 1.0, 0.0, 1.0)}
        return first | {name: h[name] for name in ("etas1", "etas2", "step_sizes1", "step_sizes2")}

    def rule(self, p: Any, g: Any, state: dict[str, Any], c: Scalars, group: ParamGroup) -> Any:
        agree = g * state["prev"]
        size = state["step_size"]
        size.assign(size * c.keep + c.first)
        changed = ad.where(agree < 0.0, size * c.etas1, size)
        changed = ad.where(agree > 0.0, size * c.etas2, changed)
        size.assign(ad.minimum(ad.maximum(changed, c.step_sizes1), c.step_sizes2))
        g = ad.where(agree < 0.0, 0.0, g)
        state["prev"].assign(g)
        return p - ad.sign(g) * size
