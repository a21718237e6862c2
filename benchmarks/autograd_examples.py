"""The example scripts of HIPS autograd, run on it and on this library: do the gradients agree?

    python benchmarks/autograd_examples.py [CHECKOUT] [--only NAME,...] [--write FILE]

CHECKOUT is a clone of https://github.com/HIPS/autograd; $AUTOGRAD_CHECKOUT is taken without it.
Nothing of it is copied: each script is executed twice as it stands, and only what its import
statements find is exchanged.

- ``autograd.numpy`` becomes NumPy itself; ``autograd.grad`` and its kin become ours, and the rest
  of autograd what `_autograd_counterparts` lists, or the example is left out.
- Plots go nowhere. Images are random, and so is MNIST. An optimizer takes three plain steps, and
  SciPy's `minimize` and `newton` evaluate what they are given at two points: for both libraries.

Each call of a differentiated function is noted with its arguments and its result. Both runs must
make the same calls with the same arguments; the table shows how far the results are apart, in
units of the largest element of each result.
"""

from __future__ import annotations

import argparse
import builtins
import contextlib
import importlib
import io
import os
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
from _autograd_counterparts import COUNTERPARTS

import adjoint as ad

TOLERANCE = 1e-8
TRANSFORMS = ("grad", "value_and_grad", "elementwise_grad", "hessian_vector_product", "jacobian")

LEFT_OUT = {
    "dot_graph": "draws autograd.tracer's nodes (ours: ad.trace(f, x).svg())",
    "print_trace": "subclasses autograd.tracer.Node (ours: print(ad.trace(f, x)))",
    "rkhs": "functions as arguments, through autograd.extend.Box and VSpace: no counterpart",
    "ode_net": "autograd.scipy.integrate.odeint: no counterpart",
    "data": "loads data for others",
    "data_mnist": "loads data for others",
}

# Scripts that would go on for long: after how many calls they are stopped.
CALLS = {
    "bayesian_optimization": 70,
    "convnet": 2,
    "fluidsim": 2,
    "generative_adversarial_net": 5,  # then it collapses, as its author says, to rounding noise
    "hmm_em": 2,
    "lstm": 3,
    "rnn": 3,
    "wing": 2,
}

# Autograd's own derivative of an iteration that ends at a tolerance of 1e-4 is no better.
LOOSE = {"fixed_points": 5e-3}

# The edits: random weights get a seed; NumPy's `full` asks no operand what it is.
EDITS = {
    "convnet": ("npr.RandomState()", "npr.RandomState(0)"),
    "define_gradient": ("np.full(x_shape, ", "(np.ones(x_shape) * "),
}


class Enough(BaseException):
    """Ends an example whose calls have all been seen."""


class Calls:
    """What was differentiated: a label, arguments and result of each outermost call."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self.depth = 0
        self.found: list[tuple[str, list[np.ndarray], list[np.ndarray]]] = []

    def noting(self, transform: Callable[..., Any], name: str) -> Callable[..., Any]:
        """The transform, with the calls of what it returns noted."""

        def noted(f: Any, *args: Any, **kwargs: Any) -> Any:
            derivative = transform(f, *args, **kwargs)
            code = getattr(f, "__code__", None)
            own = code is not None and Path(code.co_filename).parent == self.folder
            label = f"{name}({f.__name__}{f':{code.co_firstlineno}' if own else ''})"

            def call(*xs: Any, **options: Any) -> Any:
                given = [] if self.depth else leaves(xs)
                self.depth += 1
                try:
                    result = derivative(*xs, **options)
                finally:
                    self.depth -= 1
                if not self.depth:
                    self.found.append((label, given, leaves(result)))
                    if len(self.found) >= self.limit:
                        raise Enough
                return result

            call.__name__ = label
            return call

        return noted


def leaves(tree: Any) -> list[np.ndarray]:
    """The numbers in a nesting of containers as arrays; anything else is passed over."""
    if isinstance(tree, dict):
        return [x for k in sorted(tree) for x in leaves(tree[k])]
    if isinstance(tree, list | tuple):
        return [x for branch in tree for x in leaves(branch)]
    is_number = isinstance(tree, ad.Tensor | np.ndarray | np.generic | int | float | complex)
    return [np.array(plain(tree))] if is_number else []


def plain(x: Any) -> Any:
    """A tensor's array."""
    return x.detach().numpy() if isinstance(x, ad.Tensor) else x


# -- what stands for the rest of the world ---------------------------------------------------------


def descend(gradient: Any, x: Any, callback: Any = None, num_iters: int = 100, **_: Any) -> Any:
    """Three plain steps, in the place of `adam` and `sgd`."""
    for i in range(min(3, num_iters)):
        g = gradient(x, i)
        if callback:
            callback(x, i, g)
        x = moved(x, g)
    return x


