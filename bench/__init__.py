"""What the gateway costs: CPU, latency, memory and start, beside no gateway at all and beside LiteLLM.

Every process runs on this machine and talks over the loopback address. docs/benchmarks.md says how it measures.
"""
