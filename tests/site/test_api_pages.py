"""Every public name stands on an API page, with a docstring."""

import importlib
import inspect
from types import ModuleType

import zoo


def public():
    """Public names of the package and of its public modules, with what they are."""
    found = {f"zoo.{name}": getattr(zoo, name) for name in zoo.__all__ if not name.startswith("__")}
    for where in [name for name, thing in found.items() if isinstance(thing, ModuleType)]:
        module = importlib.import_module(where)
        del found[where]
        names = getattr(module, "__all__", [n for n in vars(module) if not n.startswith("_")])
        things = {f"{where}.{name}": getattr(module, name) for name in names}
        # Without __all__, what a module imports is not its own.
        found |= {n: t for n, t in things.items() if getattr(t, "__module__", "").startswith(where)}
    return found


def test_public_names_have_docstrings():
    assert [name for name, thing in public().items() if not inspect.getdoc(thing)] == []


def paths(name, thing):
    """Where a page may take it from: the public name, the file that defines it, a package that gathers its files."""
    yield name
    where = thing.__module__
    while "." in where:
        if getattr(importlib.import_module(where), thing.__name__, None) is thing:
            yield f"{where}.{thing.__qualname__}"
        where = where.rpartition(".")[0]


def test_public_names_have_a_place_on_an_api_page(site):
    pages = "".join((site.folder / page).read_text() for page in site.pages if page.startswith("api/"))
    missing = [
        name
        for name, thing in public().items()
        if not any(f'id="{path}"' in pages for path in paths(name, thing))
    ]
    assert missing == []
