"""Groups things by the links between them."""

from collections.abc import Iterable


def joined(count: int, links: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Give the connected components of ``count`` things: each a sorted list of indices, sorted by the first."""
    leader = list(range(count))

    def find(index: int) -> int:
        while leader[index] != index:
            leader[index] = leader[leader[index]]
            index = leader[index]
        return index

    for one, other in links:
        low, high = sorted((find(one), find(other)))
        leader[high] = low
    groups: dict[int, list[int]] = {}
    for index in range(count):
        groups.setdefault(find(index), []).append(index)
    return list(groups.values())
