"""Optimizer: what all update rules share, so that a rule is a few lines of formulas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

import adjoint as ad
from adjoint.optim.group import ParamGroup, Ranges, Scalars
from adjoint.optim.parameters import named, split_groups, walk
from adjoint.optim.state import dump, restore
from adjoint.optim.working import enter, enter_gradient, leave, working_type


class Optimizer:
    """Base of the optimizers: parameters in groups, state by name, one update rule.

    A subclass says what state a parameter has (`buffers`, `running`), which numbers the rule needs
    (`coefficients`, from hyperparameters and the number of the step) and the `rule` itself. The
    rule is a chain of elementwise operations on the parameter, its gradient and its state, so that
    `ad.compile` can fuse it; numbers that may change are tensors when the step is compiled.

    Attributes:
        param_groups: the groups; ``opt.param_groups[0]["lr"] = 0.1`` changes an option.
        state: the state tensors of each parameter, by the parameter's name.
        defaults: options that a group has unless it says otherwise.
    """

    ranges: ClassVar[Ranges]
    """The hyperparameters that are numbers, and where each may be."""
    complex_ok: ClassVar[bool] = True
    """Whether the rule may see a complex parameter as pairs of real numbers."""

    def __init__(self, params: Any, defaults: Mapping[str, Any], master: bool = True) -> None:
        self.defaults = dict(defaults)
        self.master = master
        self.param_groups: list[ParamGroup] = []
        self.state: dict[str, dict[str, ad.Tensor]] = {}
        self._places: dict[int, tuple[int, int]] = {}
        for group in split_groups(params, self._owner):
            self.add_param_group(group)

    # -- what a rule says ----------------------------------------------------------------------

    def buffers(self, group: ParamGroup) -> dict[str, float]:
        """Names of the state arrays of a parameter, and what they are filled with at first."""
        del group
        return {}

    def running(self, group: ParamGroup) -> dict[str, float]:
        """Names of the numbers that accompany a parameter, and their first values."""
        del group
        return {}

    def coefficients(self, h: Scalars, t: Any, r: Scalars, group: ParamGroup) -> dict[str, Any]:
        """The numbers that the rule needs.

        They are computed in float64. The operands are Python floats in an eager step and tensors in
        a compiled one, so that only operators and `choose` may be used.

        Args:
            h: the hyperparameters.
            t: number of this update, from 1.
            r: running numbers; entries may be replaced.
            group: for options that are not numbers.
        """
        raise NotImplementedError

    def rule(self, p: Any, g: Any, state: dict[str, Any], c: Scalars, group: ParamGroup) -> Any:
        """The new value of a parameter; new state is assigned.

        Args:
            p: the parameter, real.
            g: its gradient, with the opposite sign if `maximize`.
            state: its state arrays.
            c: the numbers of `coefficients`, in the dtype of `p`.
            group: for options that are not numbers.
        """
        raise NotImplementedError

    # -- what users call -----------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters from their ``.grad``; where that is None, they stay as they are.

        Args:
            closure: computes the loss and its gradients once more, and returns the loss.

        Returns:
            What the closure returns.

        Raises:
            ArgumentError: if no parameter requires a gradient.
        """
        loss = None
        if closure is not None:
            with ad.grad_enabled(True):
                loss = closure()
        grads = [[p.grad for p in group.params] for group in self.param_groups]
        if all(g is None for row in grads for g in row):
            self._require_some()
        self._apply(grads)
        return loss

    def update(self, params: Any, grads: Any) -> None:
        """Update the parameters from gradients in the same form, such as those of `ad.grad`.

        Args:
            params: the model, or the tree of tensors, that the optimizer was made for; or a part.
            grads: a tree of the same paths: nested, or flat with dotted names. None: no gradient.

        Raises:
            ArgumentError: if a gradient is missing or belongs to nothing.
            ShapeError: if a gradient has another shape than its parameter.

        Example:
            >>> params = {"w": ad.tensor([1.0, 2.0])}
            >>> opt = ad.optim.SGD(params, lr=0.5)
            >>> opt.update(params, ad.grad(lambda p: (p["w"] ** 2).sum())(params))
            >>> params["w"]
            tensor([0., 0.])
        """
        given = dict(walk(grads))
        paths = ", ".join(map(repr, given))
        rows: list[list[Any]] = [[None] * len(group.params) for group in self.param_groups]
        for path, p in walk(params):
            if not isinstance(p, ad.Tensor):
                continue
            place = self._places.get(id(p))
            if place is None:
                raise ad.errors.ArgumentError(
                    f"{self._owner}.update: {path!r} is not a parameter of this optimizer\n"
                    "  Try: the same model or tensors that it was constructed with; "
                    "x.assign(...) keeps a tensor the same, x = ... does not."
                )
            if path not in given:
                raise ad.errors.ArgumentError(
                    f"{self._owner}.update: no gradient for {path!r}; "
                    f"there are gradients for {paths or 'nothing'}"
                )
            g = given.pop(path)
            if hasattr(params, "named_parameters") and not p.requires_grad:
                continue  # frozen: the gradients of a module carry it along as it is
            rows[place[0]][place[1]] = _gradient_for(p, g, f"{self._owner}.update", path)
        if any(g is not None for g in given.values()):
            raise ad.errors.ArgumentError(
                f"{self._owner}.update: gradients for {', '.join(map(repr, given))}, "
                "which params does not have"
            )
        self._apply(rows)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients.

        Args:
            set_to_none: whether ``.grad`` becomes None, so that a parameter that gets no gradient
                is left out of the next update, or zeros.
        """
        for group in self.param_groups:
            for p in group.params:
                if set_to_none:
                    p.grad = None  # unseen: a compiled step need not know whether there was one
                elif p.grad is not None:
                    p.grad = ad.zeros_like(p.grad)

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add parameters, with options of their own.

        Args:
            group: a dict with `params`, anything that the constructor takes, and options.

        Raises:
            ArgumentError: if an option does not exist or a parameter is already in a group.
        """
        options = {**self.defaults, **group}
        found = named(options.pop("params"), self.state, self._owner)
        names, tensors = [name for name, _ in found], [p for _, p in found]
        new = ParamGroup(self._owner, self.ranges, names, tensors, self._allocate)
        for name, value in options.items():
            new[name] = value
        self._check_group(new)
        for i, (name, p) in enumerate(found):
            if id(p) in self._places or name in self.state:
                self._complain_of_twice(name, p, new)
            if not self.complex_ok and p.dtype.name.startswith("complex"):
                raise ad.errors.DTypeError(
                    f"{self._owner}: parameter {name!r} is {p.dtype}; it must be real"
                )
            self._places[id(p)] = len(self.param_groups), i
            self.state[name] = {}
        self.param_groups.append(new)
        self._allocate(new)

    def state_dict(self) -> dict[str, Any]:
        """A copy of the state: plain dicts and lists of tensors, numbers and strings.

        ``state`` has the state of each parameter by its name, ``param_groups`` the options and the
        names. Tensors fit into safetensors, and all else into JSON.
        """
        return dump(self)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a state that `state_dict` gave.

        Raises:
            ArgumentError: if it belongs to another optimizer, other parameters or other options.
        """
        restore(self, state_dict)

    @property
    def lr(self) -> float:
        """The learning rate of the first group; assigning sets that of all groups."""
        return self.param_groups[0]["lr"]

    @lr.setter
    def lr(self, value: Any) -> None:
        for group in self.param_groups:
            group["lr"] = value

    def __repr__(self) -> str:
        lines = (f"    ({i}): {group}" for i, group in enumerate(self.param_groups))
        return "\n".join([f"{self._owner}(", *lines, ")"])

    # -- the step ------------------------------------------------------------------------------

    def _apply(self, grads: Sequence[Sequence[Any]]) -> None:
        with ad.no_grad():
            for group, row in zip(self.param_groups, grads, strict=True):
                if any(g is not None for g in row):
                    self._apply_group(group, row)

    def _apply_group(self, group: ParamGroup, grads: Sequence[Any]) -> None:
        present = [g is not None for g in grads]
        coefficients = self._advance(group, present)
        for i, (name, p, g) in enumerate(zip(group.names, group.params, grads, strict=True)):
            if g is None:
                continue
            state = self.state[name]
            work = enter(p, state)
            g = enter_gradient(g, work.dtype)
            if group.get("maximize"):
                g = -g
            leave(p, self.rule(work, g, state, coefficients(i, work.dtype), group), state)

    def _advance(self, group: ParamGroup, present: list[bool]) -> Callable[[int, Any], Scalars]:
        """Count the update; a function of a parameter's position and dtype gives its numbers."""
        one = 1.0 if all(present) else np.array(present, np.float64)
        steps = group.steps + one
        group.steps.assign(steps)
        return (self._eager if steps.known else self._staged)(group, present)

    def _eager(self, group: ParamGroup, present: list[bool]) -> Callable[[int, Any], Scalars]:
        """Numbers are known: they are computed by Python, once for parameters that are alike."""
        h = group.scalars(known=True)
        columns = {name: x.tolist() for name, x in group.running.items()}
        counts = group.steps.tolist()
        seen: dict[Any, tuple[Scalars, Scalars]] = {}
        found: list[Scalars] = []
        for i, on in enumerate(present):
            before = Scalars({name: column[i] for name, column in columns.items()})
            key = (on, counts[i], *before.values())
            if key not in seen:
                after = Scalars(before)
                c = Scalars(self.coefficients(h, counts[i], after, group)) if on else Scalars()
                seen[key] = c, after
            c, after = seen[key]
            found.append(c)
            for name, column in columns.items():
                column[i] = after[name]
        for name, column in columns.items():
            group.running[name].assign(np.array(column))
        return lambda i, dtype: found[i]

    def _staged(self, group: ParamGroup, present: list[bool]) -> Callable[[int, Any], Scalars]:
        """Numbers are not known: a short program computes them for all parameters at once."""
        before = Scalars({name: x.copy() for name, x in group.running.items()})
        after = Scalars(before)
        c = self.coefficients(group.scalars(known=False), group.steps, after, group)
        for name, held in group.running.items():
            new = after[name]
            held.assign(new if all(present) else ad.where(np.array(present), new, before[name]))
        cast: dict[Any, dict[str, Any]] = {}

        def of(i: int, dtype: Any) -> Scalars:
            if dtype not in cast:
                cast[dtype] = {name: x.astype(dtype) for name, x in c.items()}
            return Scalars({name: x[i] if x.ndim else x for name, x in cast[dtype].items()})

        return of

    # -- construction --------------------------------------------------------------------------

    @property
    def _owner(self) -> str:
        return type(self).__name__

    def _allocate(self, group: ParamGroup) -> None:
        """Make what state is missing: all of it exists before a step, as a compiled one needs."""
        if group not in self.param_groups:
            return  # its options are being set: its turn comes
        for name, fill in self.running(group).items():
            if name not in group.running:
                group.running[name] = ad.full(len(group.params), fill, dtype=ad.float64)
        for name, p in zip(group.names, group.params, strict=True):
            state = self.state[name]
            shape, dtype = working_type(p, self.master)
            if shape == p.shape and dtype != p.dtype and "master" not in state:
                state["master"] = p.detach().astype(dtype)
            for buffer, fill in self.buffers(group).items():
                if buffer not in state:
                    state[buffer] = ad.full(shape, fill, dtype=dtype)

    def _check_group(self, group: ParamGroup) -> None:
        """Refuse options that do not exist or do not go together."""
        unknown = set(group) - set(self.defaults) - {"params", "names", "initial_lr"}
        if unknown:
            raise ad.errors.ArgumentError(
                f"{self._owner}: no option {', '.join(map(repr, sorted(unknown)))}; "
                f"there are {', '.join(self.defaults)}"
            )

    def _complain_of_twice(self, name: str, p: ad.Tensor, new: ParamGroup) -> None:
        if id(p) in self._places:
            at, i = self._places[id(p)]
            here = at == len(self.param_groups)
            group, where = (new, "this group") if here else (self.param_groups[at], f"group {at}")
            raise ad.errors.ArgumentError(
                f"{self._owner}: parameter {name!r} is already in {where}, as {group.names[i]!r}; "
                "it would be updated twice"
            )
        raise ad.errors.ArgumentError(f"{self._owner}: two parameters are named {name!r}")

    def _require_some(self) -> None:
        if not any(p.requires_grad for group in self.param_groups for p in group.params):
            raise ad.errors.ArgumentError(
                f"{self._owner}.step: no parameter requires a gradient, so backward() finds none\n"
                "  Try: ad.tensor(..., requires_grad=True), or opt.update(params, grads) with the "
                "gradients of ad.grad."
            )


def _gradient_for(p: ad.Tensor, g: Any, owner: str, path: str) -> Any:
    if g is None:
        return None
    g = ad.asarray(g)
    if g.shape != p.shape:
        raise ad.errors.ShapeError(f"{owner}: {path!r} has shape {p.shape}, its gradient {g.shape}")
    return g


def choose(condition: Any, yes: Any, no: Any) -> Any:
    """One of two numbers, for `coefficients`: of floats or of tensors."""
    return (
        ad.where(condition, yes, no)
        if isinstance(condition, ad.Tensor)
        else yes
        if condition
        else no
    )
