"""Settings from TOML and the environment, checked by pydantic; a mistake is one line: file, key, value, rule."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from iso.errors import ConfigError
from iso.pan import mask_text
from node.database_url import without_user

S = TypeVar("S", bound="TomlSettings")


class Section(BaseModel):
    """One table of a settings file: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TomlSettings(BaseSettings):
    """A whole settings file. `CARDRAILS_A__B=1` in the environment overrides `a.b` of the file."""

    model_config = SettingsConfigDict(
        env_prefix="CARDRAILS_", env_nested_delimiter="__", extra="forbid", frozen=True, populate_by_name=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, and nothing else take part."""
        return env_settings, init_settings


def load(model: type[S], path: Path) -> S:
    """Read a settings file into its model.

    Raises
    ------
    ConfigError
        The file is missing or not TOML, or a value breaks a rule. `str` is one line and carries no card number.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        problem = ConfigError(path, "(file)", str(path), f"must be readable: {reason}")
    else:
        return parse(model, text, str(path))
    raise problem


def parse(model: type[S], text: str, file: str) -> S:
    """Read settings from TOML text; `file` is what errors call it.

    Raises
    ------
    ConfigError
        As `load`.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problem = ConfigError(file, "(syntax)", mask_text(str(error)), "must be TOML")
    else:
        try:
            return model(**data)
        except ValidationError as error:
            problem = first_problem(error, file)
    raise problem


def first_problem(error: ValidationError, file: str) -> ConfigError:
    """Turn pydantic's report into one line about the first mistake."""
    first = error.errors(include_url=False)[0]
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    value: Any = first.get("input")
    if isinstance(value, (dict, list)):
        value = "..." if first["type"] != "missing" else "(absent)"
    rule = first["msg"].removeprefix("Value error, ")
    return ConfigError(
        file, key or "(file)", mask_text(without_user(str(value))), mask_text(rule[:1].lower() + rule[1:])
    )
