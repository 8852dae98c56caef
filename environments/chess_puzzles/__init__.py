"""Real chess puzzles with a real engine's opinion of every option at seven depths."""
