"""Event parsing on LLP: HAN, and VALOR with its teachers CLIP and CLAP."""
