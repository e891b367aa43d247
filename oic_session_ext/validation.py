"""The base of everything that is read from outside as keys and values: the settings file's sections, and a client's metadata."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

Problem: TypeAlias = tuple[tuple[str | int, ...], str]
"""A key, relative to the model that reports it, and what is wrong with its value."""


class ValidatedModel(BaseModel):
    """Keys and values: immutable, without unknown keys, each field documented by the text below it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong beyond each value by itself; called once, when every value is good alone."""
        yield from ()

    @model_validator(mode="after")
    def _refuse_problems(self) -> Self:
        found: list[InitErrorDetails] = [
            {"type": PydanticCustomError("refused", "{problem}", {"problem": problem}), "loc": key, "input": None}
            for key, problem in self.problems()
        ]
        if found:
            raise ValidationError.from_exception_data(type(self).__name__, found)
        return self
