"""Behind the Leaderboard page."""
