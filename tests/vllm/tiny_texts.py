"""What the tiny model's tokenizer has beside words; read by the model's own environment and by the tests."""

HYPERTOKEN = "<|Δ14|>"
