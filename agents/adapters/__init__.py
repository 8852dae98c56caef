"""LoRA adapters: many weak agents on one shared base, forward and training step in one batch."""
