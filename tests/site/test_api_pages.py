"""Every public name stands on an API page, with a docstring."""

import importlib
import inspect

import pytest

import zoo

MODULES = ("zoo.transforms", "zoo.probes", "zoo.callbacks")


def public():
    for name in zoo.__all__:
        if not name.startswith("__") and f"zoo.{name}" not in MODULES:
            yield f"zoo.{name}", getattr(zoo, name)
    for where in MODULES:
        module = importlib.import_module(where)
        for name in module.__all__:
            yield f"{where}.{name}", getattr(module, name)


PUBLIC = dict(public())


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_has_a_docstring_and_a_place_on_an_api_page(name, site):
    thing = PUBLIC[name]
    assert inspect.getdoc(thing)
    pages = "".join((site.folder / page).read_text() for page in site.pages if page.startswith("api/"))
    defined = f"{thing.__module__}.{thing.__qualname__}"
    assert f'id="{name}"' in pages or f'id="{defined}"' in pages
