"""Who meets whom among very many agents: permutations, rosters, ties, teams. Knows no engine."""
