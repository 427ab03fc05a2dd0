"""Behind the Impute page."""
