"""Forward hooks: functions that see, and may replace, what goes into a module and comes out."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Final, Self

__all__ = ["HookHandle"]

_numbers: Final = itertools.count()


class HookHandle:
    """A registered hook, which can be removed; as a context manager it is removed at the end.

    Args:
        registry: where the hooks of a module are.
        hook: the function.

    Example:
        >>> layer = ad.nn.Identity()
        >>> with layer.register_forward_hook(lambda module, args, result: result + 1):
        ...     layer(ad.tensor(1.0))
        tensor(2.)
        >>> layer(ad.tensor(1.0))
        tensor(1.)
    """

    def __init__(self, registry: dict[int, Callable[..., Any]], hook: Callable[..., Any]) -> None:
        self._registry = registry
        self._number = next(_numbers)
        registry[self._number] = hook

    def remove(self) -> None:
        """Take the hook away; a second time does nothing."""
        self._registry.pop(self._number, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


def call_with_hooks(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a module's forward pass between its hooks."""
    for hook in tuple(module._pre_hooks.values()):
        new = hook(module, args)
        if new is not None:
            args = new if isinstance(new, tuple) else (new,)
    result = module.forward(*args, **kwargs)
    for hook in tuple(module._hooks.values()):
        new = hook(module, args, result)
        if new is not None:
            result = new
    return result
