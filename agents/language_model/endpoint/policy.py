"""Language models behind an OpenAI-compatible endpoint: vLLM, llama.cpp, ``transformers serve``.

Importing this module opens no connection and needs no HTTP library; building an `Endpoint` does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from agents.language_model.answering import TextPolicy
from agents.language_model.endpoint.choices import from_counts, from_logprobs, read_choice
from agents.language_model.endpoint.client import REFUSES_PARAMETERS, Client, Failure, reach
from agents.language_model.endpoint.config import EndpointConfig, check
from agents.language_model.endpoint.replies import Replies, Reply, ask_hash
from agents.language_model.prompts import LETTERS, Prompter, View
from agents.language_model.tokens import Piece
from agents.language_model.views import Viewer
from coordination.cohort import Asks
from coordination.messages import Fault
from environments.core.keyed import Keyed, name_key

Job = TypeVar("Job")
Found = TypeVar("Found")


@dataclass(frozen=True)
class _Choice:
    """What came of asking for an option."""

    probs: NDArray[np.float64] | None
    """[n] in the order shown; None with a fault."""
    fault: Fault
    tokens: int


class Endpoint(TextPolicy[Viewer]):
    """A language model behind an OpenAI-compatible server: chooses by letter, speaks by sampling.

    Options are shown with letters, and the letter of the right one is asked for. Its
    log-probabilities give the distribution; where the server gives none, the smoothed frequencies
    of several samples do. Equal prompts are one question, asked once.

    Every reply is kept under the hash of model, prompt, parameters and ask seed, so that a run
    that is continued repeats no request. What the server fails to do is a fault of the row: a
    time-out `Fault.TIMEOUT`, a refusal or a broken reply `Fault.ERROR`, an answer that names no
    option `Fault.UNPARSABLE`, an empty speech `Fault.MISSING`.

    The policy is pure given its replies. A server promises less: see ``docs/language_models.md``.

    Args:
        config: See `EndpointConfig`.
        seed: Keys the seeds sent with requests, and the jitter of waits.
        replies: Known replies, and where new ones go; in memory if None.

    Raises:
        ConfigError: For values that cannot run, or a key that is not in the environment.
    """

    Config: ClassVar[type[EndpointConfig]] = EndpointConfig
    source: ClassVar[str] = (
        "OpenAI-compatible HTTP API; smoothing of Krichevsky & Trofimov 1981 (IEEE Trans. Inf. "
        "Theory 27(2))"
    )
    keeps_replies: ClassVar[bool] = True
    """Whether the constructor takes ``replies``."""

    def __init__(self, config: EndpointConfig, seed: int, replies: Replies | None = None) -> None:
        check(config)
        super().__init__(config, seed)
        self._replies = Replies() if replies is None else replies
        self._client = Client(config, seed)
        frame = ("", "\n") if config.api == "chat" else ("", "")
        self._prompter = Prompter("instruct", "option", frame)
        self._choice_seed = Keyed(seed, "endpoint/choice")
        self._speech_seed = Keyed(seed, "endpoint/speech")
        # Set once, and without influence on answers: it saves requests that would be refused.
        self._no_logprobs = threading.Event()

    @classmethod
    def preflight(cls, config: EndpointConfig, where: str) -> None:
        """Check what a run needs before anything starts: values, key, and that a server answers.

        Raises:
            ConfigError: One line.
        """
        check(config, where)
        reach(config, where)

    # -- hooks of TextPolicy ---------------------------------------------------------------

    def _open(self, asks: Asks) -> Viewer:
        return Viewer(asks)

    def _score(
        self, reader: Viewer, asks: Asks, rows: NDArray[np.int64], blank: dict[str, np.ndarray]
    ) -> None:
        prompts: dict[str, View] = {}
        place: dict[int, str] = {}
        for row in rows.tolist():
            fitted = self._fitted(reader.view(row), self._prompter.chooser)
            if fitted is None or len(fitted[1].order) > len(LETTERS):
                blank["fault"][row] = int(Fault.ERROR)
                continue
            place[row] = fitted[0]
            prompts.setdefault(*fitted)
        stop = time.monotonic() + self.config.patience_s
        found = self._at_once(lambda job: self._choose(*job, stop), list(prompts.items()))
        choices = dict(zip(prompts, found, strict=True))
        for row, text in place.items():
            choice, order = choices[text], list(prompts[text].order)
            blank["tokens"][row] += choice.tokens
            if choice.probs is None:
                blank["fault"][row] = int(choice.fault)
                continue
            blank["probs"][row] = 0.0
            blank["probs"][row, order] = choice.probs
            blank["confidence"][row] = choice.probs.max()

    def _speak(
        self, reader: Viewer, asks: Asks, rows: NDArray[np.int64], blank: dict[str, np.ndarray]
    ) -> None:
        texts: dict[int, str] = {}
        for row in rows.tolist():
            stance = int(blank["stance"][row])

            def prompt(view: View, stance: int = stance) -> tuple[Piece, ...]:
                return self._prompter.speaker(
                    view, asks.seat, asks.intent, stance, asks.word_limit, asks.verification
                )

            fitted = self._fitted(reader.view(row), prompt)
            if fitted is None:
                blank["fault"][row] = int(Fault.ERROR)
            else:
                texts[row] = fitted[0]
        stop = time.monotonic() + self.config.patience_s
        seeds = _positive(self._speech_seed.bits(asks.ask_id))

        def speech(row: int) -> Reply | Failure:
            limit, heat = self.config.max_new_tokens, self.config.temperature
            return self._ask(self._body(texts[row], limit, heat), int(seeds[row]), stop)

        for row, said in zip(texts, self._at_once(speech, list(texts)), strict=True):
            if isinstance(said, Failure):
                blank["fault"][row] = int(said.fault)
                continue
            text = said.text.rpartition("</think>")[2].strip()
            blank["tokens"][row] += said.read + said.written
            blank["text"][row] = text
            blank["words"][row] = len(text.split())
            if not text:
                blank["fault"][row] = int(Fault.MISSING)

    # -- parts -----------------------------------------------------------------------------

    def _fitted(
        self, view: View, prompt: Callable[[View], Sequence[Piece]]
    ) -> tuple[str, View] | None:
        """Return a prompt that is short enough, and what it shows; messages may be forgotten."""
        while True:
            text = "".join(piece.text for piece in prompt(view)).strip()
            if len(text) <= self.config.max_prompt_chars:
                return text, view
            if not view.heard:
                return None
            view = replace(view, heard=view.heard[1:])

    def _choose(self, text: str, view: View, stop: float) -> _Choice:
        options = [view.options[k] for k in view.order]
        n, method = len(options), self.config.method
        key = name_key(text) >> 1
        seeds = _positive(self._choice_seed.bits(key, shape=(self.config.samples,))).tolist()
        counts = np.zeros(n, dtype=np.int64)
        tokens = 0
        failure: Failure | None = None
        for number, seed in enumerate(seeds):
            wants_top = number == 0 and method != "sampling"
            said = self._sample(text, seed, stop, wants_top)
            if isinstance(said, Failure):
                failure = said
                if method == "logprobs":
                    break
                continue
            tokens += said.read + said.written
            probs = from_logprobs(said.top, n) if wants_top and said.top else None
            if probs is not None:
                return _Choice(probs, Fault.NONE, tokens)
            if method == "logprobs":
                break
            choice = read_choice(said.text, options)
            if choice is not None:
                counts[choice] += 1
        if counts.any():
            return _Choice(from_counts(counts, self.config.smoothing), Fault.NONE, tokens)
        return _Choice(None, Fault.UNPARSABLE if failure is None else failure.fault, tokens)

    def _sample(self, text: str, seed: int, stop: float, wants_top: bool) -> Reply | Failure:
        """Ask for a letter; without log-probabilities if the server refuses to give them."""
        limit, auto = self.config.choice_tokens, self.config.method == "auto"
        if wants_top and not (auto and self._no_logprobs.is_set()):
            said = self._ask(self._body(text, limit, 1.0, wants_top=True), seed, stop)
            refused = isinstance(said, Failure) and said.status in REFUSES_PARAMETERS
            if not (refused and auto):
                return said
        said = self._ask(self._body(text, limit, 1.0), seed, stop)
        if wants_top and isinstance(said, Reply):
            # The same request without the parameter is taken, so it was the parameter.
            self._no_logprobs.set()
        return said

    def _body(
        self, text: str, limit: int, temperature: float, wants_top: bool = False
    ) -> dict[str, Any]:
        config = self.config
        body: dict[str, Any] = {"model": config.model}
        if config.api == "chat":
            system = [{"role": "system", "content": config.system}] if config.system else []
            body["messages"] = [*system, {"role": "user", "content": text}]
        else:
            body["prompt"] = text
        body |= {"temperature": temperature, "max_tokens": limit}
        if wants_top and config.api == "chat":
            body |= {"logprobs": True, "top_logprobs": config.top_logprobs}
        elif wants_top:
            body["logprobs"] = config.top_logprobs
        return body

    def _ask(self, body: Mapping[str, Any], seed: int, stop: float) -> Reply | Failure:
        """Return the known reply, or ask the server and keep what it says."""
        full = {**body, "seed": seed, **self.config.extra}
        full = {key: value for key, value in full.items() if value is not None}
        ask = ask_hash(self.config.api, full, seed)
        known = self._replies.get(ask)
        if known is not None:
            return known
        outcome, attempts = self._client.send(full, ask, stop)
        if isinstance(outcome, Reply):
            self._replies.put(ask, outcome, attempts)
        else:
            self._replies.note(ask, outcome.reason, attempts)
        return outcome

    def _at_once(self, work: Callable[[Job], Found], jobs: Sequence[Job]) -> list[Found]:
        if not jobs:
            return []
        with ThreadPoolExecutor(min(self.config.concurrency, len(jobs)), "endpoint") as pool:
            return list(pool.map(work, jobs))


def _positive(bits: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return 31-bit seeds, which every server takes."""
    return (bits >> np.uint64(33)).astype(np.int64)
