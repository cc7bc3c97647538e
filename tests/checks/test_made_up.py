"""What a check makes up tells right from wrong, every time."""

from tutorial_project.checks.kinds.made_up import mixed, one_of


def test_mixed_items_are_never_in_their_order_nor_in_the_reverse() -> None:
    found = [mixed((1, 2, 3)) for _ in range(50)]
    assert all(sorted(order) == [1, 2, 3] for order in found)
    assert [1, 2, 3] not in found
    assert [3, 2, 1] not in found


def test_two_proofs_beside_each_other_do_not_get_the_same_row() -> None:
    found = [one_of(range(10)) for _ in range(50)]
    assert all(len(set(found[n : n + 8])) == 8 for n in range(43))
    assert set(found) == set(range(10))
