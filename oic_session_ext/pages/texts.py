"""The texts of the pages by key and language; the templates have none.

Each language is a JSON file in `locale/`, named by its BCP 47 tag. English is complete; others may be partial.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources.abc import Traversable

from markupsafe import Markup, escape

from ..web.language_tag import fallbacks

DEFAULT_LANGUAGE = "en"


class Language:
    """The texts of one language, by key; `tag` is its BCP 47 tag."""

    def __init__(self, tag: str, sentences: Mapping[str, str]) -> None:
        self.tag = tag
        self.sentences = sentences
        self._escaped = {key: escape(sentence) for key, sentence in sentences.items()}

    def has(self, key: str) -> bool:
        """Return whether this key has a text."""
        return key in self.sentences

    def html(self, key: str, **values: object) -> Markup:
        """Return the text as HTML. The text and the values of its `{placeholders}` are escaped, except values of type Markup.

        Raises: KeyError: there is no such text, or a placeholder has no value.
        """
        sentence = self._escaped[key]
        return sentence.format(**values) if "{" in sentence else sentence


class Texts:
    """The languages in some folders; a text in a later folder replaces the text of the same key in an earlier one."""

    def __init__(self, folders: Iterable[Traversable]) -> None:
        sentences: dict[str, dict[str, str]] = {}
        for folder in folders:
            for file in folder.iterdir() if folder.is_dir() else ():
                if file.name.endswith(".json"):
                    sentences.setdefault(file.name.removesuffix(".json"), {}).update(json.loads(file.read_text(encoding="utf-8")))
        english = sentences[DEFAULT_LANGUAGE]
        self._languages = {tag.lower(): Language(tag, {**english, **own}) for tag, own in sentences.items()}

    @property
    def tags(self) -> list[str]:
        """The tags of the available languages, sorted."""
        return sorted(language.tag for language in self._languages.values())

    def language(self, ui_locales: Sequence[str]) -> Language:
        """Return the first available language of `ui_locales`, else English; unknown tags are not an error (OIDCRIL-2).

        A tag is matched by the lookup of RFC 4647, 3.4: `de-CH-1996`, then `de-CH`, then `de`.
        """
        for tag in ui_locales:
            for form in fallbacks(tag.lower()):
                if found := self._languages.get(form):
                    return found
        return self._languages[DEFAULT_LANGUAGE]
