"""Render a page's name and values to bytes and headers.

Templates, texts and assets are read once at start; a deployer's folder may replace each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from jinja2 import BaseLoader, BytecodeCache, ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined, Template
from jinja2.bccache import Bucket

from .assets import Asset, Assets
from .links import form_action, frame_uri, https_link, redirect_uri
from .security_headers import ANY_TARGET, page_headers
from .texts import Texts

# The RP decides where its response to the form redirects, and Chromium would apply form-action to this redirect.
_SENT_TO_AN_RP = frozenset({"form_post"})


@dataclass(frozen=True)
class Page:
    """A response that is ready to be sent; `headers` are complete except cookies and Content-Length."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Pages:
    """All pages of the OP.

    `asset_base` is the path under which the server serves `asset`. `override` is a folder with any of `templates/`, `static/`
    and `locale/`: its templates and assets replace the built-in ones of the same name, its texts those with the same key.

    Raises: NotADirectoryError: `override` is not a folder. jinja2.TemplateSyntaxError: a template cannot be compiled.
    """

    def __init__(self, *, asset_base: str = "/assets", override: Path | None = None) -> None:
        if override is not None and not override.is_dir():
            raise NotADirectoryError(f"{override} is not a folder")
        folders: list[Traversable] = [files(__package__)]
        loaders: list[BaseLoader] = [PackageLoader(__package__)]
        if override is not None:
            folders.append(override)
            loaders.insert(0, FileSystemLoader(override / "templates"))
        self._assets = Assets(asset_base, [folder / "static" for folder in folders])
        self._texts = Texts([folder / "locale" for folder in folders])
        self._templates = _compile(ChoiceLoader(loaders), self._assets)

    def render(
        self,
        name: str,
        *,
        status: int = 200,
        ui_locales: Sequence[str] = (),
        form_targets: Sequence[str] = (),
        frame_src: Sequence[str] = (),
        img_src: Sequence[str] = (),
        **context: object,
    ) -> Page:
        """Return the page `name` in the first available language of `ui_locales`, else in English.

        `form_targets`: URIs to which the page's form redirects, such as an RP's `redirect_uri`; `("*",)` allows all
        (see `content_security_policy`). `frame_src`: URIs that the page frames. `img_src`: URIs of images that are not the OP's own.
        `context`: the template's values; all are required.

        Raises: LookupError: no page has this name. jinja2.UndefinedError: a value is missing.
            ValueError: an action is neither a path nor an http(s) URL; something else is framed or led to that must not be.
        """
        template = self._templates.get(name)
        if template is None:
            raise LookupError(f"no page is called {name!r}")
        language = self._texts.language(ui_locales)
        html = template.render({**context, "language": language.tag, "t": language.html, "has_text": language.has})
        headers = page_headers(
            # Values are escaped, so these can only be the template's own tags.
            has_form="<form" in html,
            has_script="<script" in html,
            form_targets=(ANY_TARGET,) if name in _SENT_TO_AN_RP else form_targets,
            frame_src=frame_src,
            img_src=img_src,
        )
        # A lone surrogate (half-decoded input) has no UTF-8 form: it becomes "?", so that the request does not fail.
        return Page(status, headers, html.encode("utf-8", errors="replace"))

    @property
    def languages(self) -> list[str]:
        """The BCP 47 tags of the available languages."""
        return self._texts.tags

    def text(self, key: str, ui_locales: Sequence[str] = ()) -> str:
        """Return the text of this key as plain text, with its `{placeholders}`.

        Raises: KeyError: there is no such text.
        """
        return self._texts.language(ui_locales).sentences[key]

    def asset_url(self, name: str) -> str:
        """Return the URL of an asset by its plain name: `style.css` gives `/assets/style.<hash>.css`.

        Raises: LookupError: the asset does not exist.
        """
        return self._assets.url(name)

    def asset(self, file_name: str) -> Asset | None:
        """Return the asset of this hashed file name; None if it does not exist (respond 404)."""
        return self._assets.get(file_name)


class _CompiledOnce(BytecodeCache):
    """A cache of compiled templates for all OPs in this process; Jinja looks them up by the template's source."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        kept = self._kept.get((bucket.key, bucket.checksum))
        if kept is not None:
            bucket.bytecode_from_string(kept)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key, bucket.checksum] = bucket.bytecode_to_string()


_COMPILED = _CompiledOnce()


def _compile(loader: BaseLoader, assets: Assets) -> dict[str, Template]:
    """Compile every page and return them by name, so that a broken override fails at start and not at a sign-in."""
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        cache_size=-1,
        bytecode_cache=_COMPILED,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset_url"] = assets.url
    environment.filters |= {"form_action": form_action, "frame_uri": frame_uri, "https_link": https_link, "redirect_uri": redirect_uri}
    templates = {name.removesuffix(".html"): environment.get_template(name) for name in environment.list_templates(extensions=["html"])}
    return {name: template for name, template in templates.items() if name != "base" and not name.startswith("_")}
