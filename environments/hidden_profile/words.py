"""The words of generated hidden profiles: candidates for a post and facts about them.

A fact's wording states its direction and strength exactly, so that a reader of the text knows what
a reader of the numbers knows.
"""

from __future__ import annotations

POSTS = (
    "school",
    "clinic",
    "library",
    "harbour",
    "museum",
    "theatre",
    "council",
    "mine",
    "factory",
    "hospital",
    "observatory",
    "bakery",
)

NAMES = (
    "Abbot",
    "Brandt",
    "Castell",
    "Dufour",
    "Eriksen",
    "Fontana",
    "Grabow",
    "Hoshino",
    "Ivanov",
    "Jensen",
    "Kovacs",
    "Lindqvist",
)

MAX_OPTIONS = 8
MAX_LEVELS = 3

ADVERBS = ("somewhat", "clearly", "exceptionally")
"""Wording of strength 1, 2 and 3."""

FOR = (
    "reliable",
    "punctual",
    "inventive",
    "patient",
    "thorough",
    "fair",
    "decisive",
    "well-read",
    "persuasive",
    "thrifty",
    "calm",
    "open-minded",
    "diligent",
    "tactful",
    "experienced",
    "far-sighted",
    "candid",
    "resilient",
    "attentive",
    "organized",
    "modest",
    "curious",
    "generous",
    "principled",
)
AGAINST = (
    "careless",
    "late",
    "stubborn",
    "impatient",
    "superficial",
    "partial",
    "hesitant",
    "uninformed",
    "dull",
    "wasteful",
    "irritable",
    "narrow-minded",
    "idle",
    "blunt",
    "untried",
    "short-sighted",
    "evasive",
    "fragile",
    "inattentive",
    "disorganized",
    "vain",
    "incurious",
    "stingy",
    "unprincipled",
)
NEUTRAL = (
    "left-handed",
    "tall",
    "a swimmer",
    "the middle child",
    "a tea drinker",
    "born in spring",
    "fond of maps",
    "a cyclist",
    "an early riser",
    "a pianist",
    "the owner of a cat",
    "a gardener",
)

IMPRESSIONS = ("poor", "fair", "good")
"""Wording of the first impressions -1, 0 and 1."""


def context(post: int, names: list[str], impressions: list[int] | None) -> str:
    """Return the public text; first impressions are told only where they count."""
    listed = ", ".join(names[:-1]) + f" or {names[-1]}"
    text = f"Who should lead the {POSTS[post]}: {listed}?"
    if impressions is None:
        return text
    told = ", ".join(f"{n} {IMPRESSIONS[i + 1]}" for n, i in zip(names, impressions, strict=True))
    return f"{text} First impressions: {told}."


def fact(number: int, name: str, level: int, trait: int) -> str:
    """Return one fact; its number makes it unique within the case.

    Args:
        number: Position in the case, from 1.
        name: Whom it is about.
        level: Strength for (> 0) or against (< 0) the candidate; 0 says nothing either way.
        trait: Which trait of the list for its direction.
    """
    if level == 0:
        return f"Fact {number}: {name} is {NEUTRAL[trait % len(NEUTRAL)]}."
    traits = FOR if level > 0 else AGAINST
    adverb = ADVERBS[abs(level) - 1]
    return f"Fact {number}: {name} is {adverb} {traits[trait % len(traits)]}."


def vocabulary() -> list[str]:
    """Return every word of `context` and of the options, split at blanks."""
    posts = [f"{post}:" for post in POSTS]
    names = [f"{name}{mark}" for name in NAMES for mark in ("", ",", "?")]
    marks = [f"{word}{mark}" for word in IMPRESSIONS for mark in (",", ".")]
    fixed = ["Who", "should", "lead", "the", "or", "First", "impressions:"]
    return sorted({*fixed, *posts, *names, *marks})
