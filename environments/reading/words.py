"""The words of generated reading cases.

Each attribute has up to eight values, each value one word. The last attribute of an option is its
trade, by which facts refer to it.
"""

from __future__ import annotations

OTHER_ATTRIBUTES: tuple[tuple[str, ...], ...] = (
    ("young", "old", "boyish", "grizzled", "youngish", "elderly", "ageless", "greying"),
    ("tall", "short", "slim", "stout", "lanky", "stocky", "wiry", "burly"),
    ("shy", "loud", "calm", "restless", "cheerful", "gloomy", "proud", "modest"),
    ("local", "foreign", "northern", "southern", "eastern", "western", "coastal", "highland"),
    ("rich", "poor", "thrifty", "lavish", "indebted", "salaried", "landed", "homeless"),
    ("bearded", "freckled", "bald", "blond", "tanned", "pale", "scarred", "masked"),
    ("early", "late", "idle", "busy", "punctual", "hurried", "sleepy", "wakeful"),
)
"""Attributes other than the trade, in the order in which a configuration takes them."""

TRADES = ("baker", "sailor", "tailor", "miller", "weaver", "printer", "smith", "clerk")

OBJECTS = ("watch", "letter", "painting", "ring", "ledger", "violin", "map", "lantern")
PLACES = ("mill", "inn", "harbour", "library", "chapel", "market", "tower", "station")

WITNESSES = ("innkeeper", "porter", "gardener", "widow", "guard", "cook", "coachman", "teacher")
DEEDS = (
    "leave by the back door",
    "carry something under a coat",
    "walk there after midnight",
    "ask about the lock",
    "hide a key",
    "come back in a hurry",
)

MAX_ATTRIBUTES = len(OTHER_ATTRIBUTES) + 1
MAX_VALUES = len(TRADES)


def attribute_words(n_attributes: int, n_values: int) -> tuple[tuple[str, ...], ...]:
    """Return the words of each attribute's values; the last attribute is the trade."""
    return tuple(words[:n_values] for words in (*OTHER_ATTRIBUTES[: n_attributes - 1], TRADES))


def question(item: int, place: int) -> str:
    """Return the public question about an object and a place."""
    return f"Who took the {OBJECTS[item]} from the {PLACES[place]}?"


def fact(number: int, witness: int, percent: int, trade: str, deed: int) -> str:
    """Return one sentence of the passage; its number makes it unique within the case."""
    return (
        f"Fact {number}: the {WITNESSES[witness]}, right {percent} times in 100, "
        f"saw the {trade} {DEEDS[deed]}."
    )


def context_vocabulary() -> list[str]:
    """Return every word of `question`, split at blanks."""
    return ["Who", "took", "the", "from", *OBJECTS, *(f"{place}?" for place in PLACES)]
