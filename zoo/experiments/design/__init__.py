"""What an experiment is, as data: its parts, the runs it needs, and how a folder of them is found."""
