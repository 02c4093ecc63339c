"""Reads params.yaml and pipelines/NAME/params.yaml; every mistake of a file at once, each located.

A message reads `pipelines/taxi/params.yaml: train.epochs: expected an integer > 0, got 0`.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from components.errors import ParamsError
from components.params.models import FilesSplit, PipelineParams, SharedParams, TransformStageParams

SHARED_FILE = "params.yaml"
_EXPECTED = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a string",
    "list_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
}
_Model = TypeVar("_Model", bound=pydantic.BaseModel)


def pipeline_file(name: str) -> str:
    """The parameter file of a pipeline, from the repository's root."""
    return f"pipelines/{name}/params.yaml"


def load_shared(root: Path | None = None) -> SharedParams:
    """Reads params.yaml in `root` (default: the working directory).

    Raises: ParamsError, listing every mistake.
    """
    return _validate(SharedParams, _read_yaml(root or Path(), SHARED_FILE), SHARED_FILE)


def load_pipeline(name: str, root: Path | None = None) -> PipelineParams:
    """Reads pipelines/NAME/params.yaml; the sections `transform` and `model` come back as the recipe's own models.

    Raises: ParamsError, listing every mistake.
    """
    root = root or Path()
    shared = load_shared(root)
    if name not in shared.pipelines:
        raise ParamsError(
            f"{SHARED_FILE}: pipelines: no pipeline is named '{name}'{_did_you_mean(name, shared.pipelines)} "
            f"Known: {', '.join(shared.pipelines) or 'none'}. Add a line '{name}: {{data: data/{name}, recipe: recipes/…}}', "
            f"and the file {pipeline_file(name)}."
        )
    file = pipeline_file(name)
    raw = _read_yaml(root, file)
    problems: list[str] = []
    params = _collect(PipelineParams, raw, (), problems)
    sections = {}
    if isinstance(raw.get("recipe"), str):
        models = _recipe_params(raw["recipe"], problems)
        for section, model in models.items():
            if section in raw:
                sections[section] = _collect(model, raw[section], (section,), problems)
    if params is not None:
        problems += _check_dvc_folders(name, params, shared)
    if problems or params is None:
        raise ParamsError("\n".join(f"{file}: {problem}" for problem in problems))
    return params.model_copy(update=sections)


def recipe_package(recipe: str) -> tuple[str, str]:
    """Where a recipe lives: (package that holds `params`, "module:Class").

    Args:
        recipe: A name of `recipes.RECIPES`, or "module:Class" for a recipe of the user's own, whose class names the package
            of its parameter models in its attribute `params_package`.

    Raises: KeyError if there is no such recipe.
    """
    packages: dict[str, str] = importlib.import_module("recipes").RECIPES
    if recipe in packages:
        package = packages[recipe]
        return package, importlib.import_module(package).RECIPE_CLASSES[recipe]
    module, separator, class_name = recipe.partition(":")
    if not separator:
        raise KeyError(recipe)
    stated = _stated_package(module, class_name)
    return stated or getattr(importlib.import_module(module), class_name).params_package, recipe


def _stated_package(module: str, class_name: str) -> str | None:
    """The `params_package` that the source of the class states; None if it says so in another way, or there is no such class.

    A recipe imports TensorFlow, which not every stage needs.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return None
    try:
        tree = ast.parse(Path(spec.origin).read_bytes())
    except SyntaxError:
        return None  # the import says so
    classes = [each for each in tree.body if isinstance(each, ast.ClassDef) and each.name == class_name]
    for statement in (inner for each in classes for inner in each.body):
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id="params_package")], value=ast.Constant(value=str() as package))
                | ast.AnnAssign(target=ast.Name(id="params_package"), value=ast.Constant(value=str() as package))
            ):
                return package
    return None


def section_models(recipe: str) -> dict[str, type[pydantic.BaseModel]]:
    """The recipe's models of the sections `transform` and `model`. Raises: as `recipe_package`."""
    module = importlib.import_module(f"{recipe_package(recipe)[0]}.params")
    return {"transform": _transform_model(module.TransformParams), "model": module.ModelParams}


