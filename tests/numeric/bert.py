"""BERT out of PyTorch's own layers (Embedding, LayerNorm, TransformerEncoderLayer, Linear), with Hugging Face's keys for its
state dict. Imported by the make_goldens.py of this folder and by tests/zoo/make_lists.py."""
import torch
from torch import nn


def keys(layers, hidden, intermediate, vocab=30522, rows=512, types=2):
    """The keys and shapes of BertModel.state_dict() in order, without the buffer embeddings.position_ids."""
    norm = lambda name: [(name + ".weight", (hidden,)), (name + ".bias", (hidden,))]
    linear = lambda name, inputs, outputs: [(name + ".weight", (outputs, inputs)), (name + ".bias", (outputs,))]
    out = [("embeddings.word_embeddings.weight", (vocab, hidden)), ("embeddings.position_embeddings.weight", (rows, hidden)),
           ("embeddings.token_type_embeddings.weight", (types, hidden))] + norm("embeddings.LayerNorm")
    for i in range(layers):
        at = "encoder.layer.%d." % i
        for name in ("query", "key", "value"):
            out += linear(at + "attention.self." + name, hidden, hidden)
        out += linear(at + "attention.output.dense", hidden, hidden) + norm(at + "attention.output.LayerNorm")
        out += linear(at + "intermediate.dense", hidden, intermediate)
        out += linear(at + "output.dense", intermediate, hidden) + norm(at + "output.LayerNorm")
    return out + linear("pooler.dense", hidden, hidden)


class Bert(nn.Module):
    """With no dropout. Its parameters are PyTorch's; load() and gradients() speak Hugging Face's keys."""

    def __init__(self, layers, hidden, heads, intermediate, vocab=30522, rows=512, types=2):
        super().__init__()
        self.names = keys(layers, hidden, intermediate, vocab, rows, types)
        self.word, self.position, self.kind = nn.Embedding(vocab, hidden, padding_idx=0), nn.Embedding(rows, hidden), nn.Embedding(types, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(hidden, heads, intermediate, dropout=0.0, activation="gelu", layer_norm_eps=1e-12, batch_first=True)
            for _ in range(layers))
        self.pooler = nn.Linear(hidden, hidden)
        self.train()  # not eval(): its fast path leaves out what is masked; without dropout nothing else differs

    def hidden(self, ids, mask=None):
        x = self.word(ids) + self.kind(torch.zeros_like(ids)) + self.position(torch.arange(ids.shape[1]))
        x = self.norm(x)
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=None if mask is None else mask == 0)
        return x

    def forward(self, ids, mask=None):
        return torch.tanh(self.pooler(self.hidden(ids, mask)[:, 0]))

    def places(self):
        """For each of Hugging Face's keys the parameter here, and which third of it (None: all)."""
        fixed = {"embeddings.word_embeddings": self.word, "embeddings.position_embeddings": self.position,
                 "embeddings.token_type_embeddings": self.kind, "embeddings.LayerNorm": self.norm, "pooler.dense": self.pooler}
        for key, _ in self.names:
            module, what = key.rsplit(".", 1)
            if module in fixed:
                yield key, getattr(fixed[module], what), None
                continue
            _, _, number, rest = module.split(".", 3)
            layer = self.layers[int(number)]
            if rest.startswith("attention.self."):
                third = ("query", "key", "value").index(rest.rsplit(".", 1)[1])
                yield key, getattr(layer.self_attn, "in_proj_" + what), third
                continue
            inner = {"attention.output.dense": layer.self_attn.out_proj, "attention.output.LayerNorm": layer.norm1,
                     "intermediate.dense": layer.linear1, "output.dense": layer.linear2, "output.LayerNorm": layer.norm2}[rest]
            yield key, getattr(inner, what), None

    def load(self, values):
        with torch.no_grad():
            for key, parameter, third in self.places():
                (parameter if third is None else parameter.chunk(3)[third]).copy_(values[key])
        return self

    def gradients(self):
        return {key: p.grad if third is None else p.grad.chunk(3)[third] for key, p, third in self.places()}
