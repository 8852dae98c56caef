"""A self-contained page: sections of tables, figures and text in one HTML file.

Everything is text to be escaped: templates escape by default, the only markup let through is our
own style sheet and the figures that we draw. A content security policy forbids scripts and external
resources besides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from experiments.report.cells import Cells
from experiments.report.rooms import ShownRoom


@dataclass(frozen=True)
class Figure:
    """A drawing with its caption."""

    svg: str
    caption: str


@dataclass(frozen=True)
class Block:
    """Long text behind a fold."""

    title: str
    text: str
    open: bool = False


@dataclass(frozen=True)
class Section:
    """One part of the report; empty ones are left out."""

    id: str
    title: str
    texts: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Cells, ...] = ()
    rooms: tuple[ShownRoom, ...] = ()
    blocks: tuple[Block, ...] = field(default=())

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.figures or self.rooms or self.blocks or self.tables)


def render_page(
    title: str,
    kicker: str,
    sentence: str,
    sections: Sequence[Section],
    description: str = "",
    illustrative: bool = False,
) -> str:
    """Return a page as HTML.

    Args:
        title: Of the window.
        kicker: What this is about, in small print above the sentence.
        sentence: The headline: what was found.
        sections: Empty ones are left out.
        description: A paragraph below the headline.
        illustrative: Whether to mark the page as resting on fewer than five seeds.
    """
    from jinja2 import Environment as Templates
    from jinja2 import StrictUndefined
    from markupsafe import Markup

    assets = resources.files("experiments.report") / "assets"
    templates = Templates(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = templates.from_string((assets / "report.html").read_text("utf-8"))
    return template.render(
        title=title,
        kicker=kicker,
        sentence=sentence,
        illustrative=illustrative,
        description=description,
        style=Markup((assets / "report.css").read_text("utf-8")),
        sections=[_safe(section) for section in sections if not section.empty],
    )


def _safe(section: Section) -> dict[str, Any]:
    """Return a section as the template takes it: of all texts, only our own figures are markup."""
    from markupsafe import Markup

    return {
        "id": section.id,
        "title": section.title,
        "texts": section.texts,
        "figures": [{"svg": Markup(f.svg), "caption": f.caption} for f in section.figures],
        "tables": section.tables,
        "rooms": section.rooms,
        "blocks": section.blocks,
    }