@cache
def _transform_model(recipe: type[pydantic.BaseModel]) -> type[pydantic.BaseModel]:
    """A recipe's model of the section `transform`, and the keys that the section has with every recipe."""
    return pydantic.create_model(
        recipe.__name__, __base__=(recipe, TransformStageParams), __doc__=recipe.__doc__, __module__=recipe.__module__
    )


def _recipe_params(recipe: str, problems: list[str]) -> dict[str, type[pydantic.BaseModel]]:
    """The recipe's models of the sections `transform` and `model`; empty, and a problem more, if there is no such recipe."""
    known = importlib.import_module("recipes").RECIPES
    try:
        return section_models(recipe)
    except KeyError:
        problems.append(f"recipe: no recipe is named '{recipe}'{_did_you_mean(recipe, known)} Known: {', '.join(known)}.")
        return {}
    except (ImportError, AttributeError) as error:
        problems.append(
            f"recipe: cannot import '{recipe}' ({error}). Expected 'module:Class', such as "
            "'pipelines.churn.recipe:ChurnRecipe', or one of: " + ", ".join(known) + "."
        )
        return {}


def _check_dvc_folders(name: str, params: PipelineParams, shared: SharedParams) -> Iterable[str]:
    """DVC reruns ingest when the folder in params.yaml changes, so the data must lie in it; likewise the recipe's code."""
    entry = shared.pipelines[name]
    split = params.data.split
    patterns = {"data.path": params.data.path} if params.data.path is not None else {}
    patterns |= {f"data.pairs.{column}": path for column, path in params.data.pairs.items()}
    if isinstance(split, FilesSplit):
        patterns = {f"data.split.{key}": getattr(split, key) for key in ("train", "eval", "test")}
    patterns |= {f"data.images.{column}.root": image.root for column, image in params.data.images.items() if image.root}
    for key, pattern in patterns.items():
        if not Path(pattern).is_relative_to(entry.data):
            yield (
                f"{key}: '{pattern}' is not inside '{entry.data}', the folder that {SHARED_FILE} gives as "
                f"pipelines.{name}.data. DVC would not see the data change; make the two agree."
            )
    try:
        package, _ = recipe_package(params.recipe)
    except (KeyError, ImportError, AttributeError):
        return  # already told by _recipe_params
    home = params.recipe.partition(":")[0] if ":" in params.recipe else package
    code = Path(*home.split("."))
    if not (code.is_relative_to(entry.recipe) or code.with_suffix(".py") == Path(entry.recipe)):
        yield (
            f"recipe: the code of '{params.recipe}' is '{code}', not inside '{entry.recipe}', the folder that {SHARED_FILE} "
            f"gives as pipelines.{name}.recipe. DVC would not see the code change; make the two agree."
        )


