"""The corpora: files of hostile texts, each under a name that says what is hostile about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

_FOLDER = Path(__file__).resolve().parent


def corpus(name: str) -> dict[str, str]:
    """The texts of a file by their names."""
    texts: dict[str, str] = json.loads((_FOLDER / f"{name}.json").read_text("ascii"))
    assert len(set(texts.values())) == len(texts), "an entry is there twice"
    return texts


def each_of(name: str, argument: str) -> pytest.MarkDecorator:
    """Run a test once for each text of a file."""
    texts = corpus(name)
    return pytest.mark.parametrize(argument, texts.values(), ids=texts.keys())
