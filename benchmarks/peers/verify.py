"""Do the systems do the same work? What they did to the parameters, tensor by tensor.

The losses of a few steps are blunt: on several workloads they stay where they are when weight decay
is left out, or the update of an embedding. So each system trains from the same start, and its
updates are compared with those of the reference::

    deviation = ‖p - p_reference‖ / ‖p_reference - p_start‖

over all parameters together, and for the worst tensor. The rows in brackets are the reference
itself with a setting altered: what a real difference looks like. "1 ulp noise" perturbs the start
and the inputs by errors of rounding: below it nothing can be told. A system differs above a
tolerance, or above five times the noise where that is more (batch normalisation amplifies it).

The bias of gpt's qkv is left out of the worst: the gradient of the keys' bias is zero, so that Adam
makes full steps of rounding errors there.
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from peers import workloads
from peers.measure import set_affinity
from peers.names import MODULES, base, supported
from peers.rounds import environment, process, say
from peers.workloads import Workload

NOISE = "1 ulp noise"


def _perturb(wl: Workload) -> None:
    rng = np.random.default_rng(0)

    def noise(shape: tuple[int, ...]) -> Any:
        return (1 + 6e-8 * rng.standard_normal(shape)).astype(np.float32)

    wl.batches = [(x * noise(x.shape) if x.dtype == np.float32 else x, y) for x, y in wl.batches]
    for p in wl.params.values():
        p *= noise(p.shape)


def _set(name: str, change: Callable[[float], float]) -> Callable[[Workload], None]:
    def alter(wl: Workload) -> None:
        wl.optimizer[name] = change(wl.optimizer[name])

    return alter


ALTERED: dict[str, tuple[str, Callable[[Workload], None]]] = {
    NOISE: ("lr", _perturb),
    "lr +1%": ("lr", _set("lr", lambda lr: lr * 1.01)),
    "no weight decay": ("weight_decay", _set("weight_decay", lambda _: 0.0)),
    "momentum -1%": ("momentum", _set("momentum", lambda m: m * 0.99)),
    "b2 0.998": ("b2", _set("b2", lambda _: 0.998)),
}
"""What is done to the reference, and the setting that the optimizer must have for it."""


def export(system: str, workload: str, altered: str, path: str) -> None:
    """Train for the steps that are compared, and save losses and parameters."""
    module = importlib.import_module(f"peers.{MODULES[base(system)]}")
    wl = workloads.build(workload)
    if altered:
        ALTERED[altered][1](wl)
    peer = module.Peer(base(system), wl, 2)
    losses = [peer.value(peer.step(i)) for i in range(wl.check_steps)]
    np.savez(path, __losses__=np.array(losses), **peer.export())


def trained(system: str, workload: str, altered: str, timeout: float) -> dict[str, Any]:
    """Parameters after the steps that are compared, from a process of its own."""
    with tempfile.TemporaryDirectory(prefix="steps-") as folder:
        path = str(Path(folder) / "parameters.npz")
        env = environment(system, 2, Path(folder) / "cache")
        process("peers.verify", [system, workload, altered, path], env, timeout)
        with np.load(path) as file:
            return {name: file[name] for name in file.files}


def deviation(wl: Workload, p: dict[str, Any], ref: dict[str, Any]) -> dict[str, Any]:
    """How far updates are from those of the reference."""
    off = size = worst = 0.0
    where = "-"
    for name, start in wl.params.items():
        a, b = p[name].astype(np.float64), ref[name].astype(np.float64)
        if a.shape != start.shape:
            raise ValueError(f"{name}: shape {a.shape} instead of {start.shape}")
        n, d = float(np.sum((a - b) ** 2)), float(np.sum((b - start) ** 2))
        off, size = off + n, size + d
        if not name.endswith("qkv.b") and d > 0 and (n / d) ** 0.5 > worst:
            worst, where = (n / d) ** 0.5, name
    loss = float(np.max(np.abs(p["__losses__"] / ref["__losses__"] - 1)))
    return {"all": (off / size) ** 0.5, "worst": worst, "where": where, "loss": loss}


def compare(
    workload: str, systems: Iterable[str], reference: str, tolerance: float, timeout: float
) -> dict[str, dict[str, Any]]:
    """Deviations of the altered references, in brackets, and of the systems on a workload."""
    wl = workloads.build(workload)
    runs = [(reference, name) for name, (needs, _) in ALTERED.items() if wl.optimizer.get(needs)]
    runs += [(s, "") for s in systems if s != reference and supported(s, workload)]
    ref = trained(reference, workload, "", timeout)
    found: dict[str, dict[str, Any]] = {}
    floor = 0.0
    for system, altered in runs:
        label = f"[{altered}]" if altered else system
        try:
            row = deviation(wl, trained(system, workload, altered, timeout), ref)
        except (RuntimeError, ValueError) as error:
            row = {"error": str(error), "same": False}
            say(f"{workload} {label}: failed: {error}")
        else:
            floor = row["all"] if altered == NOISE else floor
            row["same"] = bool(altered) or bool(row["all"] <= max(tolerance, 5 * floor))
            say(
                f"{workload} {label}: all {row['all']:.1e}, worst {row['worst']:.1e} "
                f"({row['where']}), loss {row['loss']:.1e}" + ("" if row["same"] else "  DIFFERS")
            )
        found[label] = row
    return found


def main() -> None:
    """Train one system and save its parameters."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("system", "workload", "altered", "path"):
        parser.add_argument(name)
    args = parser.parse_args()
    set_affinity(2)
    export(args.system, args.workload, args.altered, args.path)


if __name__ == "__main__":
    main()
