//! What the programs share: readers, event generation, the training pipeline.
