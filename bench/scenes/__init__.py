"""What scenes save, what that is worth where a prefix cache is, and what it takes. docs/benchmarks.md says how."""
