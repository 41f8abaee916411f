# SPDX-License-Identifier: GPL-2.0
"""Judges a storm: looks for an order of events that explains all answers.

Each operation happened at some moment, or in steps at some moments, between its begin and its end
(linearizability). What is possible is followed through time, for each couple of devices by itself: a
configuration is a state and how far each operation under way is. When an operation ends, each
configuration must have it completed; the steps of others may come before or after. When no
configuration is left, the answer was wrong, or an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from .history import Around, Operation
from .rules import Rules, Traits
from .steps import State, Way

#: Of an operation, all that it may still have to do: what is left of each of its ways.
Left = frozenset[Way]
DONE: Left = frozenset([()])

#: A state, and the operations under way, by their places in the history, in the order of their begins.
Configuration = tuple[State, tuple[tuple[int, Left], ...]]


#: What is done to each device.
PARTS = {"rmmod": "releasing", "insmod": "offering"}


@dataclass(frozen=True)
class Wrong:
    """An answer that nothing explains."""

    couple: int
    operation: Operation
    #: How it was before that can have been.
    states: tuple[State, ...]
    #: What was under way or had just ended.
    near: tuple[Operation, ...]

    def __str__(self) -> str:
        lines = [f"nothing explains, for devices {2 * self.couple} and {2 * self.couple + 1}:", f"  {self.operation}"]
        lines += [f"  possible before: {state}" for state in self.states[:8]]
        return "\n".join([*lines, *(f"  near: {operation}" for operation in self.near)])


class Couple:
    """The search for two devices."""

    def __init__(self, number: int, history: list[Operation], traits: list[Traits], state: State) -> None:
        places = (2 * number, 2 * number + 1)
        mine = [o for o in history if not o.devices or set(o.devices) & set(places)]
        rules = Rules(places[0], traits, Around(mine, places))
        # What the module's coming and going does to a device is a part of its own: others have theirs meanwhile.
        moves = [o for o in mine if o.kind in PARTS and o.errno == 0]
        parts = [replace(o, kind=PARTS[o.kind], devices=(p,)) for o in moves for p in places]
        self._number = number
        self._history = sorted([*mine, *parts], key=lambda operation: operation.begin)
        self._ways = [rules.ways(operation) for operation in self._history]
        self._configurations: set[Configuration] = {(state, ())}
        self._known: dict[tuple[State, Left], Left] = {}

    def judge(self) -> Wrong | None:
        """The first answer that can't be explained."""
        ends = sorted(range(len(self._history)), key=lambda index: self._history[index].end)
        begun = 0
        for index in ends:
            while begun < len(self._history) and self._history[begun].begin <= self._history[index].end:
                new = frozenset(self._ways[begun])
                self._configurations = {
                    (state, (*under, (begun, self._seen(state, new)))) for state, under in self._configurations
                }
                begun += 1
            before = self._configurations
            self._configurations = _the_most(self._completed(index))
            if not self._configurations:
                return self._wrong(index, before)
        return None

    def _completed(self, index: int) -> set[Configuration]:
        """Where one can come with as many steps as it takes to complete this operation."""
        done: set[Configuration] = set()
        known = set(self._configurations)
        stack = list(self._configurations)
        while stack:
            state, under = stack.pop()
            left = next(left for other, left in under if other == index)
            if () in left:
                done.add((state, tuple(progress for progress in under if progress[0] != index)))
            if left == DONE:  # What else could happen now can happen later.
                continue
            for configuration in self._changes(state, under):
                if configuration not in known:
                    known.add(configuration)
                    stack.append(configuration)
        return done

    def _changes(self, state: State, under: tuple[tuple[int, Left], ...]) -> Iterator[Configuration]:
        """All that can happen next that changes the state."""
        for place, (index, left) in enumerate(under):
            for step in {way[0] for way in left if way}:
                if step.change is None or not step.possible(state):
                    continue
                after = step.change(state)
                if after == state:
                    continue
                rest = frozenset(way[1:] for way in left if way and way[0] == step)
                now = (*under[:place], (index, rest), *under[place + 1 :])
                yield after, tuple((other, self._seen(after, what)) for other, what in now)

    def _seen(self, state: State, left: Left) -> Left:
        """What is left after the steps that are possible in a state and leave it as it is.

        Nothing is lost by taking such a step as soon as it can be; where it would change another state,
        it may come later as well.
        """
        if left == DONE:
            return DONE
        known = self._known.get((state, left))
        if known is None:
            found: set[Way] = set()
            stack = list(left)
            while stack:
                way = stack.pop()
                if way in found:
                    continue
                if way and way[0].possible(state) and (way[0].change is None or way[0].change(state) == state):
                    stack.append(way[1:])
                    if way[0].change is None:
                        continue
                found.add(way)
            known = self._known[state, left] = frozenset(found)
        return known

    def _wrong(self, index: int, before: set[Configuration]) -> Wrong:
        asked = self._history[index]
        # What overlaps, and the last that was done before it.
        overlapping = [o for o in self._history if o is not asked and o.begin <= asked.end and o.end >= asked.begin]
        earlier = sorted((o for o in self._history if o.end < asked.begin), key=lambda o: o.end)[-12:]
        near = sorted([*earlier, *overlapping], key=lambda operation: operation.begin)
        states = sorted({state for state, _ in before}, key=str)
        return Wrong(self._number, asked, tuple(states), tuple(near))


def _the_most(configurations: set[Configuration]) -> set[Configuration]:
    """Without those from which nothing can come that can't come from another one in the same state."""
    kept: dict[State, list[tuple[tuple[int, Left], ...]]] = {}
    ordered = sorted(configurations, key=lambda configuration: -sum(len(left) for _, left in configuration[1]))
    for state, under in ordered:
        others = kept.setdefault(state, [])
        if not any(all(left <= more for (_, left), (_, more) in zip(under, other, strict=True)) for other in others):
            others.append(under)
    return {(state, under) for state, those in kept.items() for under in those}


def judge(history: list[Operation], traits: list[Traits], state: State | None = None) -> list[Wrong]:
    """The answers that nothing explains, one for each couple at most; devices begin in `state`."""
    couples = range(len(traits) // 2)
    found = [Couple(n, history, traits[2 * n : 2 * n + 2], state or State()).judge() for n in couples]
    return [wrong for wrong in found if wrong is not None]
