"""Mends four things of Beam that cost more than the work itself where data are small.

* For each transform Beam looks several times at the signatures of all methods of its DoFn (`userstate.get_dofn_specs`): tens
  of thousands in a pipeline, of which a few hundred are different ones. What a function's signature was is remembered, and
  what a class's methods ask for.
* `PipelineOptions.view_as` makes a parser and parses the arguments anew at each look at an option, thousands of times in a
  pipeline. What the arguments were to a class of options is remembered.
* The size of each side input is taken (`statecache.get_deep_size`), for which all modules of the process are listed, some ten
  thousand; they are listed once, and again when there are more or fewer.
* A thread looks every few milliseconds in which step a bundle is (`StateSampler`), and at the bundle's end the next look is
  waited for: 7 ms a bundle. In this process nobody asks how long steps took, so no such thread is started.

Results are the same. `tests/components/bridge/test_beam_mends.py` fails once Beam needs no mending.
"""

from __future__ import annotations

import copy
import sys
import threading
from types import FunctionType, MethodType
from typing import Any
from weakref import WeakKeyDictionary

MENDED_VERSION = "2.77."
"""How the versions of Beam begin that are mended; any other is left as it is, which is slower and as right."""


def mend() -> None:
    """Mends Beam in this process, once; nothing happens with another version of it."""
    import apache_beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.worker import statecache, statesampler
    from apache_beam.transforms import core, userstate

    if not apache_beam.__version__.startswith(MENDED_VERSION) or isinstance(core.get_function_args_defaults, _Signatures):
        return
    core.get_function_args_defaults = _Signatures(core.get_function_args_defaults)
    PipelineOptions.view_as = _view_as(PipelineOptions.view_as)
    userstate.get_dofn_specs = _Specs(userstate.get_dofn_specs)
    statecache.get_deep_size = _DeepSize(statecache.get_deep_size)
    statesampler.StateSampler.start = _start(statesampler.StateSampler.start)
    statesampler.StateSampler.stop = _stop(statesampler.StateSampler.stop)


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


class _Specs:
    """`userstate.get_dofn_specs`, which remembers classes.

    Args:
        stock: Beam's own.
    """

    def __init__(self, stock: Any) -> None:
        self.stock = stock
        self._classes: WeakKeyDictionary[type, tuple[set[Any], set[Any]]] = WeakKeyDictionary()

    def __call__(self, dofn: Any) -> tuple[set[Any], set[Any]]:
        """The state and timer specs that the methods of a DoFn ask for."""
        kind = type(dofn)
        if any(isinstance(value, MethodType) for value in vars(dofn).values()) or _inspects_itself(kind):
            found: tuple[set[Any], set[Any]] = self.stock(dofn)
            return found
        if kind not in self._classes:
            self._classes[kind] = self.stock(dofn)
        states, timers = self._classes[kind]
        return set(states), set(timers)


def _inspects_itself(kind: type) -> bool:
    """Whether objects of the class tell other arguments of their methods than these have."""
    from apache_beam.transforms.core import CallableWrapperDoFn

    # That one does for `process` alone, which is then a function of the object and no method, or a method of another object.
    return kind is not CallableWrapperDoFn and any(name.startswith("_inspect_") for name in dir(kind))


class _DeepSize:
    """`statecache.get_deep_size`, which remembers the modules.

    Args:
        stock: Beam's own.
    """

    def __init__(self, stock: Any) -> None:
        from apache_beam.runners.worker import statecache
        from objsize.traverse import ObjSizeSettings

        self.stock = stock
        self._settings = ObjSizeSettings(
            get_size_func=statecache._size_func,  # noqa: SLF001
            get_referents_func=statecache._get_referents_func,  # noqa: SLF001
            filter_func=statecache._filter_func,  # noqa: SLF001
            exclude_modules_globals=False,
        )
        self._num_modules = 0
        self._of_modules: set[int] = set()

    def __call__(self, *objs: Any) -> int:
        """Bytes of objects and all that they refer to, but for modules."""
        if self._num_modules != len(sys.modules):
            self._num_modules = len(sys.modules)
            self._of_modules = {id(vars(module)) for module in [*sys.modules.values()] if hasattr(module, "__dict__")}
        context = self._settings.new_context()
        context.exclude_set |= self._of_modules
        size: int = context.get_deep_size(*objs)
        return size


def _start(stock: Any) -> Any:
    """`StateSampler.start`, without the thread."""

    def start(self: Any) -> None:
        from apache_beam.runners.worker import statesampler

        self.tracked_thread = threading.current_thread()
        statesampler.set_current_tracker(self)
        self.started = True

    start.stock = stock  # type: ignore[attr-defined]  # for tests
    return start


def _stop(stock: Any) -> Any:
    """`StateSampler.stop`, for one that has no thread."""

    def stop(self: Any) -> None:
        from apache_beam.runners.worker import statesampler

        statesampler.set_current_tracker(None)
        self.finished = True

    stop.stock = stock  # type: ignore[attr-defined]  # for tests
    return stop


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
