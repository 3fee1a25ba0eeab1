"""The default engine: int8 Qwen2 inference on CPUs with continuous batching, written in C++."""
