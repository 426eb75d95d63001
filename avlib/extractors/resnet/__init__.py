"""ResNet-152 and R(2+1)D-18 of torchvision: features of frames and of short clips."""
