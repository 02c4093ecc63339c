"""TFX's Trainer that tells `run_fn` where to keep what is to survive a kill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfx.components.trainer import component, executor
from tfx.dsl.components.base import executor_spec

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs


class TrainerExecutor(executor.GenericExecutor):
    """Hands the executor's temporary folder to `run_fn` as `fn_args.working_dir`, as TFX's Tuner does.

    Where that folder outlives the process, as under the bridge, a killed training goes on.
    """

    def _GetFnArgs(self, *args: Any) -> FnArgs:  # noqa: N802  TFX's name
        fn_args = super()._GetFnArgs(*args)
        fn_args.working_dir = self._get_tmp_dir()
        return fn_args


class Trainer(component.Trainer):
    """See `TrainerExecutor`."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(TrainerExecutor)
