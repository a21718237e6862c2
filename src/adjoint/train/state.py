"""The state of a training as one tree, and back: nothing that the next step reads is left out."""

from __future__ import annotations

from typing import Any

import adjoint as ad
from adjoint.train.errors import CheckpointError


def generators(model: Any) -> dict[str, Any]:
    """The generators that random numbers come from: the default one, and those of layers."""
    found: dict[str, Any] = {"default": ad.random.default_generator()}
    if hasattr(model, "named_modules"):
        for path, module in model.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, ad.random.Generator):
                    found[f"{path}:{name}"] = value
    return found


def snapshot(model: Any, optimizer: Any, schedule: Any, ema: Any) -> dict[str, Any]:
    """The part of the state that a faulty step may have spoilt, as a copy."""
    weights = {name: ad.tensor(x.detach()) for name, x in model.state_dict().items()}
    return {
        "model": weights,
        "optimizer": optimizer.state_dict(),
        "schedule": None if schedule is None else schedule.state_dict(),
        "ema": None if ema is None else ema.state_dict(),
    }


def restore(saved: dict[str, Any], model: Any, optimizer: Any, schedule: Any, ema: Any) -> None:
    """Go back to a snapshot.

    Raises:
        CheckpointError: if it is of another model, optimizer or schedule; nothing is changed in
            the first two cases.
    """
    try:
        for name, thing in (("schedule", schedule), ("ema", ema)):
            if (saved[name] is None) != (thing is None):
                word = "without" if saved[name] is None else "with"
                raise CheckpointError(f"The checkpoint is of a run {word} {name}.")
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        if schedule is not None:
            schedule.load_state_dict(saved["schedule"])
            optimizer.load_state_dict(saved["optimizer"])  # the learning rates as they were
        if ema is not None:
            ema.load_state_dict(saved["ema"])
    except (ad.errors.ArgumentError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"The checkpoint does not fit this training:\n{error}\n"
            "  Try: the same model and optimizer, or another folder for the run."
        ) from None


def save_generators(model: Any) -> dict[str, Any]:
    """Where the streams of random numbers stand."""
    return {
        name: ad.tensor(generator.state_dict()["state"])
        for name, generator in generators(model).items()
    }


def restore_generators(saved: dict[str, Any], model: Any) -> None:
    """Go on with the random numbers where they stood."""
    found = generators(model)
    if saved.keys() != found.keys():
        raise CheckpointError(
            f"The checkpoint has random generators {sorted(saved)}, the model {sorted(found)}."
        )
    for name, generator in found.items():
        generator.load_state_dict({"state": saved[name]})


def first_not_finite(model: Any) -> str | None:
    """The first parameter or buffer that holds a NaN or an infinity; None if all are well."""
    for name, x in model.state_dict().items():
        if ad.isdtype(x.dtype, ("real floating", "complex floating")) and not bool(
            ad.all(ad.isfinite(x.detach()))
        ):
            return name
    return None
