"""Each picture that a page names is in the sprite."""

from __future__ import annotations

import re

from portal.navigation import LINKS
from tests.architecture.tree import text, tracked

NAMED = re.compile(r"icon=\"([a-z-]+)\"|{% icon \"([a-z-]+)\"")


def test_each_icon_of_a_page_or_of_the_navigation_is_drawn():
    drawn = set(re.findall(r'id="i-([a-z-]+)"', text("templates/parts/sprite.html")))
    pages = [path for path in tracked() if path.startswith("templates/")]
    named = {(path, a or b) for path in pages for a, b in NAMED.findall(text(path))}
    named |= {("navigation", icon) for _, links in LINKS for _, icon, *_ in links}
    assert [one for one in sorted(named) if one[1] not in drawn] == []
