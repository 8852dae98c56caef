"""Other people's environments as ours: PettingZoo, Gymnasium, OpenSpiel.

`environments.adapters.episode` says what an outside environment must offer; one module for each
library offers it. On it stand a batched simulator (`environments.adapters.simulator`) and an
environment whose cases a team can discuss (`environments.adapters.decision`).
"""
