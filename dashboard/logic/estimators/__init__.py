"""Behind the Estimators page."""
