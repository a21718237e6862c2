"""Modules that hold modules or parameters in order, or under keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import adjoint as ad
from adjoint.nn.module import Module
from adjoint.nn.parameter import Parameter

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


class AbstractIndexed(Module):
    """What is registered under the names ``0``, ``1``, …, read by index and slice."""

    def _values(self) -> list[Any]:
        return [vars(self)[name] for name in self._names()]

    def _names(self) -> list[str]:
        raise NotImplementedError

    def _renumber(self, values: Iterable[Any]) -> None:
        for name in self._names():
            delattr(self, name)
        for i, value in enumerate(values):
            setattr(self, str(i), value)

    def __len__(self) -> int:
        return len(self._names())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values())

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(*self._given(self._values()[index]))
        return self._values()[self._at(index)]

    def __setitem__(self, index: int, value: Any) -> None:
        values = self._values()
        values[self._at(index)] = value
        self._renumber(values)

    def __delitem__(self, index: int | slice) -> None:
        values = self._values()
        del values[index if isinstance(index, slice) else self._at(index)]
        self._renumber(values)

    def _at(self, index: int) -> int:
        n = len(self)
        if not -n <= index < n:
            raise ad.errors.AxisError(f"{type(self).__name__}: index {index}, but it holds {n}")
        return index

    def _given(self, values: list[Any]) -> tuple[Any, ...]:
        """The arguments of the constructor for these values."""
        return (values,)

    def append(self, value: Any) -> Self:
        """Add one at the end."""
        setattr(self, str(len(self)), value)
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Add several at the end."""
        for value in values:
            self.append(value)
        return self

    def insert(self, index: int, value: Any) -> None:
        """Put one before the place `index`."""
        values = self._values()
        values.insert(index, value)
        self._renumber(values)


class AbstractModules(AbstractIndexed):
    """Modules under the names ``0``, ``1``, …."""

    def _names(self) -> list[str]:
        return list(self._children)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.isdigit() and not isinstance(value, Module):
            raise ad.errors.ArgumentError(
                f"{type(self).__name__}: {type(value).__name__} is not a module"
            )
        super().__setattr__(name, value)


class Sequential(AbstractModules):
    """Modules that are called one after the other, each with the result of the one before.

    Args:
        modules: the modules; or one dict from names to modules.

    Example:
        >>> model = ad.nn.Sequential(ad.nn.Linear(4, 8), ad.nn.ReLU(), ad.nn.Linear(8, 1))
        >>> model
        Sequential(  # 49 parameters
          (0): Linear(in_features=4, out_features=8)  # 40
          (1): ReLU()
          (2): Linear(in_features=8, out_features=1)  # 9
        )
        >>> model(ad.ones((5, 4))).shape
        (5, 1)
    """

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.register_module(name, module)
        else:
            self.extend(modules)

    def _given(self, values: list[Any]) -> tuple[Any, ...]:
        return tuple(values)

    def forward(self, x: Any) -> Any:
        """The result of the last module."""
        for name in self._children:
            x = vars(self)[name](x)
        return x


class ModuleList(AbstractModules):
    """A list of modules, which registers them; it has no forward pass of its own.

    Args:
        modules: the modules.

    Example:
        >>> layers = ad.nn.ModuleList(ad.nn.Linear(4, 4) for _ in range(3))
        >>> len(layers), len(list(layers.parameters()))
        (3, 6)
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self.extend(modules)


class AbstractKeyed(Module):
    """What is registered under names that the user chooses, read by them."""

    def _registry(self) -> dict[str, None]:
        raise NotImplementedError

    def update(self, values: Mapping[str, Any]) -> None:
        """Add values, or replace those of the same names."""
        for name, value in values.items():
            self[name] = value

    def keys(self) -> Iterable[str]:
        """The names, in order."""
        return self._registry().keys()

    def values(self) -> list[Any]:
        """The values, in order."""
        return [vars(self)[name] for name in self._registry()]

    def items(self) -> list[tuple[str, Any]]:
        """Names and values, in order."""
        return [(name, vars(self)[name]) for name in self._registry()]

    def pop(self, name: str) -> Any:
        """Take a value out and return it."""
        value = self[name]
        del self[name]
        return value

    def __getitem__(self, name: str) -> Any:
        if name not in self._registry():
            known = ", ".join(self._registry()) or "none"
            raise KeyError(f"{type(self).__name__}: no {name!r}; the names are: {known}")
        return vars(self)[name]

    def __setitem__(self, name: str, value: Any) -> None:
        raise NotImplementedError

    def __delitem__(self, name: str) -> None:
        delattr(self, name)

    def __len__(self) -> int:
        return len(self._registry())

    def __iter__(self) -> Iterator[str]:
        return iter(self._registry())

    def __contains__(self, name: object) -> bool:
        return name in self._registry()


class ModuleDict(AbstractKeyed):
    """A dict of modules, which registers them; it has no forward pass of its own.

    Args:
        modules: names and modules.

    Example:
        >>> heads = ad.nn.ModuleDict({"mean": ad.nn.Linear(4, 1), "scale": ad.nn.Linear(4, 1)})
        >>> sorted(heads.keys())
        ['mean', 'scale']
        >>> heads["mean"](ad.ones(4)).shape
        (1,)
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        self.update(modules or {})

    def _registry(self) -> dict[str, None]:
        return self._children

    def __setitem__(self, name: str, value: Module) -> None:
        self.register_module(name, value)


class ParameterDict(AbstractKeyed):
    """A dict of parameters, which registers them; tensors and arrays become parameters.

    Args:
        values: names and parameters.

    Example:
        >>> scales = ad.nn.ParameterDict({"left": ad.ones(2), "right": ad.zeros(3)})
        >>> [name for name, _ in scales.named_parameters()]
        ['left', 'right']
    """

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self.update(values or {})

    def _registry(self) -> dict[str, None]:
        return self._parameters

    def __setitem__(self, name: str, value: Any) -> None:
        is_parameter = isinstance(value, Parameter)
        self.register_parameter(name, value if is_parameter else Parameter(value))


class ParameterList(AbstractIndexed):
    """A list of parameters, which registers them; tensors and arrays become parameters.

    Args:
        values: the parameters.

    Example:
        >>> scales = ad.nn.ParameterList([ad.ones(2), ad.zeros(3)])
        >>> [name for name, _ in scales.named_parameters()]
        ['0', '1']
    """

    def __init__(self, values: Iterable[Any] = ()) -> None:
        self.extend(values)

    def _names(self) -> list[str]:
        return list(self._parameters)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.isdigit() and not isinstance(value, Parameter):
            value = Parameter(value)
        super().__setattr__(name, value)
