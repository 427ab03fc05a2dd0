"""The weights of a model as pictures: plain functions on tensors and arrays."""