def moved(x: Any, g: Any) -> Any:
    """A tree less a small multiple of another."""
    if isinstance(x, dict):
        return {k: moved(x[k], g[k]) for k in x}
    if isinstance(x, list | tuple):
        return type(x)(moved(a, b) for a, b in zip(x, g, strict=True))
    return plain(x) - 1e-3 * plain(g)


def minimize(f: Any, x0: Any, jac: Any = None, hessp: Any = None, **options: Any) -> Any:
    """SciPy's, without a search: evaluates everything at two points."""
    rng = np.random.default_rng(0)
    points = [np.array(x0), x0 + 0.01 * rng.normal(size=np.shape(x0))]
    for x in points:
        f(x)
        if callable(jac):
            jac(x)
        if hessp is not None:
            hessp(x, rng.normal(size=x.shape))
    if options.get("callback"):
        options["callback"](points[-1])
    return types.SimpleNamespace(x=points[-1])


def newton(f: Any, x0: Any, fprime: Any, fprime2: Any) -> Any:
    """SciPy's, without a search."""
    for x in (1.0 * x0, 1.5 * x0):
        for derivative in (f, fprime, fprime2):
            derivative(x)
    return 4.0 * x0


def mnist() -> Any:
    """Random pictures and labels."""
    rng = np.random.default_rng(0)
    return tuple(
        part
        for n in (48, 16)
        for part in (
            rng.integers(0, 256, (n, 28, 28)).astype(np.uint8),
            rng.integers(0, 10, n).astype(np.uint8),
        )
    )


def imread(path: str) -> np.ndarray:
    """A random picture of the rank that the script expects."""
    shape = (20, 20, 4) if "init" in path else (40, 40)
    return np.random.default_rng(0).uniform(size=shape)


def shared_stubs() -> dict[str, Any]:
    """Modules that both runs find instead of the real ones."""
    plots = MagicMock()
    plots.pyplot.imread = imread
    optimizers = types.SimpleNamespace(adam=descend, sgd=descend, rmsprop=descend)
    return {
        "matplotlib": plots,
        "scipy": types.SimpleNamespace(
            optimize=types.SimpleNamespace(minimize=minimize, newton=newton)
        ),
        "os": types.SimpleNamespace(path=os.path, system=lambda command: 0),
        "data_mnist": types.SimpleNamespace(mnist=mnist),
        "autograd.misc.optimizers": optimizers,
    }


def tree_of(modules: dict[str, dict[str, Any]]) -> types.SimpleNamespace:
    """Dotted names as nested namespaces."""
    root = types.SimpleNamespace()
    for path, content in modules.items():
        place = root
        for part in path.split("."):
            if not hasattr(place, part):
                setattr(place, part, types.SimpleNamespace())
            place = getattr(place, part)
        for name, value in content.items():
            if not isinstance(getattr(place, name, None), types.SimpleNamespace):
                setattr(place, name, value)
    return root


# -- running a script ------------------------------------------------------------------------------


class World:
    """Where a script runs: what its imports find, and which calls were noted."""

    def __init__(self, folder: Path, ours: bool, limit: int) -> None:
        self.folder = folder
        self.calls = Calls(folder, limit)
        self.stubs = shared_stubs()
        self.locals: dict[str, Any] = {}
        self.used: set[str] = set()
        self.ours = ours
        self.autograd = tree_of(COUNTERPARTS).autograd if ours else self._theirs()
        for name in TRANSFORMS:
            transform = getattr(self.autograd, name)
            setattr(self.autograd, name, self.calls.noting(transform, name))
        if ours:
            self.autograd.numpy = np
            self.autograd.builtins = builtins

    def _theirs(self) -> Any:
        import autograd
        import autograd.scipy.signal

        return types.SimpleNamespace(**vars(autograd))  # ours to change

    def find(self, name: str) -> Any:
        """The module of this name, or None for one that is imported as usual."""
        if name in self.stubs:
            return self.stubs[name]
        first, *rest = name.split(".")
        if first == "autograd" and rest and not self.ours:
            return importlib.import_module(name)
        if first == "autograd":
            found: Any = self.autograd
        elif first in self.stubs:
            found = self.stubs[first]
        elif (self.folder / f"{first}.py").exists():
            return self.load(first)
        else:
            return None
        for part in rest:
            if not hasattr(found, part):
                raise ImportError(f"{name} has no counterpart")
            found = getattr(found, part)
        return found

    def importing(
        self, name: str, where: Any = None, local: Any = None, names: Any = (), level: int = 0
    ) -> Any:
        """What an import statement calls."""
        module = self.find(name)
        if module is None:
            return builtins.__import__(name, where, local, names, level)
        for wanted in names or ():
            if self.ours and not hasattr(module, wanted):
                raise ImportError(f"{name}.{wanted} has no counterpart")
        if name.startswith("autograd") and "numpy" not in name:
            self.used |= {f"{name}.{n}".removeprefix("autograd.") for n in names or ()}
            self.used |= set() if names else {name.removeprefix("autograd.")}
        return module if names else self.find(name.partition(".")[0])

    def load(self, name: str, run_as: str | None = None) -> Any:
        """Execute a script of the folder; it is found again when it is imported again."""
        if name in self.locals:
            return self.locals[name]
        path = self.folder / f"{name}.py"
        module = types.ModuleType(run_as or name)
        module.__file__ = str(path)
        scope = vars(builtins) | {"__import__": self.importing}
        module.__dict__["__builtins__"] = scope
        self.locals[name] = module
        source = path.read_text(encoding="utf-8")
        source = source.replace(*EDITS[name]) if name in EDITS else source
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Enough):
            exec(compile(source, str(path), "exec"), module.__dict__)
        return module


