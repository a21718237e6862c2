"""L-BFGS: quasi-Newton steps from the last gradients, for full batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

import adjoint as ad
from adjoint.optim.group import AT_LEAST_0, ParamGroup, Ranges
from adjoint.optim.line_search import Point, Search, strong_wolfe
from adjoint.optim.optimizer import Optimizer

Array = np.ndarray[Any, Any]


class LBFGS(Optimizer):
    r"""Newton's method with a Hessian guessed from the last `history_size` steps.

    Each `step` calls the closure several times. It decides by the loss, and so runs eagerly. All
    parameters are one vector: there is one group.

    Args:
        params: a module, tensors, (name, tensor) pairs or a tree of tensors; real.
        lr: length of a step along the direction, or where the line search begins.
        max_iter: iterations in a step.
        max_eval: evaluations of the closure in a step; 1.25·max_iter if None.
        tolerance_grad: done when no element of the gradient is larger.
        tolerance_change: done when neither loss nor parameters change by more.
        history_size: steps that are remembered, each of the size of the parameters, twice.
        line_search_fn: ``"strong_wolfe"``, or None for fixed steps.

    Raises:
        ArgumentError: if a number is out of range.

    Example:
        >>> x = ad.tensor([3.0, -2.0], requires_grad=True)
        >>> opt = ad.optim.LBFGS([x], line_search_fn="strong_wolfe")
        >>> def closure():
        ...     opt.zero_grad()
        ...     loss = ((x - 1.0) ** 2 * ad.tensor([1.0, 100.0])).sum()
        ...     loss.backward()
        ...     return loss
        >>> loss = opt.step(closure)
        >>> x.numpy().round(3)
        array([1., 1.], dtype=float32)

    Source: Liu and Nocedal, On the limited memory BFGS method for large scale optimization, 1989;
    in the form of PyTorch, after Schmidt's minFunc.
    """

    ranges: ClassVar[Ranges] = {
        "lr": AT_LEAST_0,
        "tolerance_grad": AT_LEAST_0,
        "tolerance_change": AT_LEAST_0,
    }
    complex_ok: ClassVar[bool] = False

    def __init__(
        self,
        params: Any,
        lr: Any = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        options = {"lr": lr, "max_iter": max_iter, "history_size": history_size}
        options |= {"max_eval": max_iter * 5 // 4 if max_eval is None else max_eval}
        options |= {"tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change}
        self._curve = Curvature()
        super().__init__(params, options | {"line_search_fn": line_search_fn}, master=False)
        if line_search_fn not in (None, "strong_wolfe"):
            raise ad.errors.ArgumentError(
                f"LBFGS: line_search_fn {line_search_fn!r}; there are 'strong_wolfe' and None"
            )

    def _check_group(self, group: ParamGroup) -> None:
        super()._check_group(group)
        if self.param_groups:
            raise ad.errors.ArgumentError("LBFGS: one group of parameters, which share all options")

    def update(self, params: Any, grads: Any) -> None:
        """Not possible: a step needs the loss at several places.

        Raises:
            ArgumentError: always.
        """
        raise ad.errors.ArgumentError(
            "LBFGS.update: needs the loss at several places\n  Try: opt.step(closure)"
        )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Do up to `max_iter` iterations.

        Args:
            closure: forgets the gradients, computes the loss and its gradients, returns the loss.

        Returns:
            The loss before the first iteration.

        Raises:
            ArgumentError: if there is no closure.
            TracerLeak: if the step is being compiled.
        """
        if closure is None:
            raise ad.errors.ArgumentError(
                "LBFGS.step: needs a closure that computes loss and gradients, and returns the loss"
            )
        with ad.grad_enabled(True):
            first = closure()
        if not first.known:
            raise ad.errors.TracerLeak(
                "LBFGS.step: it decides by the loss, so that it cannot be compiled\n"
                "  Try: ad.compile for the loss function that the closure calls."
            )
        group = self.param_groups[0]
        self._require_some()
        here = Point(0.0, float(first), self._gradient(), math.nan)
        if np.abs(here.grad).max(initial=0.0) > group["tolerance_grad"]:
            self._iterate(group, closure, here)
        group.steps.assign(group.steps.numpy() + 1.0)
        return first

    def _iterate(self, group: ParamGroup, closure: Callable[[], Any], here: Point) -> None:
        curve, evaluations = self._curve, 1
        for i in range(group["max_iter"]):
            d = curve.direction(here.grad, group["history_size"])
            lr = group["lr"]
            t = lr if curve.iterations > 1 else min(1.0, 1.0 / float(np.abs(here.grad).sum())) * lr
            here = here._replace(t=0.0, slope=float(here.grad @ d))
            if here.slope > -group["tolerance_change"]:
                return
            before, last = here, i + 1 == group["max_iter"]
            here, tries = self._move(
                group, closure, here, d, t, group["max_eval"] - evaluations, last
            )
            curve.moved(d, here.t)
            evaluations += tries
            if evaluations >= group["max_eval"] or _settled(group, before, here, d):
                return

    def _move(
        self,
        group: ParamGroup,
        closure: Callable[[], Any],
        here: Point,
        d: Array,
        t: float,
        limit: int,
        last: bool,
    ) -> tuple[Point, int]:
        """Go along the direction: the point that was reached, and how often the loss was asked."""
        origin = [p.numpy() for p in group.params]

        def at(t: float) -> Point:
            self._place(origin, d * d.dtype.type(t))
            with ad.grad_enabled(True):
                loss = float(closure())
            grad = self._gradient()
            return Point(t, loss, grad, float(grad @ d))

        if group["line_search_fn"] is not None:
            reach = float(np.abs(d).max())
            found, tries = strong_wolfe(
                Search(at, here, reach, group["tolerance_change"], limit), t
            )
            self._place(origin, d * d.dtype.type(found.t))
            return found, tries
        if not last:
            return at(t), 1
        self._place(origin, d * d.dtype.type(t))  # what the loss is there is the next step's affair
        return here._replace(t=t), 0

    def _gradient(self) -> Array:
        """All gradients as one vector; zeros for those that are None."""
        flat = [
            np.zeros(p.size, p.dtype) if p.grad is None else p.grad.numpy().reshape(-1)
            for p in self.param_groups[0].params
        ]
        return np.concatenate(flat)

    def _place(self, origin: list[Array], shift: Array) -> None:
        start = 0
        with ad.no_grad():
            for p, x in zip(self.param_groups[0].params, origin, strict=True):
                p.assign(x + shift[start : start + p.size].reshape(p.shape))
                start += p.size

    def state_dict(self) -> dict[str, Any]:
        """A copy of the state; ``curvature`` is what is remembered of the last steps."""
        out = super().state_dict()
        return out | {"curvature": self._curve.dump()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a state that `state_dict` gave.

        Raises:
            ArgumentError: if it belongs to another optimizer, other parameters or other options.
        """
        super().load_state_dict(state_dict)
        self._curve = Curvature.load(state_dict["curvature"])


def _settled(group: ParamGroup, before: Point, here: Point, d: Array) -> bool:
    """Whether going on is not worth while."""
    change = group["tolerance_change"]
    return (
        bool(np.abs(here.grad).max() <= group["tolerance_grad"])
        or bool(np.abs(d * here.t).max() <= change)
        or abs(here.loss - before.loss) < change
    )


class Curvature:
    """What the last steps say about the Hessian.

    Attributes:
        iterations: how many directions were computed.
        changes: differences of gradients, oldest first.
        steps: the steps that they belong to.
    """

    def __init__(self) -> None:
        self.iterations = 0
        self.changes: list[Array] = []
        self.steps: list[Array] = []
        self._before: Array | None = None
        self._step: Array | None = None
        self._scale: Any = 1.0

    def moved(self, d: Array, t: float) -> None:
        """Remember the step that was taken last."""
        self._step = d * d.dtype.type(t)

    def direction(self, grad: Array, size: int) -> Array:
        """Minus the gradient, times the inverse Hessian as far as it is known (two loops)."""
        self.iterations += 1
        if self._before is not None and self._step is not None:
            self._learn(grad - self._before, self._step, size)
        self._before = grad.copy()
        q = -grad
        weights: list[Any] = []
        pairs = [(y, s, 1.0 / (y @ s)) for y, s in zip(self.changes, self.steps, strict=True)]
        for y, s, rho in reversed(pairs):
            weights.append((s @ q) * rho)
            q = q - y * weights[-1]
        d = q * self._scale
        for (y, s, rho), weight in zip(pairs, reversed(weights), strict=True):
            d = d + s * (weight - (y @ d) * rho)
        return d

    def _learn(self, y: Array, s: Array, size: int) -> None:
        ys = y @ s
        if ys <= 1e-10:
            return
        if len(self.changes) == size:
            del self.changes[0], self.steps[0]
        self.changes.append(y)
        self.steps.append(s)
        self._scale = ys / (y @ y)

    def dump(self) -> dict[str, Any]:
        """Plain containers with all that is known."""
        out: dict[str, Any] = {"iterations": self.iterations}
        if self._before is not None:
            out |= {"gradient": ad.tensor(self._before), "scale": float(self._scale)}
        if self._step is not None:
            out |= {"step": ad.tensor(self._step)}
        if self.changes:
            out |= {"changes": ad.tensor(np.stack(self.changes))}
            out |= {"steps": ad.tensor(np.stack(self.steps))}
        return out

    @classmethod
    def load(cls, saved: Mapping[str, Any]) -> Curvature:
        """What `dump` gave."""
        out = cls()
        out.iterations = int(saved["iterations"])
        arrays = {
            k: ad.tensor(x).numpy() for k, x in saved.items() if k not in ("iterations", "scale")
        }
        out._before, out._step = arrays.get("gradient"), arrays.get("step")
        if out._before is not None:
            out._scale = out._before.dtype.type(saved["scale"])
        out.changes, out.steps = list(arrays.get("changes", ())), list(arrays.get("steps", ()))
        return out
