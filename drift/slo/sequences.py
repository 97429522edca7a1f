"""Made-up stretches of an objective's slots, written down: `B*9,M*13,(B*7,G*33)*6`, or by bad events: `3/256*9`."""

import re
from typing import Final

from drift.errors import SequenceError
from drift.slo.indicators import Events, Outcome

LETTERS: Final = {
    "B": Outcome.BAD,
    "G": Outcome.GOOD,
    "M": Outcome.MISSING,
    "I": Outcome.INSUFFICIENT,
    "S": Outcome.EXCLUDED,
}
MOST: Final = 1_000_000
"""Slots of a sequence, at most: nine years of five minutes."""

_TOKEN: Final = re.compile(r"\*\s*(?P<times>\d+)|(?P<bad>\d{1,9})/(?P<total>\d{1,9})|\S")
_KNOWN: Final = ", ".join(f"{letter} ({outcome})" for letter, outcome in LETTERS.items())


def parse_sequence(text: str) -> tuple[Outcome | Events, ...]:
    """The slots that `text` stands for, oldest first: at least one, at most `MOST`.

    Letters, bad events of all (`3/256`), or groups in parentheses, may be repeated (`*9`) and set apart by commas or
    spaces.

    Raises:
        SequenceError: with the place at which `text` is not a sequence, and what would be right there.
    """
    reader = _Reader(text)
    for token in _TOKEN.finditer(text):
        reader.take(token)
    return reader.end()


class _Reader:
    """What was read so far: finished slots of each open group, and the item that a `*` would repeat."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._groups: list[list[Outcome | Events]] = [[]]
        self._opened: list[int] = []
        self._item: list[Outcome | Events] = []
        self._may_end = False  # something stands here that a comma, a `*` or a parenthesis may follow

    def take(self, token: re.Match[str]) -> None:
        place = token.start()
        match token[0]:
            case letter if letter in LETTERS:
                self._flush(place)
                self._item, self._may_end = [LETTERS[letter]], True
            case "(":
                self._flush(place)
                self._groups.append([])
                self._opened.append(place)
                self._may_end = False
            case ")":
                self._close(place)
            case ",":
                self._require_item(place, "a comma needs something before it")
                self._flush(place)
                self._may_end = False
            case _ if token["times"] is not None:
                self._repeat(place, int(token["times"][:10]))  # more digits are too many slots all the same
            case _ if token["total"] is not None:
                self._count(place, int(token["bad"]), int(token["total"]))
            case "*":
                self._refuse(place, "write how often after the `*`, such as `B*9`")
            case other:
                self._refuse(place, f"{other!r} means nothing here: write {_KNOWN}, `(`, `)`, `*` or a comma")

    def end(self) -> tuple[Outcome | Events, ...]:
        if self._opened:
            self._refuse(self._opened[-1], "this parenthesis is never closed")
        self._require_item(len(self._text), f"something must stand here: {_KNOWN} or a group")
        self._flush(len(self._text))
        if not self._groups[0]:
            self._refuse(0, "this is no slot at all: repeat something at least once")
        return tuple(self._groups[0])

    def _count(self, place: int, bad: int, total: int) -> None:
        if not bad <= total or not total:
            self._refuse(place, f"{bad} of {total} is no number of bad events: write bad ones of all, such as 3/256")
        self._flush(place)
        self._item, self._may_end = [Events(total - bad, total)], True

    def _close(self, place: int) -> None:
        if not self._opened:
            self._refuse(place, "no parenthesis is open here")
        self._require_item(place, "something must stand before the `)`")
        self._flush(place)
        self._opened.pop()
        self._item = self._groups.pop()

    def _repeat(self, place: int, times: int) -> None:
        self._require_item(place, "nothing stands before the `*` to be repeated")
        if len(self._item) * times > MOST:
            self._refuse(place, f"these would be {len(self._item) * times:,} slots: at most {MOST:,} are simulated")
        self._item = self._item * times

    def _flush(self, place: int) -> None:
        self._groups[-1] += self._item
        self._item = []
        if sum(map(len, self._groups)) > MOST:
            self._refuse(place, f"up to here these are more than {MOST:,} slots, the most that are simulated")

    def _require_item(self, place: int, needed: str) -> None:
        if not self._may_end:
            self._refuse(place, needed)

    def _refuse(self, place: int, why: str) -> None:
        # Of a long sequence the part around the place, so that the mark stands under it in a terminal.
        first = max(0, place - 60)
        shown = re.sub(r"\s", " ", self._text[first : place + 20])
        mark = " " * (place - first) + "^"
        raise SequenceError(f"the sequence is wrong at place {place + 1}: {why}\n  {shown}\n  {mark}")
