"""From a scenario's name, or a file, to a complete and checked `ScenarioConfig`.

The order in which values win, weakest first::

    defaults of the Config dataclasses
      < the scenario file
      < its section for the chosen environment (``environments: {reading: {…}}``)
      < key=value on the command line

Example:
    >>> from experiments.config.load import from_yaml_text, load_scenario, resolved_yaml
    >>> config = load_scenario("debate", ["seeds=2"])  # doctest: +SKIP
    >>> from_yaml_text(resolved_yaml(config)) == config  # doctest: +SKIP
    True
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from environments.core.errors import ConfigError, UnknownNameError
from experiments.config import components, typed
from experiments.config.copies import expand_copies
from experiments.config.overrides import compose, merge, parse_override
from experiments.config.schema import ScenarioConfig
from experiments.config.validate import validate
from experiments.config.yaml_text import parse_mapping

_SUFFIXES = (".yaml", ".yml")


def scenario_names() -> list[str]:
    """Return the names of the scenarios that ship with the framework, sorted."""
    folder = resources.files("experiments.scenarios")
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    )


def read_scenario(name_or_path: str) -> dict[str, Any]:
    """Return a scenario file's plain data, before presets, overrides and defaults.

    Args:
        name_or_path: A shipped scenario's name, or the path of a YAML file (anything that ends in
            .yaml or .yml or contains a path separator).

    Raises:
        UnknownNameError: No shipped scenario has this name.
        ConfigError: The file is missing or is not a proper scenario file.
    """
    is_path = name_or_path.endswith(_SUFFIXES) or "/" in name_or_path or "\\" in name_or_path
    if is_path:
        path = Path(name_or_path).expanduser()
        text = _read(path)
        data = parse_mapping(text, str(path))
        data.setdefault("name", path.stem)
        return data
    if name_or_path not in scenario_names():
        raise UnknownNameError("scenario", name_or_path, scenario_names())
    text = (resources.files("experiments.scenarios") / f"{name_or_path}.yaml").read_text("utf-8")
    data = parse_mapping(text, f"{name_or_path}.yaml")
    data.setdefault("name", name_or_path)
    return data


def load_scenario(name_or_path: str, overrides: Iterable[str] = ()) -> ScenarioConfig:
    """Load, override, complete and check a scenario.

    Args:
        name_or_path: See `read_scenario`.
        overrides: ``key=value`` texts; see `experiments.config.overrides`.

    Raises:
        ConfigError: Anything that cannot run; one line with the key, what was given and what is
            allowed.
    """
    parsed = [parse_override(text) for text in overrides]
    return _complete(compose(read_scenario(name_or_path), parsed))


def from_yaml_text(
    text: str, overrides: Iterable[str] = (), place: str = "config"
) -> ScenarioConfig:
    """Load and check a configuration from text, such as a run's ``config.yaml``.

    Args:
        text: YAML, resolved or not.
        overrides: ``key=value`` texts.
        place: Where the text comes from, for messages.

    Raises:
        ConfigError: As `load_scenario`.
    """
    parsed = [parse_override(item) for item in overrides]
    return _complete(compose(parse_mapping(text, place), parsed))


def resolved_yaml(config: ScenarioConfig) -> str:
    """Return the whole configuration as YAML, every default written out.

    ``from_yaml_text(resolved_yaml(config)) == config``.
    """
    return OmegaConf.to_yaml(OmegaConf.structured(config))


def with_runtime(config: ScenarioConfig, overrides: Iterable[str]) -> ScenarioConfig:
    """Return a configuration that runs elsewhere: only ``runtime`` keys may change.

    Args:
        config: A complete configuration, such as that of a run to be resumed.
        overrides: ``runtime=…`` or ``runtime.…=…`` texts.

    Raises:
        ConfigError: An override of anything else, since it would change the results.
    """
    for text in overrides:
        key = parse_override(text).key
        if key.split(".")[0] != "runtime":
            raise ConfigError(
                f"{key}: a run is continued as it was begun; only runtime keys may change, "
                "e.g. runtime=inprocess"
            )
    return from_yaml_text(resolved_yaml(config), overrides)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        shipped = ", ".join(scenario_names())
        raise ConfigError(f"{path}: no such scenario file (shipped scenarios: {shipped})") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def _complete(data: Mapping[str, Any]) -> ScenarioConfig:
    """Check plain data against the schema, fill in all defaults, validate the combination."""
    plain = expand_copies(typed.check(_resolve(dict(data)), ScenarioConfig, ""))
    filled = OmegaConf.merge(OmegaConf.structured(ScenarioConfig), plain)
    missing = sorted(OmegaConf.missing_keys(filled))
    if missing:
        raise ConfigError(f"{missing[0]}: missing, a value is needed here")
    for path, registry, node in components.nodes(plain):
        complete = components.resolved_node(registry, node, ".".join(path))
        plain = merge(plain, _nested(path, complete))
    config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(ScenarioConfig), plain))
    assert isinstance(config, ScenarioConfig)
    validate(config)
    return config


def _nested(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return value


def _resolve(data: dict[str, Any]) -> dict[str, Any]:
    """Resolve ``${another.key}`` over the scenario with the schema's defaults under it."""
    if "${" not in repr(data):
        return data
    defaults = OmegaConf.to_container(OmegaConf.structured(ScenarioConfig))
    try:
        world = OmegaConf.unsafe_merge(OmegaConf.create(defaults), OmegaConf.create(data))
        resolved = OmegaConf.to_container(world, resolve=True)
    except OmegaConfBaseException as error:
        problem = str(error).splitlines()[0]
        key = getattr(error, "full_key", None) or "config"
        raise ConfigError(f"{key}: {problem}") from error
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}