def _read_yaml(root: Path, file: str) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        # ruamel reads YAML 1.2, as DVC does: 'on' and 'no' stay strings, and a key given twice is an error.
        content = YAML(typ="safe", pure=True).load((root / file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{file}: no such file. Expected it in the repository's root, where Tensorline is run.") from None
    except UnicodeDecodeError as error:
        raise ParamsError(f"{file}: byte {error.start} is not UTF-8. Save the file as UTF-8.") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        raise ParamsError(f"{where}: not valid YAML: {error.problem}.") from None
    except YAMLError as error:
        raise ParamsError(f"{file}: not valid YAML: {error}.") from None
    if not isinstance(content, dict):
        raise ParamsError(f"{file}: expected sections (key: value), got {_shown(content)}.")
    return content


def _validate(model: type[_Model], raw: object, file: str) -> _Model:
    problems: list[str] = []
    checked = _collect(model, raw, (), problems)
    if checked is None:
        raise ParamsError("\n".join(f"{file}: {problem}" for problem in problems))
    return checked


def _collect(model: type[_Model], raw: object, prefix: tuple[str, ...], problems: list[str]) -> _Model | None:
    try:
        return model.model_validate(raw)
    except pydantic.ValidationError as error:
        for details in error.errors():
            key = ".".join((*prefix, *_shown_location(raw, details["loc"], details["type"])))
            problem = _problem(model, tuple(str(part) for part in details["loc"]), details)
            problems.append(f"{key}: {problem}" if key else problem)
        return None


def _shown_location(raw: Any, location: Iterable[int | str], kind: str) -> list[str]:
    """The keys as the user's file has them: a tagged union puts its tag into Pydantic's location, which is no key."""
    shown: list[str] = []
    node, parts = raw, list(location)
    for index, part in enumerate(parts):
        if isinstance(node, Mapping) and part in node:  # noqa: SIM114  the type checker narrows each
            node = node[part]
            shown.append(str(part))
        elif isinstance(node, list) and isinstance(part, int):
            node = node[part]
            shown.append(str(part))
        elif kind == "missing" and index == len(parts) - 1:
            shown.append(str(part))
    return shown


def _problem(model: type[pydantic.BaseModel], location: tuple[str, ...], details: Mapping[str, Any]) -> str:
    """One mistake in our own words: what was expected, what was found, what was perhaps meant."""
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    number = "an integer" if isinstance(value, int) else "a number"
    match kind:
        case "missing":
            return "missing. Add it; '{}' takes the defaults." if _is_section(location) else "missing. Add it."
        case "extra_forbidden":
            known = _known_keys(model, location[:-1])
            return f"unknown key{_did_you_mean(location[-1], known)} Known: {', '.join(known)}."
        case "literal_error":
            close = _did_you_mean(value, context["expected"].split("'"))
            return f"expected {context['expected']}, got {_shown(value)}{close}"
        case "union_tag_invalid":
            key = context["discriminator"].strip("'")
            return f"{key}: expected {context['expected_tags']}, got {_shown(context['tag'])}."
        case "union_tag_not_found":
            return f"{context['discriminator']} is missing; it says what the other keys mean."
        case "greater_than":
            return f"expected {number} > {context['gt']:g}, got {_shown(value)}"
        case "greater_than_equal":
            return f"expected {number} >= {context['ge']:g}, got {_shown(value)}"
        case "less_than":
            return f"expected {number} < {context['lt']:g}, got {_shown(value)}"
        case "less_than_equal":
            return f"expected {number} <= {context['le']:g}, got {_shown(value)}"
        case _ if kind in _EXPECTED:
            return f"expected {_EXPECTED[kind]}, got {_shown(value)}"
        case "value_error":
            return str(context["error"])
        case _:
            return f"{details['msg'][0].lower()}{details['msg'][1:]}, got {_shown(value)}"


def _is_section(location: tuple[str, ...]) -> bool:
    return len(location) == 1 and location[0] in {"validate", "transform", "model", "tune", "train", "evaluate"}


def _known_keys(model: type[pydantic.BaseModel], location: tuple[str, ...]) -> list[str]:
    """Keys that may stand at `location`, found by walking down the models' JSON schema."""
    schema = model.model_json_schema(by_alias=True)
    definitions = schema.get("$defs", {})
    node: Mapping[str, Any] = schema
    for part in location:
        mapping = node.get("discriminator", {}).get("mapping", {})
        if part in mapping:
            node = definitions[mapping[part].rpartition("/")[2]]
            continue
        if {"$ref": f"#/$defs/{part}"} in node.get("oneOf", ()):  # a union whose tags are the names of its models
            node = definitions[part]
            continue
        additional = node.get("additionalProperties")
        child = node.get("properties", {}).get(part) or (additional if isinstance(additional, Mapping) else None)
        child = child or node.get("items") or {}
        for option in (child, *child.get("anyOf", ())):
            if "$ref" in option:
                child = definitions[option["$ref"].rpartition("/")[2]]
        node = child
    return sorted(node.get("properties", {}))


def _did_you_mean(found: object, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(found), list(known), n=1)
    return f". Did you mean '{close[0]}'?" if close else "."


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"
