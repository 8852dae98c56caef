"""Dec-Tiger: two agents, two doors, one tiger."""
