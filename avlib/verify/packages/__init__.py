"""Operations of the networks whose weights come in packages, and of what words find with them."""