@contextlib.contextmanager
def in_double() -> Iterator[None]:
    """Python's floats as float64, as in NumPy, and random numbers from the beginning."""
    before = ad.default_dtype()
    ad.set_default_dtype("float64")
    np.random.seed(0)  # noqa: NPY002  # the scripts draw from it
    with np.errstate(all="ignore"):
        try:
            yield
        finally:
            ad.set_default_dtype(before)


def run(folder: Path, name: str, ours: bool) -> World:
    """One example on one library."""
    world = World(folder, ours, CALLS.get(name, 500))
    with in_double():
        world.load(name, "__main__")
    return world


# -- comparing -------------------------------------------------------------------------------------


def distance(xs: list[np.ndarray], ys: list[np.ndarray]) -> float:
    """The largest difference, in units of the largest number in `ys`; infinite for other shapes."""
    alike = [x.shape == y.shape or x.size == y.size == 1 for x, y in zip(xs, ys, strict=False)]
    if len(xs) != len(ys) or not all(alike):
        return np.inf
    x, y = (np.concatenate([np.ravel(z) for z in zs]) for zs in (xs, ys))
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    if same.all():
        return 0.0
    gap = np.abs(x[~same] - y[~same]).max()
    finite = np.abs(y[np.isfinite(y)])
    return float(gap / finite.max(initial=np.finfo(float).tiny)) if np.isfinite(gap) else np.inf


def compare(folder: Path, name: str) -> tuple[bool, str]:
    """Whether both libraries agree on an example, and its row of the table."""
    theirs = run(folder, name, ours=False).calls.found
    try:
        world = run(folder, name, ours=True)
    except Exception as error:
        return (
            False,
            f"| {name} | | | raises {type(error).__name__}: {str(error).splitlines()[0]} |",
        )
    ours = world.calls.found
    labels = list(dict.fromkeys(label for label, _, _ in theirs))
    row = f"| {name} | {', '.join(sorted(world.used))} | {len(theirs)} of {len(labels)} "
    if [label for label, _, _ in ours] != [label for label, _, _ in theirs]:
        return False, f"{row}| other calls: {len(ours)} |"
    moved_apart = max((distance(a, b) for (_, a, _), (_, b, _) in zip(ours, theirs, strict=True)))
    worst = max((distance(a, b) for (_, _, a), (_, _, b) in zip(ours, theirs, strict=True)))
    good = max(worst, moved_apart) < LOOSE.get(name, TOLERANCE)
    return good, f"{row}| {worst:.1e}{'' if good else f' (arguments {moved_apart:.1e})'} |"


def examples(checkout: Path) -> Iterator[tuple[Path, str]]:
    """Folder and name of each script."""
    for path in sorted((checkout / "examples").rglob("*.py")):
        if path.stem not in LEFT_OUT and path.stem != "__init__":
            yield path.parent, path.stem


def main() -> int:
    """Print the table; 1 if an example disagrees."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given = os.environ.get("AUTOGRAD_CHECKOUT")
    parser.add_argument("checkout", nargs="?", type=Path, default=given and Path(given))
    parser.add_argument("--only", help="names of examples, separated by commas")
    parser.add_argument("--write", type=Path, help="also write the table to this file")
    args = parser.parse_args()
    if args.checkout is None:
        print("no checkout of HIPS autograd: give its path, or set AUTOGRAD_CHECKOUT")
        return 0
    only = args.only.split(",") if args.only else None
    rows = [
        "| example | names of autograd | calls of functions | largest relative difference |",
        "| --- | --- | ---: | ---: |",
    ]
    agree = []
    for folder, name in examples(args.checkout):
        if only is None or name in only:
            print(name, file=sys.stderr, flush=True)
            good, row = compare(folder, name)
            agree.append(good)
            rows.append(row)
    loose = "".join(f", {name} to {limit:.0e}" for name, limit in LOOSE.items())
    rows += ["", f"{sum(agree)} of {len(agree)} agree: to {TOLERANCE:.0e}{loose}. Left out:", ""]
    rows += [f"- {name}: {why}" for name, why in LEFT_OUT.items()]
    text = "\n".join(rows)
    print(text)
    if args.write:
        args.write.write_text(text + "\n", encoding="utf-8")
    return 0 if all(agree) else 1


if __name__ == "__main__":
    sys.exit(main())
