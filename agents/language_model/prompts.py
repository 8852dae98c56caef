"""What a language model is shown: prompts that score options and prompts that ask for speech.

Two styles. ``plain`` is context and option and nothing else, for models built from scratch, whose
words are the environment's vocabulary. ``instruct`` is an instruction in English for pretrained
models. What a student sees at an exam and in training comes from the same function
(`scoring.encode_case`).

Everything that others wrote (cases, evidence, speeches) is untrusted: see `tokens.Piece`.
"""

from __future__ import annotations

from dataclasses import dataclass

from agents.language_model.tokens import ASK, SEPARATOR, Piece
from coordination.messages import MessageKind

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Names of options where a reader is to name one."""
_TASKS = {
    MessageKind.EXPLANATION: "Say which option you believe is right, and explain why.",
    MessageKind.ARGUMENT: "Argue as convincingly as you can that your option is right.",
    MessageKind.CRITIQUE: "Point out the flaws in what the others said.",
    MessageKind.QUESTION: "Ask the one question whose answer would help most to decide.",
    MessageKind.ANSWER: "Answer the last question.",
    MessageKind.QUOTE: "Quote the evidence that matters most, and write nothing else.",
    MessageKind.DEMONSTRATION: "Show step by step how you would decide.",
    MessageKind.REBUTTAL: "Rebut the criticism of what you said; say why your option stands.",
    MessageKind.FEEDBACK: "Tell the others how their messages could be more helpful.",
}


@dataclass(frozen=True)
class Utterance:
    """One message that the reader heard."""

    speaker: str
    """Seat of the speaker."""
    text: str
    verified: tuple[str, ...] = ()
    """Evidence quoted in it that the environment verified."""


@dataclass(frozen=True)
class View:
    """All that a seat reads of one case."""

    context: str
    options: tuple[str, ...]
    """In canonical order."""
    order: tuple[int, ...]
    """Presentation order: place j shows option ``order[j]``."""
    evidence: tuple[str, ...] = ()
    """Items that the seat holds itself."""
    heard: tuple[Utterance, ...] = ()


@dataclass(frozen=True)
class ScoringPrompt:
    """A common beginning and one ending for each option, in canonical order.

    With ``verdict`` scoring the model is asked yes or no after the ending; with ``option`` scoring
    the ending's own tokens are scored.
    """

    prefix: tuple[Piece, ...]
    tails: tuple[tuple[Piece, ...], ...]


@dataclass(frozen=True)
class Prompter:
    """Builds prompts of one style for one way of scoring."""

    style: str
    """plain or instruct."""
    scoring: str
    """verdict or option."""
    frame: tuple[str, str] = ("", "")
    """Trusted text before and after the user's part (a chat template, or a first token)."""

    def judge(self, view: View) -> ScoringPrompt:
        """Return the prompt that scores every option of a view."""
        if self.style == "plain":
            return self._plain_judge(view)
        before, after = self.frame
        text = f"Decide which option is right.\n\n{_scene(view)}\n\n"
        if self.scoring == "option":
            start = (*_trusted(before), Piece(text + "Right option:"), *_trusted(after))
            lead = "" if after else " "
            return ScoringPrompt(start, tuple((Piece(lead + o),) for o in view.options))
        question = "Is the proposed option right? Answer yes or no."
        ending = question if after else f"{question}\nAnswer:"
        return ScoringPrompt(
            (*_trusted(before), Piece(text + "Proposed option:")),
            tuple((Piece(f" {o}\n{ending}"), *_trusted(after)) for o in view.options),
        )

    def chooser(self, view: View) -> tuple[Piece, ...]:
        """Return the prompt that asks for the letter of the right option (style ``instruct``).

        The letter of place j is ``LETTERS[j]``, so it stands for option ``view.order[j]``.
        """
        before, after = self.frame
        task = "Answer with the letter of the right option and nothing else."
        text = f"Decide which option is right.\n\n{_scene(view, LETTERS)}\n\n{task}"
        return (*_trusted(before), Piece(text + ("" if after else "\nAnswer:")), *_trusted(after))

    def speaker(
        self,
        view: View,
        seat: str,
        intent: MessageKind,
        stance: int,
        word_limit: int,
        quoting: bool,
    ) -> tuple[Piece, ...]:
        """Return the prompt that asks a seat to speak.

        Args:
            view: What the seat reads.
            seat: Its name.
            intent: The kind of message that is wanted.
            stance: Option to argue for; negative for none.
            word_limit: Words allowed; 0 for no limit.
            quoting: Whether the environment verifies quotes.
        """
        if self.style == "plain":
            argued = (Piece(view.options[stance]), Piece(SEPARATOR, True)) if stance >= 0 else ()
            return (*_plain_scene(view), *argued)
        lines = [f"You are the {seat} in a discussion.", "", _scene(view), ""]
        lines.append(_TASKS.get(intent, "Say what helps to decide."))
        if stance >= 0:
            lines.append(f"Your option: {view.options[stance]}")
        if quoting and view.evidence:
            lines.append(
                "Quote evidence word for word between quote marks, <quote>like this</quote>: "
                "only exact quotes are verified."
            )
        if word_limit:
            lines.append(f"Use at most {word_limit} words.")
        before, after = self.frame
        text = "\n".join(lines) + ("" if after else f"\n\n{seat}:")
        return (*_trusted(before), Piece(text), *_trusted(after))

    def _plain_judge(self, view: View) -> ScoringPrompt:
        asked = (Piece(ASK, True),) if self.scoring == "verdict" else ()
        return ScoringPrompt(
            _plain_scene(view), tuple((Piece(option), *asked) for option in view.options)
        )


def _trusted(text: str) -> tuple[Piece, ...]:
    return (Piece(text, True),) if text else ()


def _plain_scene(view: View) -> tuple[Piece, ...]:
    parts = [view.context, *view.evidence]
    for said in view.heard:
        parts += [said.text, *said.verified]
    return tuple(piece for part in parts for piece in (Piece(part), Piece(SEPARATOR, True)))


def _scene(view: View, names: str = "") -> str:
    lines = [f"Case: {view.context}", "Options:"]
    shown = enumerate(view.order)
    lines += [f"{names[j : j + 1] or j + 1}. {view.options[k]}" for j, k in shown]
    if view.evidence:
        lines += ["Evidence that you hold:", *(f"- {item}" for item in view.evidence)]
    if view.heard:
        lines.append("What was said:")
        for said in view.heard:
            # Further lines of a speech are fenced, so that none reads as a line of ours.
            lines.append(f"{said.speaker}: {said.text}".replace("\n", "\n> "))
            lines += [f'[verified] "{quote}"' for quote in said.verified]
    return "\n".join(lines)
