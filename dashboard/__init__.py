"""The Streamlit pages over `engine`: they choose and draw, every number comes from the engine."""
