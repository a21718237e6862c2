"""Connectionist temporal classification: the surprise at a sequence whose timing is not known.

The forward recursion runs over time in logarithms as a scan; its derivative is that of the scan.
Impossible paths have the logarithm `NEVER` instead of minus infinity, whose differences would be
no numbers.

Source: Graves, Fernández, Gomez, Schmidhuber, Connectionist temporal classification: labelling
unsegmented sequence data with recurrent neural networks (2006).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

import adjoint as ad
from adjoint.nn.loss_class import checked_labels
from adjoint.nn.reduction import reduced
from adjoint.nn.refusal import refusal

__all__ = ["ctc_loss"]

NEVER: Final = -1e30


def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:
    """Minus the log-probability of the targets, summed over all ways to time them.

    Args:
        log_probs: log-probabilities, (time, batch, classes), or (time, classes) for one sequence.
        targets: labels, (batch, n), of which the first `target_lengths` count; or all sequences
            one after the other, (sum of the lengths,), if the lengths are known.
        input_lengths: (batch,): how many times count.
        target_lengths: (batch,): how many labels each sequence has.
        blank: the class that stands for no label.
        reduction: ``"mean"`` (of the losses divided by the lengths of their targets), ``"sum"``,
            ``"none"`` or ``"parts"``: sum of the divided losses, and count.
        zero_infinity: whether the infinite loss of a target that does not fit into its input is 0.

    Raises:
        ArgumentError: if a label is out of range.
        ShapeError: if the shapes do not fit.

    Example:
        >>> log_p = ad.log(ad.full((2, 1, 2), 0.5))  # two times, two classes
        >>> loss = ad.nn.functional.ctc_loss(log_p, [[1]], [2], [1])
        >>> round(float(ad.exp(-loss)), 4)  # of the four paths, these are 1 1, 0 1 and 1 0
        0.75
    """
    x = ad.asarray(log_probs)
    single = x.ndim == 2
    if single:
        x = x[:, None]
    if x.ndim != 3:
        fact = f"log_probs are (time, batch, classes) or (time, classes), got {x.shape}"
        raise refusal(ad.errors.ShapeError, fact, "ctc_loss", [("log_probs", x)])
    batch = x.shape[1]
    times, lengths = (ad.asarray(n).reshape(batch) for n in (input_lengths, target_lengths))
    labels = _labels(ad.asarray(targets), lengths, x.shape[2], blank, single)
    losses = -_log_probability(x, labels, times, lengths, blank)
    possible = losses < -NEVER / 2
    losses = ad.where(possible, losses, 0.0 if zero_infinity else ad.inf)
    if reduction in ("mean", "parts"):
        losses = losses / ad.maximum(lengths, 1).astype(x.dtype)
    if single and reduction == "none":
        losses = losses[0]
    return reduced("ctc_loss", losses, reduction)


def _labels(targets: Any, lengths: Any, classes: int, blank: int, single: bool) -> Any:
    """The labels as (batch, n), with blanks where no label counts."""
    batch = lengths.shape[0]
    if single and targets.ndim == 1:
        targets = targets[None]
    if targets.ndim == 1:
        ends = np.cumsum(lengths.numpy())
        longest = int(lengths.numpy().max(initial=0))
        starts = ends - lengths.numpy()
        at = starts[:, None] + np.arange(longest)
        last = max(targets.shape[0] - 1, 0)
        targets = ad.take(targets, ad.tensor(np.minimum(at, last)), axis=0)
    if targets.ndim != 2 or targets.shape[0] != batch:
        raise ad.errors.ShapeError(
            f"ctc_loss: targets have shape {targets.shape} for a batch of {batch}"
        )
    counts = ad.arange(targets.shape[1]) < lengths[:, None]
    return checked_labels("ctc_loss", ad.where(counts, targets, blank), classes)


def _log_probability(x: Any, labels: Any, times: Any, lengths: Any, blank: int) -> Any:
    """The logarithm of the sum over all paths, (batch,)."""
    steps, batch, _ = x.shape
    states = 2 * labels.shape[1] + 1
    blanks = ad.full_like(labels, blank)
    between = ad.stack([blanks, labels], axis=2).reshape(batch, states - 1)
    extended = ad.concat([between, ad.full((batch, 1), blank, dtype=labels.dtype)], axis=1)
    index = ad.broadcast_to(extended, (steps, batch, states))
    emitted = ad.maximum(ad.take_along_axis(x, index, axis=2), NEVER)
    before = ad.concat([ad.full((batch, 2), -1, dtype=labels.dtype), extended[:, :-2]], axis=1)
    skips = ((extended != blank) & (extended != before))[:, :states]
    never = ad.full((batch, 2), NEVER, dtype=x.dtype)
    first = ad.arange(states) < 2

    def step(alpha: Any, now: Any) -> tuple[Any, None]:
        t, emission = now
        padded = ad.concat([never, alpha], axis=1)
        skipped = ad.where(skips, padded[:, :states], NEVER)
        paths = ad.stack([alpha, padded[:, 1 : states + 1], skipped])
        moved = ad.maximum(ad.logsumexp(paths, axis=0) + emission, NEVER)
        return ad.where((t < times)[:, None], moved, alpha), None

    alpha = ad.where(first, emitted[0], NEVER)
    if steps > 1:
        alpha, _ = ad.scan(step, alpha, (ad.arange(1, steps), emitted[1:]))
    last = ad.take_along_axis(alpha, 2 * lengths[:, None], axis=1)[:, 0]
    label = ad.take_along_axis(alpha, ad.maximum(2 * lengths[:, None] - 1, 0), axis=1)[:, 0]
    return ad.where(lengths > 0, ad.logaddexp(last, label), last)
