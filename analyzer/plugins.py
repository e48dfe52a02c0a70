"""Loads the files of an extension point: every module of a folder that ends in its constant, in name order."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


def package_constants(package: ModuleType, constant: str, of: type[T]) -> tuple[T, ...]:
    """``constant`` of each module of the package that has it, in name order; TypeError when it has another type."""
    names = sorted(info.name for info in pkgutil.iter_modules(package.__path__))
    modules = (importlib.import_module(f"{package.__name__}.{name}") for name in names)
    return tuple(checked(module, constant, of) for module in modules if hasattr(module, constant))


def folder_constants(folder: Path, constant: str, of: type[T], *, anew: bool = False) -> tuple[T, ...]:
    """``constant`` of every Python file below the folder, in path order; ``anew``: of files that may have changed since they were imported."""
    files = sorted(path for path in folder.rglob("*.py") if path.name != "__init__.py")
    return tuple(checked(load_file(path, folder, anew), constant, of) for path in files)


def load_file(path: Path, folder: Path, anew: bool = False) -> ModuleType:
    """Imports a file under a name made from its place in the folder. ``anew`` it is read and compiled again: kept bytecode tells seconds apart only."""
    name = ".".join(("analyzer_files", folder.name, *path.relative_to(folder).with_suffix("").parts)).replace("-", "_")
    if not anew and name in sys.modules and getattr(sys.modules[name], "__file__", None) == str(path):
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if anew and isinstance(spec.loader, SourceFileLoader):
        exec(spec.loader.source_to_code(path.read_bytes(), str(path)), vars(module))
    else:
        spec.loader.exec_module(module)
    return module


def checked(module: ModuleType, constant: str, of: type[T]) -> T:
    """The module's constant; TypeError when it is missing or of another type."""
    value = getattr(module, constant, None)
    if not isinstance(value, of):
        raise TypeError(f"{module.__file__}: {constant} must be a {of.__name__}")
    return value


def shipped(name: str) -> Path:
    """The folder ``rules`` or ``grammars``: beside the package in a checkout, inside it in a wheel."""
    inside = Path(__file__).parent / name
    return inside if inside.is_dir() else Path(__file__).parent.parent / name
