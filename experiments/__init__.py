"""What is asked of it all: engine, runtimes, scenarios, runs, reports, command line."""
