"""Plan explanation as model reconciliation: why this plan, when mine looks better?"""
