"""Module: a tree of parameters, buffers and modules with a forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import adjoint as ad
from adjoint.compiler import changed, rely
from adjoint.nn.hooks import HookHandle, call_with_hooks
from adjoint.nn.parameter import Parameter
from adjoint.nn.place import say_where
from adjoint.nn.skeleton import PLACES, Skeleton, twin_of
from adjoint.nn.state import LoadResult, load
from adjoint.nn.text import module_repr, module_tree

__all__ = ["Module"]

Named = Iterator[tuple[str, Any]]


class Module:
    """A part of a network: define `forward`, assign parameters and modules to attributes.

    What is assigned registers under the attribute's name: a `Parameter` among the parameters, a
    module among the children; `register_buffer` registers tensors that belong to the state and are
    not trained. Paths join the names by dots, such as ``layers.0.weight``.

    A module is also a tree for the transforms: its leaves are the parameters that are not frozen.
    ``ad.grad(loss)(module)`` is a module whose parameters are the gradients. Buffers and frozen
    parameters are carried along as they are.

    Attributes:
        training: whether the module trains (the default) or is evaluated; see `train`.

    Example:
        >>> class Affine(ad.nn.Module):
        ...     def __init__(self):
        ...         self.scale = ad.nn.Parameter([1.0, 2.0])
        ...
        ...     def forward(self, x):
        ...         return self.scale * x
        >>> affine = Affine()
        >>> affine(3.0)
        tensor([3., 6.], requires_grad=True)
        >>> [name for name, _ in affine.named_parameters()]
        ['scale']
    """

    training: bool
    _parameters: dict[str, None]
    _buffers: dict[str, bool]  # name -> whether it is saved
    _children: dict[str, None]
    _pre_hooks: dict[int, Callable[..., Any]]
    _hooks: dict[int, Callable[..., Any]]
    _path: str  # in the outermost module

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:  # noqa: D102
        # here rather than in __init__, so that nobody has to call super().__init__() first
        self = super().__new__(cls)
        vars(self).update(
            training=True,
            _parameters={},
            _buffers={},
            _children={},
            _pre_hooks={},
            _hooks={},
            _path="",
        )
        return self

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__call__" in vars(cls) and "forward" not in vars(cls):
            cls.forward = vars(cls)["__call__"]  # a layer may be written with either
            del cls.__call__

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The result of the module; each class defines its own. Call the module, not this."""
        raise ad.errors.ArgumentError(
            f"{type(self).__name__} has no forward pass: define forward(self, ...)"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What `forward` returns, after the hooks; an error says where in the network it arose."""
        try:
            rely(self, "training")
            if self._pre_hooks or self._hooks:
                return call_with_hooks(self, args, kwargs)
            return self.forward(*args, **kwargs)
        except Exception as error:
            say_where(error, self)
            raise

    # -- registration --------------------------------------------------------------------------

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """Register a parameter under a name, or None where a layer has no such parameter."""
        self._check_name(name)
        self._forget(name, self._parameters)
        self._parameters[name] = None
        vars(self)[name] = parameter
        if isinstance(parameter, Parameter):
            parameter.name = _join(self._path, name)

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Register a tensor that belongs to the state and is not trained.

        Args:
            name: the attribute's name.
            tensor: the tensor, anything that `ad.tensor` takes, or None.
            persistent: whether it is part of `state_dict`.
        """
        self._check_name(name)
        self._forget(name, self._buffers)
        self._buffers[name] = persistent
        vars(self)[name] = None if tensor is None else ad.asarray(tensor)

    def register_module(self, name: str, module: Module | None) -> None:
        """Register a module as a child under a name, or None where there is no such child."""
        self._check_name(name)
        self._forget(name, self._children)
        self._children[name] = None
        vars(self)[name] = module
        if module is not None:
            module._settle(_join(self._path, name))

    add_module = register_module

    def _settle(self, path: str) -> None:
        """Tell everything below where it stands in the outermost module."""
        for relative, module in self.named_modules():
            module._path = _join(path, relative)
            for name in module._parameters:
                parameter = vars(module)[name]
                if isinstance(parameter, Parameter):
                    parameter.name = _join(module._path, name)

    def _check_name(self, name: str) -> None:
        if not name or "." in name:
            raise ad.errors.ArgumentError(f"{name!r} cannot name a part: it is empty or has a dot")
        if hasattr(type(self), name) and callable(getattr(type(self), name)):
            raise ad.errors.ArgumentError(
                f"{name!r} cannot name a part of {type(self).__name__}, which has such a method"
            )

    def _forget(self, name: str, keep: dict[str, Any] | None = None) -> None:
        """Take a name out of the registries, but not out of one where it keeps its place."""
        for registry in (self._parameters, self._buffers, self._children):
            if registry is not keep:
                registry.pop(name, None)
        vars(self).pop(PLACES, None)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            if vars(self).get(name) is not value:  # `layer.weight += 1` changes it in place
                self.register_parameter(name, value)
        elif isinstance(value, Module):
            self.register_module(name, value)
        elif name in self._parameters and value is not None:
            if vars(self)[name] is not value:
                raise ad.errors.ArgumentError(
                    f"{name} is a parameter, which {type(value).__name__} cannot replace\n"
                    f"  Try: with ad.no_grad(): module.{name}.assign(...), "
                    f"or module.{name} = ad.nn.Parameter(...)."
                )
        elif name in self._buffers:
            self._set_buffer(name, value)
        else:
            _refuse_hidden(name, value)
            vars(self)[name] = value
            if name == "training":
                changed()

    def _set_buffer(self, name: str, value: Any) -> None:
        """Give a buffer another value: by assignment where it fits, so that it can be staged."""
        old = vars(self)[name]
        if old is value:
            return
        new = None if value is None else ad.asarray(value)
        if old is None or new is None or (old.shape, old.dtype) != (new.shape, new.dtype):
            vars(self)[name] = new
        else:
            old.assign(new)

    def __delattr__(self, name: str) -> None:
        self._forget(name)
        super().__delattr__(name)

    # -- what there is -------------------------------------------------------------------------

    def children(self) -> Iterator[Module]:
        """The modules that are registered on this one, each once."""
        for _, module in self.named_children():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Name and module for each child, each module once."""
        seen: set[int] = set()
        for name in self._children:
            module = vars(self)[name]
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def modules(self) -> Iterator[Module]:
        """This module and all modules below it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Path and module for this module and all below it, parents first, each module once."""
        seen: set[int] = set()
        for path, module in self._placed_modules(prefix):
            if id(module) not in seen:
                seen.add(id(module))
                yield path, module

    def _placed_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Path and module for each place, so that a shared module comes several times."""
        yield prefix, self
        for name in self._children:
            module = vars(self)[name]
            if module is not None:
                yield from module._placed_modules(_join(prefix, name))

    def parameters(self, recurse: bool = True) -> Iterator[Any]:
        """The parameters of this module and, unless `recurse` is False, of all below, each once."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Named:
        """Path and parameter for each parameter, each once, under the first of its paths."""
        yield from _once(self._placed("_parameters", prefix, recurse))

    def placed_parameters(self) -> Named:
        """Path and parameter for each place, so that a shared parameter comes several times."""
        return self._placed("_parameters", "", True)

    def buffers(self, recurse: bool = True) -> Iterator[Any]:
        """The buffers of this module and, unless `recurse` is False, of all below it, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Named:
        """Path and tensor for each buffer, each once, under the first of its paths."""
        yield from _once(self._placed("_buffers", prefix, recurse))

    def _placed(self, registry: str, prefix: str, recurse: bool) -> Named:
        """Path and tensor for each place of a parameter or buffer."""
        modules = self._placed_modules(prefix) if recurse else [(prefix, self)]
        for path, module in modules:
            for name in vars(module)[registry]:
                value = vars(module)[name]
                if value is not None:
                    yield _join(path, name), value

    def get_submodule(self, path: str) -> Module:
        """The module at a path such as ``layers.0``.

        Raises:
            ArgumentError: if there is none.
        """
        module = self
        for name in path.split(".") if path else []:
            found = vars(module).get(name) if name in module._children else None
            if found is None:
                known = ", ".join(module._children) or "none"
                raise ad.errors.ArgumentError(
                    f"get_submodule: nothing at {path!r}: {type(module).__name__} has no "
                    f"{name!r}, its children are: {known}"
                )
            module = found
        return module

    def get_parameter(self, path: str) -> Any:
        """The parameter at a path such as ``layers.0.weight``.

        Raises:
            ArgumentError: if there is none.
        """
        above, _, name = path.rpartition(".")
        module = self.get_submodule(above)
        if name not in module._parameters:
            raise ad.errors.ArgumentError(f"get_parameter: no parameter at {path!r}")
        return vars(module)[name]

    # -- state ---------------------------------------------------------------------------------

    def state_dict(self, prefix: str = "") -> dict[str, Any]:
        """Path and value of each parameter and persistent buffer, as detached tensors.

        The names are PyTorch's where the layers are. A tensor that stands in two places is listed
        under both.
        """
        state: dict[str, Any] = {}
        for path, module in self._placed_modules(prefix.removesuffix(".")):
            saved = [n for n, persistent in module._buffers.items() if persistent]
            for name in (*module._parameters, *saved):
                value = vars(module)[name]
                if value is not None:
                    state[_join(path, name)] = value.detach()
        return state

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> LoadResult:
        """Take the values of parameters and buffers from a state; nothing changes if it misfits.

        Args:
            state: path and value, as `state_dict` gives: tensors, NumPy arrays or PyTorch tensors.
                They are copied, and cast to the dtype of what they replace.
            strict: whether every name must be on both sides.

        Returns:
            ``missing_keys`` and ``unexpected_keys``.

        Raises:
            ArgumentError: if names (with `strict`) or shapes do not fit; the text lists all
                differences and the closest names.

        Example:
            >>> layer = ad.nn.Linear(2, 1)
            >>> layer.load_state_dict({"weight": np.ones((1, 2)), "bias": np.zeros(1)})
            LoadResult(missing_keys=[], unexpected_keys=[])
            >>> layer(ad.tensor([1.0, 2.0])).detach()
            tensor([3.])
        """
        own: dict[str, Any] = {}
        for path, module in self._placed_modules():
            saved = [n for n, persistent in module._buffers.items() if persistent]
            for name in (*module._parameters, *saved):
                if vars(module)[name] is not None:
                    own[_join(path, name)] = vars(module)[name]
        return load(type(self).__name__, own, state, strict)

    # -- modes ---------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set this module and all below it to training: dropout drops, statistics are gathered."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set this module and all below it to evaluation, the opposite of `train`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Say of all parameters whether they want gradients."""
        for parameter in self.parameters():
            if parameter.requires_grad != requires_grad:
                parameter.requires_grad = requires_grad
        return self

    def freeze(self) -> Self:
        """Exclude all parameters from training: they want no gradients and are no tree leaves."""
        return self.requires_grad_(False)

    def unfreeze(self) -> Self:
        """Train all parameters again."""
        return self.requires_grad_(True)

    def zero_grad(self) -> None:
        """Forget the gradients that `backward` has accumulated in the parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call a function with each module below this one, children first, and with this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def to(self, target: Any) -> Self:
        """Set the dtype of all float parameters and buffers, or the device (``"cpu"``).

        They are replaced by new tensors: build the optimizer afterwards.
        """
        new: dict[int, Any] = {}
        for module in self.modules():
            for name in (*module._parameters, *module._buffers):
                old = vars(module)[name]
                if old is None or not ad.isdtype(old.dtype, ("real floating", "complex floating")):
                    continue
                if id(old) not in new:
                    moved = old.detach().to(target)
                    is_parameter = isinstance(old, Parameter)
                    new[id(old)] = (
                        Parameter(moved, None, old.requires_grad) if is_parameter else moved
                    )
                vars(module)[name] = new[id(old)]
        self._settle(self._path)
        return self

    # -- hooks ---------------------------------------------------------------------------------

    def register_forward_pre_hook(self, hook: Callable[..., Any]) -> HookHandle:
        """Call ``hook(module, args)`` before `forward`; what it returns replaces the arguments.

        Returns:
            A handle: ``handle.remove()`` takes the hook away.
        """
        return HookHandle(self._pre_hooks, hook)

    def register_forward_hook(self, hook: Callable[..., Any]) -> HookHandle:
        """Call ``hook(module, args, result)`` after `forward`; what it returns replaces the result.

        Returns:
            A handle: ``handle.remove()`` takes the hook away.
        """
        return HookHandle(self._hooks, hook)

    # -- as a tree, and as text ----------------------------------------------------------------

    def __tree_flatten__(self) -> tuple[tuple[Any, ...], Skeleton, tuple[str, ...]]:
        """The parameters that are not frozen, and the module without them."""
        skeleton = Skeleton(self)
        return skeleton.leaves, skeleton, skeleton.names

    @classmethod
    def __tree_unflatten__(cls, skeleton: Skeleton, leaves: Any) -> Any:
        return skeleton.filled(tuple(leaves))

    def __copy__(self) -> Self:
        """A module with the same parameters and buffers, whose parts can be replaced."""
        return twin_of(self, {})

    def extra_repr(self) -> str:
        """The arguments that `repr` shows in the parentheses."""
        return ""

    def __repr__(self) -> str:
        return module_repr(self)

    def tree(self) -> str:
        """The modules as a drawing in text, with shapes, parameter counts and what is frozen.

        Example:
            >>> print(ad.nn.Sequential(ad.nn.Linear(2, 3), ad.nn.ReLU()).tree())
            Sequential   9 parameters
            ├─ 0: Linear   9   weight f32[3,2], bias f32[3]
            └─ 1: ReLU
        """
        return module_tree(self)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name


def _once(pairs: Named) -> Named:
    seen: set[int] = set()
    for path, value in pairs:
        if id(value) not in seen:
            seen.add(id(value))
            yield path, value


def _refuse_hidden(name: str, value: Any) -> None:
    """Refuse containers of modules or parameters, which would be left out of the training."""
    inside: Any = value.values() if isinstance(value, dict) else value
    if not isinstance(value, list | tuple | dict):
        return
    for part in inside:
        if isinstance(part, Module | Parameter):
            kind = "Dict" if isinstance(value, dict) else "List"
            what = "Module" if isinstance(part, Module) else "Parameter"
            raise ad.errors.ArgumentError(
                f"{name} is a {type(value).__name__} that holds a {type(part).__name__}, "
                "which would not be trained or saved\n"
                f"  Try: ad.nn.{what}{kind}(...)"
            )
