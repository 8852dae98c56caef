"""Who says what to whom: messages, channels, rooms, protocols, ledger."""

from environments.core.registry import Registry

PROTOCOLS = Registry(
    "protocol",
    {
        "naive": "coordination.protocols.naive:Naive",
        "direct": "coordination.protocols.direct:Direct",
        "consultancy": "coordination.protocols.consultancy:Consultancy",
        "debate": "coordination.protocols.debate:Debate",
        "explanation": "coordination.protocols.explanation:ExplanationProtocol",
        "propaganda": "coordination.protocols.propaganda:Propaganda",
        "double_consultancy": "coordination.protocols.consultancy:DoubleConsultancy",
        "critique": "coordination.protocols.critique:CritiqueProtocol",
        "open_consultancy": "coordination.protocols.variants:OpenConsultancy",
        "open_debate": "coordination.protocols.variants:OpenDebate",
        "cross_examination": "coordination.protocols.variants:CrossExamination",
        "best_of_n": "coordination.protocols.variants:BestOfN",
        "online_explanation": "coordination.protocols.variants:OnlineExplanation",
        "progressive_explanation": "coordination.protocols.variants:ProgressiveExplanation",
        "vote": "coordination.protocols.vote:Vote",
        "weighted_vote": "coordination.protocols.weighted_vote:WeightedVote",
    },
)
