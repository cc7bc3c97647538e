"""What a check makes up tells right from wrong, every time."""

from tutorial_project.checks.kinds.made_up import mixed


def test_mixed_items_are_never_in_their_order_nor_in_the_reverse() -> None:
    found = [mixed((1, 2, 3)) for _ in range(50)]
    assert all(sorted(order) == [1, 2, 3] for order in found)
    assert [1, 2, 3] not in found
    assert [3, 2, 1] not in found
