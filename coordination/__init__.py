"""Who says what to whom: messages, channels, rooms, protocols, ledger."""

from environments.core.registry import Registry

PROTOCOLS = Registry(
    "protocol",
    {
        "naive": "coordination.protocols.naive:Naive",
        "direct": "coordination.protocols.direct:Direct",
        "consultancy": "coordination.protocols.consultancy:Consultancy",
        "debate": "coordination.protocols.debate:Debate",
        "recursive_debate": "coordination.protocols.recursive_debate:RecursiveDebate",
        "amplification": "coordination.protocols.amplification:Amplification",
        "prover_estimator": "coordination.protocols.prover_estimator:ProverEstimator",
        "market_making": "coordination.protocols.market_making:MarketMaking",
        "nested_oversight": "coordination.protocols.nested_oversight:NestedOversight",
        "explanation": "coordination.protocols.explanation:ExplanationProtocol",
        "facilitated_vote": "coordination.protocols.facilitated_vote:FacilitatedVote",
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
        "delphi": "coordination.protocols.delphi:Delphi",
        "deliberation": "coordination.protocols.deliberation:Deliberation",
        "mediated": "coordination.protocols.mediated:Mediated",
        "weighted_vote": "coordination.protocols.weighted_vote:WeightedVote",
    },
)

TOPOLOGIES = Registry(
    "topology",
    {
        "complete": "coordination.channels.topologies:Complete",
        "star": "coordination.channels.topologies:Star",
        "hierarchy": "coordination.channels.topologies:Hierarchy",
        "bipartite": "coordination.channels.topologies:Bipartite",
        "edges": "coordination.channels.topologies:Edges",
        "ring": "coordination.channels.networks:Ring",
        "small_world": "coordination.channels.networks:SmallWorld",
        "scale_free": "coordination.channels.networks:ScaleFree",
    },
)
