"""The engine: turns a scenario into ticks of conversation, learning and commits."""
