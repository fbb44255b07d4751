"""The kinds of deletion, found by looking into this folder: a new file is a new kind."""

import importlib
import pkgutil
from functools import cache

from .base import Kind

__all__ = ["Kind", "every", "get"]


@cache
def _found() -> dict[str, Kind]:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return {kind.name: kind() for kind in _leaves(Kind) if kind.name}


def _leaves(kind: type[Kind]) -> list[type[Kind]]:
    below = kind.__subclasses__()
    return [leaf for child in below for leaf in _leaves(child)] if below else [kind]


def every() -> list[Kind]:
    """All kinds, in the order of their names."""
    return [kind for _, kind in sorted(_found().items())]


def get(name: str) -> Kind:
    """The kind of that name; KeyError where there is none."""
    return _found()[name]
