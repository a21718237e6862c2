"""no_grad and grad_enabled: whether operations are recorded, for the current thread."""

from __future__ import annotations

from contextlib import AbstractContextManager, ContextDecorator
from types import TracebackType

from adjoint.core.bind import setting, state

__all__ = ["grad_enabled", "is_grad_enabled", "no_grad"]


class grad_enabled(ContextDecorator):  # used like a function
    """Record operations, or do not, inside a block or a decorated function.

    Args:
        mode: whether to record.

    Example:
        >>> x = ad.tensor(2.0, requires_grad=True)
        >>> with ad.grad_enabled(False):
        ...     y = x * x
        >>> y.requires_grad
        False
    """

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)
        self._open: list[AbstractContextManager[None]] = []

    def __enter__(self) -> None:
        block = setting(recording=self.mode)
        block.__enter__()
        self._open.append(block)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.pop().__exit__(kind, error, trace)

    def _recreate_cm(self) -> grad_enabled:
        return type(self)(self.mode)


class no_grad(grad_enabled):
    """Do not record operations inside a block or a decorated function.

    Example:
        >>> x = ad.tensor(2.0, requires_grad=True)
        >>> with ad.no_grad():
        ...     x.assign(x - 0.5)
        tensor(1.5, requires_grad=True)

    **Gradient:** none flows through what is computed inside.
    """

    def __init__(self) -> None:
        super().__init__(False)

    def _recreate_cm(self) -> no_grad:
        return type(self)()


def is_grad_enabled() -> bool:
    """Whether operations are recorded in this thread.

    Example:
        >>> with ad.no_grad():
        ...     ad.is_grad_enabled()
        False
    """
    return state.recording
