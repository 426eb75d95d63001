"""MiniLM-L6, a BERT of six layers, without its pooler.

Source: Wang et al., "MiniLM: Deep Self-Attention Distillation for Task-Agnostic Compression of
Pre-Trained Transformers", NeurIPS 2020, and Devlin et al., "BERT", NAACL 2019. Parameter names and
shapes are those of sentence-transformers/all-MiniLM-L6-v2. The package transformers has the same
network, and takes seconds to import.
"""

from torch import Tensor, nn
from torch.nn import functional as F

WIDTH = 384
LAYERS = 6
HEADS = 12
FEEDFORWARD = 1536
VOCABULARY = 30_522
POSITIONS = 512
SEGMENTS = 2
EPS = 1e-12  # of layer norms


class Embeddings(nn.Module):
    """Sums of the embeddings of tokens, positions and the first segment."""

    def __init__(self) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(VOCABULARY, WIDTH)
        self.position_embeddings = nn.Embedding(POSITIONS, WIDTH)
        self.token_type_embeddings = nn.Embedding(SEGMENTS, WIDTH)
        self.LayerNorm = nn.LayerNorm(WIDTH, eps=EPS)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.word_embeddings(tokens) + self.token_type_embeddings.weight[0]
        return self.LayerNorm(x + self.position_embeddings.weight[: tokens.shape[1]])


class SelfAttention(nn.Module):
    """Attention of tokens to all tokens of their text, before its projection."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        parts = (self.query, self.key, self.value)
        q, k, v = (part(x).unflatten(2, (HEADS, -1)).transpose(1, 2) for part in parts)
        attended = F.scaled_dot_product_attention(q, k, v, mask)  # (B, HEADS, L, WIDTH / HEADS)
        return attended.transpose(1, 2).flatten(2)


class Output(nn.Module):
    """A projection, the residual, and a layer norm."""

    def __init__(self, c_in: int) -> None:
        super().__init__()
        self.dense = nn.Linear(c_in, WIDTH)
        self.LayerNorm = nn.LayerNorm(WIDTH, eps=EPS)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        return self.LayerNorm(self.dense(x) + residual)


class Layer(nn.Module):
    """A layer of the encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.ModuleDict({"self": SelfAttention(), "output": Output(WIDTH)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(WIDTH, FEEDFORWARD)})
        self.output = Output(FEEDFORWARD)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.attention["output"](self.attention["self"](x, mask), x)
        return self.output(F.gelu(self.intermediate["dense"](x)), x)


class MiniLM(nn.Module):
    """The whole network.

    Shape:
        tokens: (B, L) int64, L up to POSITIONS.
        is_token: (B, L) bool, False where a text is padded.
        returns: unit vectors (B, WIDTH), means over the tokens of each text.
    """

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = Embeddings()
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer() for _ in range(LAYERS))})

    def forward(self, tokens: Tensor, is_token: Tensor) -> Tensor:
        x = self.embeddings(tokens)
        mask = is_token[:, None, None, :]
        for number in range(LAYERS):
            x = self.get_submodule(f"encoder.layer.{number}")(x, mask)
        weights = is_token[:, :, None].to(x.dtype)
        return F.normalize((x * weights).sum(dim=1) / weights.sum(dim=1), dim=1)
