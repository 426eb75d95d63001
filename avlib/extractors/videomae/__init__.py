"""VideoMAE (Tong et al., NeurIPS 2022): features of video clips."""
