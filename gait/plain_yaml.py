"""YAML of plain values, in which no key stands twice."""

from collections.abc import Hashable
from typing import Any

import yaml


class DuplicateKeyError(yaml.YAMLError):
    """A key stands twice in one mapping: YAML itself would let the later one win."""


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[tuple[str, str], int] = {}
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            name, line = (key.tag, key.value), key.start_mark.line + 1
            if name in seen:
                raise DuplicateKeyError(f"got {key.value!r} in lines {seen[name]} and {line}")
            seen[name] = line
        return super().construct_mapping(node, deep)


def load_yaml(text: str) -> Any:
    """The values that a YAML text holds.

    Raises:
        yaml.YAMLError: it is not YAML, or gives a key twice (DuplicateKeyError).
    """
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()
