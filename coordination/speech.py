"""Cleaning of untrusted speech: what an agent says cannot pretend to be anything else.

A speech may try to forge a verified quote, another speaker's turn, a ruling, a chat template's
control tokens or a report's HTML. `clean_speech` makes each of these impossible to write rather
than looking for known bad strings:

* ``<``, ``>``, ``[`` and ``]`` never survive (they become ``‹ › ( )``), so no control token
  (``<|im_start|>``, ``<s>``, ``[INST]``, ``<start_of_turn>``), no HTML tag and no mark of the
  room (``[verified]``) can be spelled. Compatibility forms (fullwidth …) are folded first (NFKC).
* Control, format (zero-width, bidirectional), private and unassigned characters are removed.
* A line cannot begin with a heading: the colon after up to five words at the start of a line
  becomes a comma ("Judge: A wins" reads "Judge, A wins"), whatever alphabet the words borrow.
* Claims of verification ("(verified)", "verified:", ✓) become plain claims.
* Words, lines and the whole have a greatest length.

The result is a fixed point: cleaning it again changes nothing.
"""

from __future__ import annotations

import re
import unicodedata

MAX_CHARS = 20_000
"""Longest speech, in characters."""
MAX_WORD = 100
"""Longer words are broken, so that a word limit cannot be dodged by leaving out the blanks."""
MAX_LINE = 1_000
"""Longest line."""

_BRACKETS = str.maketrans(
    {
        # Unicode's opening and closing brackets (Ps, Pe), and letters and signs that look like one.
        **dict.fromkeys("<⟨〈≺⧼˂˱ᐸ❬❮❰⟪《⦑⦓⪡⩹⋖⪦", "‹"),
        **dict.fromkeys(">⟩〉≻⧽˃˲ᐳ❭❯❱⟫》⦒⦔⪢⩺⋗⪧", "›"),
        **dict.fromkeys("[{【〔〖〘〚⟦⟬⟮⦃⦅⦇⦉⦋⦍⦏⦕⦗⧘⧚⁅⌈⌊❨❪❲❴⟅⸢⸤⸦⸨⹕⹗⹙⹛༺༼᚛﴿", "("),
        **dict.fromkeys("]}】〕〗〙〛⟧⟭⟯⦄⦆⦈⦊⦌⦎⦐⦖⦘⧙⧛⁆⌉⌋❩❫❳❵⟆⸣⸥⸧⸩⹖⹘⹚⹜༻༽᚜﴾", ")"),
        **dict.fromkeys("「『", "“"),
        **dict.fromkeys("」』", "”"),
        **dict.fromkeys("∶꞉ː˸։׃܃܄፡፥᠄⁝⦂꛴𝪊", ":"),
        **dict.fromkeys("❘❙❚∣ǀǁ‖│┃￨⏐⏸\uffe8", "|"),
        **dict.fromkeys("✓✔☑✅🗸🗹🮱𐄂⍻", ""),
        "▁": "_",
    }
)
_SPACES = re.compile(r"[^\S\n]+")
_NEWLINES = re.compile(r"\n{3,}")
_MARKUP = re.compile(r"^[^\w\n\"'“‘(«‹+.$€£¥%&–—-]+|^[-–—+]{2,}\s*|^[-+]\s+")
_HEADING_COLON = re.compile(r"(?<!\d):|:(?!\d)")
_E, _I = "[eéèêëēеёҽєɘε℮]", "[iíìîïıіїιɪ1l|!]"
_LIKE_VERIFIED = f"[vѵνᴠʋ]{_E}[rгᴦʀɼř]{_I}[fƒғϝꜰ]{_I}{_E}[dԁɗďđ]"
# "verified", or letters of other alphabets that look like it.
_VERIFIED = re.compile(rf"\(\W{{0,8}}(?:un|not\s+)?{_LIKE_VERIFIED}", re.IGNORECASE)
_VERIFIED_PREFIX = re.compile(
    rf"\b{_LIKE_VERIFIED}(?=\s*(?:quotes?|evidence|facts?)?\s*:)", re.IGNORECASE
)
_LONG_WORD = re.compile(rf"(\S{{{MAX_WORD}}})(?=\S)")
_HEADING_WORDS = 5
_KEPT_CATEGORIES = frozenset("LMNPSZ")


def clean_speech(text: str) -> str:
    """Return a speech from which nothing that belongs to the room can be read.

    Args:
        text: Anything that an agent wrote.

    Returns:
        Readable text of at most `MAX_CHARS` characters; ``''`` if nothing is left.
    """
    cleaned = _once(text)
    # One pass leaves almost every text at its fixed point; the bound guards against surprises of
    # Unicode composition, after which only ASCII is kept.
    for _ in range(8):
        again = _once(cleaned)
        if again == cleaned:
            return cleaned
        cleaned = again
    return _once(cleaned.encode("ascii", "ignore").decode())


def limit_words(text: str, limit: int) -> tuple[str, int]:
    """Cut a text after ``limit`` words (0: no limit).

    Returns:
        The text, ending on a whole word, and its number of words (runs of non-blank characters).
    """
    count = 0
    for word in re.finditer(r"\S+", text):
        if limit and count == limit:
            return text[: word.start()].rstrip(), count
        count += 1
    return text, count


def _once(text: str) -> str:
    # One character can become eighteen, so the length is bounded before and after.
    text = unicodedata.normalize("NFKC", text[: 4 * MAX_CHARS])[: 4 * MAX_CHARS]
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = re.sub("[\u2028\u2029\u0085\v\f]", "\n", text)
    text = "".join(
        c
        for c in text
        if c == "\n"
        or c == "\t"
        or (unicodedata.category(c)[0] in _KEPT_CATEGORIES and not _variation_selector(c))
    )
    text = _SPACES.sub(" ", text.translate(_BRACKETS))
    text = _LONG_WORD.sub(r"\1 ", text)
    text = _VERIFIED.sub("(claimed", text)
    text = _VERIFIED_PREFIX.sub("claimed", text)
    lines = [line for long in text.split("\n") for line in _split(long.strip())]
    text = "\n".join(_plain_start(line) for line in lines)
    return _NEWLINES.sub("\n\n", text)[:MAX_CHARS].strip()


def _variation_selector(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def _split(line: str) -> list[str]:
    """Break a line that is too long at blanks."""
    parts = []
    while len(line) > MAX_LINE:
        cut = line.rfind(" ", 0, MAX_LINE)
        cut = MAX_LINE if cut <= 0 else cut
        parts.append(line[:cut].rstrip())
        line = line[cut:].lstrip()
    return [*parts, line]


def _could_be_heading(head: str) -> bool:
    return len(head.split()) <= _HEADING_WORDS and any(c.isalpha() for c in head)


def _plain_start(line: str) -> str:
    """Take list and heading marks off the start of a line, and the colon of a heading."""
    while True:
        before = line
        line = _MARKUP.sub("", line).lstrip()
        colon = _HEADING_COLON.search(line)
        if colon and _could_be_heading(line[: colon.start()]):
            line = f"{line[: colon.start()].rstrip()},{line[colon.end() :]}"
        if line == before:
            return line
