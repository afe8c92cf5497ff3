"""What an upstream says about one of its models."""

from app.contracts import ModelCard as ModelCard
