"""Keys and values of finished turns, kept for whoever begins with the same tokens."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from safegym.models.cache import Saved

Ids = NDArray[np.int32]
SHORTEST = 16
"""Fewer tokens of somebody else's are computed again rather than copied."""


class SessionStore:
    """What sessions have computed, the least recently used dropped when there are too many tokens.

    Args:
        limit: The most tokens kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.tokens = 0
        self._kept: OrderedDict[str, tuple[Ids, Saved]] = OrderedDict()

    def put(self, session: str, ids: Sequence[int] | Ids, saved: Saved) -> None:
        """Keep what was computed for a session, in place of what was kept for it before."""
        self.drop(session)
        self._kept[session] = np.asarray(ids, dtype=np.int32), saved
        self.tokens += len(ids)
        while self.tokens > self.limit:
            self.drop(next(iter(self._kept)))

    def drop(self, session: str) -> None:
        """Forget a session."""
        ids, _ = self._kept.pop(session, ((), None))
        self.tokens -= len(ids)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self.tokens = 0

    def find(self, session: str, ids: Ids) -> tuple[int, Saved | None]:
        """The longest prefix of `ids` that is kept, at least one token short of all of them, and its cache.

        The session's own comes first; another's is taken if it is longer, as with episodes of one scenario.
        """
        best, owner = 0, ""
        if session in self._kept:
            best, owner = common_prefix(self._kept[session][0], ids), session
        if best < len(ids) - 1:
            for other, (known, _) in self._kept.items():
                length = common_prefix(known, ids)
                if length > max(best, SHORTEST - 1):
                    best, owner = length, other
        if best == 0:
            return 0, None
        self._kept.move_to_end(owner)
        return best, self._kept[owner][1]


def common_prefix(known: Ids, ids: Ids) -> int:
    """How many tokens two sequences share at their beginning, at most one less than `ids` has."""
    shorter = min(len(known), len(ids) - 1)
    if shorter <= 0:
        return 0
    differs = known[:shorter] != ids[:shorter]
    first = int(differs.argmax())
    return first if differs[first] else shorter
