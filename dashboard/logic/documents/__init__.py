"""Documents as a model of word counts reads them: plain functions on tensors and words."""
