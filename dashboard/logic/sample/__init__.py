"""Behind the Sample page."""
