"""Operations of the retrieval of sound by text."""
