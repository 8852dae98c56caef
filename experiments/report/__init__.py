"""How a run is told: the sentence, the tables, the figures, the HTML report."""
