"""The commands of ``facilitate``, one file each. Heavy imports happen inside the commands only."""
