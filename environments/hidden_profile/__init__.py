"""Hidden profiles: what the team knows together differs from what every member believes alone."""
