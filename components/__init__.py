"""How each stage runs: TFX components, the project's own beside the stock ones, and the code that they share."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """The types of artifacts that are the project's own, as `components.IngestReport`.

    Kubeflow knows an artifact's type by a name of this form alone, by which a step on another machine imports it.
    """
    if name[:1].isupper():
        from components.bridge.artifact_folder import own_type

        found = own_type(name)
        if found is not None:
            return found
    raise AttributeError(f"module 'components' has no attribute '{name}'")
