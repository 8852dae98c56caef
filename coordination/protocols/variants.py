"""Settings of protocols that the literature calls by a name of their own.

Each is its base class with other defaults; every key of the base's configuration works here too.
"""

from __future__ import annotations

from dataclasses import dataclass

from coordination.protocols.consultancy import Consultancy, ConsultancyConfig
from coordination.protocols.debate import Debate, DebateConfig
from coordination.protocols.explanation import ExplanationConfig, ExplanationProtocol


@dataclass
class OpenConsultancyConfig(ConsultancyConfig):
    """Configuration of `OpenConsultancy`."""

    name: str = "open_consultancy"
    stance: str = "open"


class OpenConsultancy(Consultancy):
    """A consultant argues for its own answer over some rounds, then the judge decides.

    Turns (3 rounds, without questions)::

        turn  seat        kind      sees
        0     consultant  argument  -
        1     consultant  argument  -
        2     consultant  argument  -
        3     judge       ruling    consultant 0-2

    Its value: no stance is assigned; a Bayesian judge's verdict is its prior plus the quoted
    evidence for the consultant's own answer.
    """

    Config = OpenConsultancyConfig
    name = "open_consultancy"
    source = "Kenton et al. 2024, arXiv 2407.04622 (open consultancy)"


@dataclass
class OpenDebateConfig(DebateConfig):
    """Configuration of `OpenDebate`."""

    name: str = "open_debate"
    stance: str = "open"


class OpenDebate(Debate):
    """The proponent argues for its own answer, the opponent against it, then the judge decides.

    Turns (3 rounds, simultaneous)::

        turn  seat       kind      sees
        0     proponent  argument  -
        0     opponent   argument  -
        1     proponent  argument  opponent 0
        1     opponent   argument  proponent 0
        2     proponent  argument  opponent 0-1
        2     opponent   argument  proponent 0-1
        3     judge      ruling    proponent 0-2, opponent 0-2

    Its value: the proponent stands for its own answer in every room, where an assigned debate has
    it there in half of them.
    """

    Config = OpenDebateConfig
    name = "open_debate"
    source = "Kenton et al. 2024, arXiv 2407.04622 (open debate)"


@dataclass
class CrossExaminationConfig(DebateConfig):
    """Configuration of `CrossExamination`."""

    name: str = "cross_examination"
    examination: bool = True


class CrossExamination(Debate):
    """A debate in which the judge, or an examiner, asks a question between rounds.

    Turns (3 rounds, simultaneous, the judge asks)::

        turn  seat       kind      sees
        0     proponent  argument  -
        0     opponent   argument  -
        1     judge      question  proponent 0, opponent 0
        2     proponent  argument  opponent 0, judge 1
        2     opponent   argument  proponent 0, judge 1
        3     judge      question  proponent 0+2, opponent 0+2
        4     proponent  argument  opponent 0+2, judge 1+3
        4     opponent   argument  proponent 0+2, judge 1+3
        5     judge      ruling    proponent 0+2+4, opponent 0+2+4

    Its value: the only protocol in which questions are heard by two sides that hear each other.
    """

    Config = CrossExaminationConfig
    name = "cross_examination"
    source = "Barnes & Christiano 2020, Progress on AI Safety via Debate (cross-examination)"


@dataclass
class BestOfNConfig(DebateConfig):
    """Configuration of `BestOfN`."""

    name: str = "best_of_n"
    drafts: int = 4


class BestOfN(Debate):
    """A debate in which each speech is the best of several drafts, by the judge's preference.

    For best-of-N consultancy give ``drafts`` to a consultancy. With ``drafts: 1`` it is a plain
    debate, to the last bit. Drafts that are not said leave no message; the judge's opinions of them
    are in the ledger as probes. Debaters must vary from draft to draft: language models do,
    numeric experts with ``variety`` above 0.

    Turns (3 rounds, simultaneous)::

        turn  seat       kind      sees
        0     proponent  argument  -
        0     opponent   argument  -
        1     proponent  argument  opponent 0
        1     opponent   argument  proponent 0
        2     proponent  argument  opponent 0-1
        2     opponent   argument  proponent 0-1
        3     judge      ruling    proponent 0-2, opponent 0-2

    Its value: each speech is, among its drafts, the one after which the judge's probability of its
    side is greatest.
    """

    Config = BestOfNConfig
    name = "best_of_n"
    source = "Khan et al. 2024, arXiv 2402.06782 (best-of-N debaters)"


@dataclass
class OnlineExplanationConfig(ExplanationConfig):
    """Configuration of `OnlineExplanation`."""

    name: str = "online_explanation"
    release: str = "online"


class OnlineExplanation(ExplanationProtocol):
    """The advisor explains in parts; the judge's belief after each is on record.

    Turns (3 parts)::

        turn  seat     kind         sees
        0     advisor  explanation  -
        1     advisor  explanation  -
        2     advisor  explanation  -
        3     judge    ruling       advisor 0-2

    Its value: a Bayesian judge's recorded beliefs are its prior plus the first one, two … parts.
    """

    Config = OnlineExplanationConfig
    name = "online_explanation"
    source = "Zakershahrak et al. 2019, arXiv 1903.06418 (online explanation generation)"


@dataclass
class ProgressiveExplanationConfig(ExplanationConfig):
    """Configuration of `ProgressiveExplanation`."""

    name: str = "progressive_explanation"
    release: str = "progressive"
    stop_when: str = "confidence"


class ProgressiveExplanation(ExplanationProtocol):
    """The advisor explains in parts, in the order best for the judge, who may stop it.

    Turns (3 parts, where the judge is not confident before)::

        turn  seat     kind         sees
        0     advisor  explanation  -
        1     advisor  explanation  -
        2     advisor  explanation  -
        3     judge    ruling       advisor 0-2

    Its value: of its drafts each part is the one that moves the judge most towards the advisor's
    answer, so a judge who stops when confident hears no more parts than in any other order of
    single parts.
    """

    Config = ProgressiveExplanationConfig
    name = "progressive_explanation"
    source = "Zakershahrak et al. 2020, arXiv 2004.07822 (progressive explanation generation)"
