"""Language tags: what stands in for one that is not there (RFC 4647, 3.4)."""

from __future__ import annotations

import pytest

from oic_session_ext.web.language_tag import MAX_TAG_LENGTH, fallbacks


def test_a_tag_falls_back_subtag_by_subtag() -> None:
    assert fallbacks("de-CH-1996") == ["de-CH-1996", "de-CH", "de"]
    assert fallbacks("de") == ["de"]


@pytest.mark.spec("SEC-12")
def test_a_text_that_is_longer_than_any_tag_costs_nothing() -> None:
    assert fallbacks("a" * MAX_TAG_LENGTH) == ["a" * MAX_TAG_LENGTH]
    assert fallbacks("a-" * 30_000) == []
