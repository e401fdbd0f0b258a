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


def test_public_names_have_a_place_on_an_api_page(site):
    pages = "".join((site.folder / page).read_text() for page in site.pages if page.startswith("api/"))
    missing = [
        name
        for name, thing in public().items()
        if f'id="{name}"' not in pages and f'id="{thing.__module__}.{thing.__qualname__}"' not in pages
    ]
    assert missing == []
