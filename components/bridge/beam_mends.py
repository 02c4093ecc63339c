"""Mends two things of Beam that cost more than the work itself where data are small.

* For each transform Beam looks several times at the signatures of all methods of its DoFn (`userstate.get_dofn_specs`): tens
  of thousands in a pipeline, of which a few hundred are different ones. What a function's signature was is remembered.
* `PipelineOptions.view_as` makes a parser and parses the arguments anew at each look at an option, thousands of times in a
  pipeline. What the arguments were to a class of options is remembered.

Results are the same. `tests/components/bridge/test_beam_mends.py` fails once Beam needs no mending.
"""

from __future__ import annotations

import copy
from types import FunctionType, MethodType
from typing import Any
from weakref import WeakKeyDictionary

MENDED_VERSION = "2.77."
"""How the versions of Beam begin that are mended; any other is left as it is, which is slower and as right."""


def mend() -> None:
    """Mends Beam in this process, once; nothing happens with another version of it."""
    import apache_beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.transforms import core

    if not apache_beam.__version__.startswith(MENDED_VERSION) or isinstance(core.get_function_args_defaults, _Signatures):
        return
    core.get_function_args_defaults = _Signatures(core.get_function_args_defaults)
    PipelineOptions.view_as = _view_as(PipelineOptions.view_as)


class _Signatures:
    """`core.get_function_args_defaults`, which remembers functions.

    Args:
        stock: Beam's own.
    """

    def __init__(self, stock: Any) -> None:
        self.stock = stock
        self._functions: WeakKeyDictionary[Any, tuple[list[str], list[Any]]] = WeakKeyDictionary()
        self._methods: WeakKeyDictionary[Any, tuple[list[str], list[Any]]] = WeakKeyDictionary()

    def __call__(self, f: Any) -> tuple[list[str], list[Any]]:
        """Names and default values of the arguments of a function; bound ones are left out."""
        if isinstance(f, MethodType):
            known, key = self._methods, f.__func__
        else:
            known, key = self._functions, f
        if not isinstance(key, FunctionType):
            names, defaults = self.stock(f)
            return names, defaults
        if key not in known:
            known[key] = self.stock(f)
        names, defaults = known[key]
        return [*names], [*defaults]  # Beam adds to them


def _view_as(stock: Any) -> Any:
    """`PipelineOptions.view_as`, which remembers what arguments are to a class of options; from Beam's own."""
    known: dict[tuple[type, tuple[str, ...]], Any] = {}

    def view_as(self: Any, cls: type) -> Any:
        flags = self._flags
        if flags is None:  # those of the command line, which may change
            return stock(self, cls)
        key = (cls, tuple(flags))
        if key not in known:
            view = stock(self, cls)
            known[key] = copy.deepcopy(view._visible_options)  # noqa: SLF001
            return view
        view = object.__new__(cls)
        state: dict[str, Any] = view.__dict__
        values, parsed = self._all_options, known[key]
        state["_flags"], state["_all_options"], state["_visible_options"] = flags, values, parsed
        for name, value in vars(parsed).items():
            if name not in values:
                values[name] = copy.deepcopy(value)  # a list, say, which all views of these options share
        return view

    view_as.stock = stock  # type: ignore[attr-defined]  # for tests
    return view_as
