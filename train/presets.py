"""Configurations from files: the presets of `configs/`, or a YAML file of one's own.

A file may name a `recipe` of `configs/recipes/`: every field of it holds where the file itself says
nothing. Recipes name all fields of how a network is made and trained, so defaults do not matter.
"""

import difflib
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gait.cli import wrong_field
from gait.errors import ConfigError
from gait.plain_yaml import DuplicateKeyError, load_yaml
from train.config import TrainConfig

FOLDER = Path(__file__).resolve().parents[1] / "configs"
RECIPES = FOLDER / "recipes"


def preset_names() -> list[str]:
    """The presets that come with the project."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def recipe_names() -> list[str]:
    """The recipes that come with the project."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def load_config(name: str) -> TrainConfig:
    """The configuration of a preset, or of a YAML file given by its path.

    Raises:
        ConfigError: there is no such preset, recipe or file, it is not YAML or says a key twice, or
            a field is unknown or bad.
    """
    path, content = _found(name)
    if isinstance(content, dict) and "recipe" in content:
        content = _merged(read_recipe(content.pop("recipe")), content)
    return parse_config({} if content is None else content, str(path))


def load_beginning(name: str) -> TrainConfig:
    """What holds before its user says anything: a preset as it is; of a file of one's own the
    recipe that it names, or else the defaults.

    Raises:
        ConfigError: as `load_config`.
    """
    if name in preset_names():
        return load_config(name)
    path, content = _found(name)
    named = isinstance(content, dict) and "recipe" in content
    return parse_config(read_recipe(content["recipe"]) if named else {}, str(path))


def _found(name: str) -> tuple[Path, Any]:
    """The file of a preset, or the file of this path, and what it holds."""
    path = FOLDER / f"{name}.yaml"
    if name not in preset_names():
        path = Path(name)
        if path.suffix not in {".yaml", ".yml"} or not path.is_file():
            raise ConfigError(
                f"got preset {name!r}, need one of {', '.join(preset_names())} or a .yaml file"
                + _suggestion(name, preset_names())
            )
    return path, _read(path)


def read_recipe(name: object) -> dict[str, dict[str, Any]]:
    """The sections of a recipe.

    Raises:
        ConfigError: there is no such recipe.
    """
    if name not in recipe_names():
        raise ConfigError(
            f"got recipe {name!r}, need one of {', '.join(recipe_names())}"
            + _suggestion(str(name), recipe_names())
        )
    content: dict[str, dict[str, Any]] = _read(RECIPES / f"{name}.yaml")
    return content


def _read(path: Path) -> Any:
    try:
        return load_yaml(path.read_text())
    except DuplicateKeyError as error:
        raise ConfigError(f"{path} says a key twice: {error}, need each once") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error


def _merged(recipe: dict[str, dict[str, Any]], own: dict[str, Any]) -> dict[str, Any]:
    """The recipe, field by field replaced by what the file itself says."""
    merged: dict[str, Any] = {**own}
    for section, fields in recipe.items():
        changes = own.get(section, {})
        merged[section] = {**fields, **changes} if isinstance(changes, dict) else changes
    return merged


def parse_config(content: object, source: str) -> TrainConfig:
    """A configuration from plain values; every error names its path.

    Args:
        content: what the YAML or JSON holds.
        source: where it comes from, for the message.
    """
    try:
        return TrainConfig.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{source}: {explain(error)}") from error


def explain(error: ValidationError) -> str:
    """What is wrong, field by field, with the nearest known name for an unknown one."""
    return "; ".join(_explain_one(item) for item in error.errors())


def _explain_one(item: ErrorDetails) -> str:
    if item["type"] != "extra_forbidden":
        return wrong_field(item) if item["loc"] else f"the whole: {wrong_field(item)}"
    *parents, name = map(str, item["loc"])
    return f"{'.'.join([*parents, name])}: unknown field" + _suggestion(
        name, list(_model_at(parents).model_fields)
    )


def _model_at(path: list[str]) -> type[BaseModel]:
    model: type[BaseModel] = TrainConfig
    for name in path:
        model = _nested(model, name)
    return model


def _nested(model: type[BaseModel], name: str) -> type[BaseModel]:
    kind: Any = model.model_fields[name].annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else model


def _suggestion(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def differences(old: TrainConfig, new: TrainConfig) -> list[str]:
    """The fields, by path, in which two configurations would learn different things.

    The `run` section says how the machine is used and `name` how reports call it; they may differ.
    """
    return [f"{path} ({one} → {two})" for path, (one, two) in changed_fields(old, new).items()]


def changed_fields(old: TrainConfig, new: TrainConfig) -> dict[str, tuple[Any, Any]]:
    """Those of `differences` by path, with both values."""
    one, two = (
        _flat(config.model_dump(mode="json", exclude={"run", "name"})) for config in (old, new)
    )
    return {
        path: (one.get(path), two.get(path))
        for path in sorted({*one, *two})
        if one.get(path) != two.get(path)
    }


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        path = f"{prefix}{name}"
        flat |= _flat(value, f"{path}.") if isinstance(value, dict) else {path: value}
    return flat
