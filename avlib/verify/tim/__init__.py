"""Operations of TIM for recognition."""
