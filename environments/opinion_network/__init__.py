"""Opinion networks: who listens to whom, and what they come to believe together."""
