"""What opens a part of the site's navigation says what it opens."""

from __future__ import annotations

from toggles import named_toggles

ENTRY = '<li><a class="current reference internal" href="solutions/index.html"><code>All</code> solutions</a>'


def test_what_opens_a_part_of_the_navigation_is_named_after_it() -> None:
    opened = f'{ENTRY}<details open="open"><summary><span role="presentation"></span></summary></details>'
    assert '<details open="open"><summary aria-label="Pages of All solutions"><span' in named_toggles(opened)


def test_what_a_lesson_folds_keeps_its_own_words() -> None:
    folded = "<p>See.</p><details><summary>The answer</summary></details>"
    assert named_toggles(folded) == folded
