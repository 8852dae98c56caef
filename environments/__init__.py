"""What is decided: cases with sealed truth, evidence and options.

Built-in environments are imported when first asked for by name.
"""

from environments.core.registry import Registry

ENVIRONMENTS = Registry(
    "environment",
    {
        "reading": "environments.reading.world:Reading",
        "reading_file": "environments.reading.file:ReadingFile",
        "chess_puzzles": "environments.chess_puzzles.environment:ChessPuzzles",
    },
)
