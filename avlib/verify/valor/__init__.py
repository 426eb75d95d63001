"""Operations of VALOR, event parsing on LLP."""
