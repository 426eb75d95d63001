"""Files: packs, tables, checkpoints and pickles, each written whole or not at all."""
