"""What outlives the run: emissions, decisions and what came of them, in a SQL database."""
