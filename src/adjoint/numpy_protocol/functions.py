"""``__array_function__``: NumPy's functions on tensors.

A function of NumPy is answered by the function of the same meaning in this library. Arguments are
matched by name; those that have NumPy's default are dropped, so that only what was asked for must
be understood.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Final

import numpy as np

import adjoint as ad
from adjoint.core.bind import lift
from adjoint.core.errors import ArgumentError, explain
from adjoint.core.graph import Handle
from adjoint.core.site import here
from adjoint.core.tree import flatten
from adjoint.numpy_protocol.ufuncs import refused, store
from adjoint.tensor import Tensor

# what NumPy passes on for an argument that was not given; there is no public name for it
NOT_GIVEN: Final[Any] = np._NoValue  # pyright: ignore[reportPrivateUsage]
NOWHERE: Final = 1000  # behind all arguments that a call may have
Answer = Callable[..., Any]
_answers: dict[Any, Answer] = {}


def implements(*functions: Any) -> Callable[[Answer], Answer]:
    """Register the answer to functions of NumPy: it is called with their arguments."""

    def register(answer: Answer) -> Answer:
        for f in functions:
            _answers[f] = answer
        return answer

    return register


def array_function(
    self: Tensor, func: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Answer NumPy's call of one of its functions on tensors."""
    answer = _answers.get(func) or _same_name(func)
    if answer is None:
        name = f"{func.__module__.removeprefix('numpy').lstrip('.')}.{func.__name__}".lstrip(".")
        raise refused(name, self, "this function has no counterpart")
    at = _position_of_out(func)
    out = args[at] if len(args) > at else kwargs.get("out")
    if out is None:
        return answer(*args, **kwargs)
    rest = {name: value for name, value in kwargs.items() if name != "out"}
    if len(args) > at:
        args = (*args[:at], None, *args[at + 1 :])
    return store(func.__name__, self, answer(*args, **rest), out, True)


@functools.cache
def _position_of_out(func: Any) -> int:
    """Where `out` stands among the positional arguments of a function of NumPy."""
    try:
        parameters = inspect.signature(func).parameters
    except ValueError:  # pragma: no cover
        return NOWHERE
    given = parameters.get("out")
    named_only = given is None or given.kind is given.KEYWORD_ONLY
    return NOWHERE if named_only else list(parameters).index("out")


def _same_name(func: Any) -> Answer | None:
    """The answer by the function of the same name, if the library has one."""
    module = getattr(func, "__module__", "")
    home: Any = ad
    unlike = func.__name__ in NOT_THE_SAME
    if module.startswith("numpy.linalg"):
        home, unlike = ad.linalg, False
    elif module.startswith("numpy.fft"):
        home = ad.fft
    ours = None if unlike else getattr(home, func.__name__, None)
    if ours is None or isinstance(ours, type):
        return None
    _answers[func] = matched(func, ours)
    return _answers[func]


# names that mean something else here
NOT_THE_SAME: Final = {"trace", "grad", "vmap", "copy", "save", "load", "gradient"}

# NumPy's name of an argument, where ours differs
RENAMED: Final = {
    "a": "x",
    "m": "x",
    "v": "x",
    "ary": "x",
    "arr": "x",
    "newshape": "shape",
    "ddof": "correction",
    "a_min": "min",
    "a_max": "max",
    "axisa": "axis",
    "tup": "arrays",
    "reps": "repetitions",
    "UPLO": "uplo",
}

# arguments that only say where or how NumPy computes
IGNORED: Final = frozenset({"order", "subok", "casting", "like", "copy", "optimize", "device"})


def matched(theirs: Any, ours: Answer) -> Answer:
    """`ours`, called with the arguments of `theirs`."""
    try:
        given = inspect.signature(theirs)
    except ValueError:  # pragma: no cover
        return ours
    names = list(given.parameters)
    defaults = {n: p.default for n, p in given.parameters.items()}
    wanted = inspect.signature(ours).parameters
    leading = [
        n for n, p in wanted.items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    several = any(p.kind is p.VAR_POSITIONAL for p in given.parameters.values())
    if several or any(p.kind is p.VAR_POSITIONAL for p in wanted.values()):
        return ours

    @functools.wraps(ours)
    def call(*args: Any, **kwargs: Any) -> Any:
        named = dict(zip(names, args, strict=False)) | kwargs
        positional: list[Any] = []
        for name in leading:
            theirs_name = _find(name, names[len(positional)], named, wanted)
            if theirs_name is None:
                break
            positional.append(named.pop(theirs_name))
        options: dict[str, Any] = {}
        for name, value in named.items():
            default = defaults.get(name, inspect.Parameter.empty)
            if value is default or value is NOT_GIVEN or name in IGNORED:
                continue
            here_name = RENAMED.get(name, name)
            if here_name not in wanted:
                raise _unknown(theirs.__name__, name)
            options[here_name] = value
        return ours(*positional, **options)

    return call


def _find(ours: str, theirs: str, named: dict[str, Any], wanted: Any) -> str | None:
    """Which of NumPy's arguments fills one of our positional ones."""
    if theirs in named and theirs not in set(wanted) - {ours}:
        return theirs
    return ours if ours in named else None


def _unknown(func: str, name: str) -> Exception:
    hint = "assign the result instead: a tensor's name can stand for it." if name == "out" else ""
    return ArgumentError(
        explain(f"argument {name!r} is not supported on tensors", f"np.{func}", [], here(), hint)
    )


def detached(x: Any) -> Any:
    """The array behind a tensor, for functions that only look at values."""
    return x.value if isinstance(x, Handle) and x.known else x


def looks_only(func: Any) -> Answer:
    """An answer that computes on the values and returns what NumPy returns: no gradient exists."""

    def call(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = flatten((args, kwargs))
        plain_args, plain_kwargs = structure.rebuild([detached(x) for x in leaves])
        return func(*plain_args, **plain_kwargs)

    return functools.wraps(func)(call)


def looks_only_tensor(func: Any) -> Answer:
    """The same, with arrays of the result as tensors without history."""
    inner = looks_only(func)

    def call(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = flatten(inner(*args, **kwargs))
        return structure.rebuild([lift(x) if isinstance(x, np.ndarray) else x for x in leaves])

    return functools.wraps(func)(call)
