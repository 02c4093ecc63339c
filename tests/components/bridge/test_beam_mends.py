"""Beam is mended: the same results with far fewer looks, and these tests fail once Beam itself looks no more often."""

from __future__ import annotations

import inspect
import threading

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import DebugOptions, DirectOptions, PipelineOptions, _BeamArgumentParser
from apache_beam.runners.common import MethodWrapper
from apache_beam.runners.worker import statecache, statesampler
from apache_beam.transforms import core, userstate
from apache_beam.utils.counters import CounterFactory
from objsize import traverse

from components.bridge import beam_mends

STATE = userstate.BagStateSpec("seen", beam.coders.VarIntCoder())
SEEN = beam.DoFn.StateParam(STATE)


class _Stateful(beam.DoFn):
    def process(self, element, seen=SEEN):
        yield element


class _Plain(beam.DoFn):
    def process(self, element, window=beam.DoFn.WindowParam, more=3):
        yield element


def arguments_of(dofn: beam.DoFn) -> tuple[list[str], list[object]]:
    wrapped = MethodWrapper(dofn, "process")
    return wrapped.args, wrapped.defaults


@pytest.fixture
def stock(monkeypatch):
    """Beam as it was, whatever has run before in this process; mended again at the end, if it was."""
    for holder, name in (
        (core, "get_function_args_defaults"),
        (PipelineOptions, "view_as"),
        (userstate, "get_dofn_specs"),
        (statecache, "get_deep_size"),
        (statesampler.StateSampler, "start"),
        (statesampler.StateSampler, "stop"),
    ):
        found = getattr(holder, name)
        monkeypatch.setattr(holder, name, getattr(found, "stock", found))


def counted(monkeypatch, owner, name) -> list[int]:
    calls = [0]
    original = getattr(owner, name)

    def counting(*arguments, **more):
        calls[0] += 1
        return original(*arguments, **more)

    monkeypatch.setattr(owner, name, counting)
    return calls


def test_stateful_functions_are_found_as_before_with_no_second_look(stock, monkeypatch):
    functions = [_Stateful(), _Plain(), core.CallableWrapperDoFn(lambda element, more=1: [element])]
    expected = [userstate.get_dofn_specs(each) for each in functions]
    arguments = [arguments_of(each) for each in functions]
    signatures = counted(monkeypatch, inspect, "signature")
    userstate.get_dofn_specs(functions[0])
    assert signatures[0] > 0, "Beam remembers signatures itself: components/bridge/beam_mends.py may go"
    beam_mends.mend()
    assert (
        [userstate.get_dofn_specs(each) for each in functions]
        == expected
        == [({STATE}, set()), (set(), set()), (set(), set())]
    )
    assert [arguments_of(each) for each in functions] == arguments
    signatures[0] = 0
    assert [arguments_of(each) for each in functions] == arguments
    assert [userstate.get_dofn_specs(each) for each in functions] == expected
    assert signatures[0] == 0


def test_what_is_returned_may_be_changed(stock):
    beam_mends.mend()
    core.get_function_args_defaults(_Plain.process)[0].clear()
    assert core.get_function_args_defaults(_Plain.process) == (
        ["self", "element", "window", "more"],
        [beam.DoFn.WindowParam, 3],
    )
    assert core.get_function_args_defaults(_Plain().process)[0] == ["element", "window", "more"]


def test_options_are_those_of_before_and_parsed_once(stock, monkeypatch):
    def looks(options: PipelineOptions) -> list[object]:
        options.view_as(DebugOptions).experiments = ["a"]
        options.view_as(DebugOptions).experiments.append("b")
        options.view_as(DirectOptions).direct_num_workers += 1
        seen = (options.view_as(DebugOptions).experiments, options.view_as(DirectOptions).direct_num_workers)
        return [*seen, str(options.view_as(DirectOptions)), options.get_all_options(drop_default=True)]

    flags = ["--direct_num_workers=3", "--direct_running_mode=in_memory", "--unknown=1"]
    expected = looks(PipelineOptions(flags))
    parses = counted(monkeypatch, _BeamArgumentParser, "parse_known_args")
    PipelineOptions(flags).view_as(DirectOptions).view_as(DirectOptions)
    assert parses[0] == 3, "Beam remembers options itself: components/bridge/beam_mends.py may go"
    beam_mends.mend()
    assert looks(PipelineOptions(flags)) == expected
    parses[0] = 0
    other = PipelineOptions(flags)
    assert other.view_as(DebugOptions).experiments is None  # what one pipeline's options were set to, no other's are
    assert looks(other) == expected
    assert parses[0] == 2  # of PipelineOptions and of get_all_options
    lists = [PipelineOptions(["--experiments=x"]).view_as(DebugOptions).experiments for _ in range(3)]
    lists[0].append("y")
    lists[1].append("z")
    assert lists == [["x", "y"], ["x", "z"], ["x"]]


def test_a_class_is_looked_at_once_unless_an_object_has_methods_of_its_own(stock, monkeypatch):
    def function(element, seen=SEEN):
        yield element

    class Holder:
        def method(self, element, seen=SEEN):
            yield element

    kinds = [_Stateful(), _Stateful(), core.CallableWrapperDoFn(function), core.CallableWrapperDoFn(Holder().method)]
    expected = [userstate.get_dofn_specs(each) for each in kinds]
    beam_mends.mend()
    assert [userstate.get_dofn_specs(each) for each in kinds] == expected
    assert expected == [({STATE}, set()), ({STATE}, set()), (set(), set()), ({STATE}, set())]
    userstate.get_dofn_specs(kinds[0])[0].clear()  # what is returned may be changed
    looks = counted(monkeypatch, userstate.get_dofn_specs, "stock")
    assert userstate.get_dofn_specs(_Stateful()) == ({STATE}, set())
    assert looks[0] == 0


def test_sizes_are_those_of_before_and_modules_listed_once(stock, monkeypatch):
    values = [[b"x" * 1000, {"a": [1, 2]}], [inspect, _Plain()], {"module": vars(inspect)}, []]
    expected = [statecache.get_deep_size(each) for each in values]
    lists = counted(monkeypatch, traverse, "_iter_modules_globals")
    statecache.get_deep_size(values[0])
    assert lists[0] == 1, "Beam lists no modules any more: components/bridge/beam_mends.py may go"
    beam_mends.mend()
    assert [statecache.get_deep_size(each) for each in values] == expected
    assert lists[0] == 1


def test_no_thread_looks_at_the_steps_of_a_bundle(stock):
    def threads_of(sampler: statesampler.StateSampler) -> int:
        before = threading.active_count()
        sampler.start()
        assert statesampler.get_current_tracker() is sampler
        during = threading.active_count() - before
        sampler.stop_if_still_running()
        sampler.stop_if_still_running()
        assert sampler.finished
        assert statesampler.get_current_tracker() is None
        return during

    assert threads_of(statesampler.StateSampler("a", CounterFactory())) == 1
    beam_mends.mend()
    assert threads_of(statesampler.StateSampler("b", CounterFactory())) == 0


def test_another_version_of_beam_is_left_alone(stock, monkeypatch):
    monkeypatch.setattr(beam, "__version__", "3.0.0")

    def mended() -> list[object]:
        sampler = statesampler.StateSampler
        functions = [core.get_function_args_defaults, userstate.get_dofn_specs, statecache.get_deep_size]
        return [*functions, PipelineOptions.view_as, sampler.start, sampler.stop]

    before = mended()
    beam_mends.mend()
    assert mended() == before
