"""How replicas are chosen, on simulated vLLM servers: ours beside what others do."""
