"""The state of an optimizer as plain containers, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.optim.group import ParamGroup

Optimizer = Any  # whose module imports this one


def dump(opt: Optimizer) -> dict[str, Any]:
    """What `Optimizer.state_dict` returns."""
    state: dict[str, Any] = {}
    for group in opt.param_groups:
        counts = group.steps.tolist()
        for i, name in enumerate(group.names):
            arrays = {key: ad.tensor(x.numpy()) for key, x in opt.state[name].items()}
            numbers = {key: x.tolist()[i] for key, x in group.running.items()}
            state[name] = {"step": int(counts[i]), **numbers, **arrays}
    groups = [
        {"params": list(g.names)}
        | {k: _listed(v) for k, v in g.items() if k not in ("params", "names")}
        for g in opt.param_groups
    ]
    return {"optimizer": type(opt).__name__, "state": state, "param_groups": groups}


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def restore(opt: Optimizer, saved: Mapping[str, Any]) -> None:
    """What `Optimizer.load_state_dict` does: everything is checked before anything is changed."""
    check(opt, saved)
    for group, options in zip(opt.param_groups, saved["param_groups"], strict=True):
        for key, value in options.items():
            if key != "params":
                group[key] = tuple(value) if isinstance(value, list) else value
        _restore_group(opt, group, saved["state"])


def _restore_group(opt: Optimizer, group: ParamGroup, saved: Mapping[str, Any]) -> None:
    entries = [saved[name] for name in group.names]
    group.steps.assign(np.array([float(e["step"]) for e in entries]))
    for key, held in group.running.items():
        held.assign(np.array([float(e[key]) for e in entries]))
    for name, entry in zip(group.names, entries, strict=True):
        for key, held in opt.state[name].items():
            if key in entry:
                held.assign(ad.tensor(entry[key]))


def check(opt: Optimizer, saved: Mapping[str, Any]) -> None:
    """Raise if the state does not fit, with the differences listed."""
    owner = f"{type(opt).__name__}.load_state_dict"
    if not {"state", "param_groups"} <= set(saved):
        raise ad.errors.ArgumentError(
            f"{owner}: this is no state of an optimizer; it has {', '.join(map(repr, saved))}, "
            "and needs 'state' and 'param_groups'"
        )
    made = saved.get("optimizer", type(opt).__name__)
    if made != type(opt).__name__:
        raise ad.errors.ArgumentError(f"{owner}: this is the state of {made}")
    problems = _differences(opt, saved)
    if problems:
        raise ad.errors.ArgumentError(
            "\n    ".join([f"{owner}: the state does not fit:", *problems])
        )


def _differences(opt: Optimizer, saved: Mapping[str, Any]) -> list[str]:
    mine = [list(group.names) for group in opt.param_groups]
    theirs = [list(group["params"]) for group in saved["param_groups"]]
    if len(mine) != len(theirs):
        return [f"it has {len(theirs)} groups of parameters, the optimizer {len(mine)}"]
    known, found = {n for row in mine for n in row}, {n for row in theirs for n in row}
    problems = [f"missing: {name}" for row in mine for name in row if name not in found]
    problems += [f"unexpected: {name}" for row in theirs for name in row if name not in known]
    if not problems and mine != theirs:
        problems = ["the same parameters are in other groups, or in another order"]
    for name in known & found:
        entry = saved["state"].get(name)
        if entry is None:
            problems.append(f"missing: state of {name}")
            continue
        problems += _array_differences(name, opt.state[name], entry)
    return problems


def _array_differences(name: str, mine: Mapping[str, Any], entry: Mapping[str, Any]) -> list[str]:
    problems: list[str] = []
    arrays = {key: x for key, x in entry.items() if hasattr(x, "shape") and x.shape != ()}
    for key, held in mine.items():
        if key not in entry:
            problems.append(f"missing: {key} of {name}")
        elif tuple(entry[key].shape) != held.shape:
            problems.append(f"{key} of {name} is {tuple(entry[key].shape)}, needed is {held.shape}")
    problems += [f"unexpected: {key} of {name}" for key in arrays if key not in mine]
    return problems
