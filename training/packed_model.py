"""Qwen2 with a low-rank adapter over packs of token trees: the same function as transformers' Qwen2 plus PEFT."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from transformers import Qwen2Config

from common.errors import ModelFilesError
from training.answer_loss import answer_loss
from training.batches import Pack
from training.elementwise import Elementwise
from training.lora_linear import LoraLinear
from training.recipe import AdapterSettings
from training.tree_attention import TreeSpan, tree_attention, tree_spans

ATTENTION = ("q_proj", "k_proj", "v_proj")
MLP = ("gate_proj", "up_proj")


@dataclass(frozen=True, slots=True)
class PackTensors:
    """One pack on the training device; index arrays are int64."""

    token_ids: Tensor
    label_nodes: Tensor
    label_ids: Tensor
    cosines: Tensor
    sines: Tensor
    spans: list[TreeSpan]


class PackedQwen2(nn.Module):
    """The frozen base in its own dtype with trained fp32 adapter matrices on all seven projections of each layer."""

    embedding: Tensor
    head: Tensor
    final_norm: Tensor

    def __init__(
        self, config: Qwen2Config, tensors: dict[str, Tensor], adapter: AdapterSettings, elementwise: Elementwise
    ) -> None:
        super().__init__()
        if adapter.first_layer >= config.num_hidden_layers:
            raise ModelFilesError(
                f"The recipe's first_layer is {adapter.first_layer}; the model has {config.num_hidden_layers} layers."
            )
        self.config = config
        self.stored_dtype = tensors["model.embed_tokens.weight"].dtype
        self.first_layer = adapter.first_layer
        self.elementwise = elementwise
        # A copy, because the file's own pages may be dropped and read again at every step on a machine short of memory.
        embedding = tensors["model.embed_tokens.weight"].clone()
        self.register_buffer("embedding", embedding, persistent=False)
        self.register_buffer("head", tensors.get("lm_head.weight", embedding), persistent=False)
        self.register_buffer("final_norm", tensors["model.norm.weight"], persistent=False)
        self.layers = nn.ModuleList(
            PackedLayer(config, _layer_tensors(tensors, index), adapter, elementwise)
            for index in range(config.num_hidden_layers)
        )
        for layer in self.packed_layers()[: adapter.first_layer]:
            layer.requires_grad_(False)

    def reset_adapter(self, seed: int) -> None:
        """Start the adapter anew; the same seed gives the same matrices on every device."""
        generator = torch.Generator().manual_seed(seed)
        for linear in self.linears():
            linear.reset(generator)

    def refresh_adapter(self) -> None:
        """Make the optimiser's last update visible to the next forward pass."""
        for linear in self.linears():
            linear.refresh()

    def packed_layers(self) -> list["PackedLayer"]:
        """Return the decoder layers, lowest first."""
        return [layer for layer in self.layers if isinstance(layer, PackedLayer)]

    def linears(self) -> list[LoraLinear]:
        """Return every linear layer, lowest first, frozen ones included."""
        return [linear for layer in self.packed_layers() for linear in layer.linears()]

    def projections(self) -> Iterator[tuple[str, LoraLinear, int]]:
        """Yield each trained projection as PEFT names it, with its fused layer and index there."""
        for index, layer in enumerate(self.packed_layers()):
            if index < self.first_layer:
                continue
            for name, linear, position in layer.projections():
                yield f"model.layers.{index}.{name}", linear, position

    def prepare(self, pack: Pack) -> PackTensors:
        """Lay a pack's trees one after another on the model's device."""
        device = self.embedding.device
        spans = tree_spans(pack, self.embedding.dtype, device)
        positions = torch.cat([torch.from_numpy(tree.positions) for tree in pack]).to(device)
        cosines, sines = self._rotations(positions)
        nodes = [torch.from_numpy(tree.label_nodes).long() + span.start for tree, span in zip(pack, spans, strict=True)]
        return PackTensors(
            token_ids=torch.cat([torch.from_numpy(tree.token_ids).long() for tree in pack]).to(device),
            label_nodes=torch.cat(nodes).to(device),
            label_ids=torch.cat([torch.from_numpy(tree.label_ids).long() for tree in pack]).to(device),
            cosines=cosines,
            sines=sines,
            spans=spans,
        )

    def forward(self, pack: Pack, answer_tokens: int) -> Tensor:
        """Return the pack's share of a step's mean answer-token loss; see `answer_loss`."""
        tensors = self.prepare(pack)
        hidden = torch.nn.functional.embedding(tensors.token_ids, self.embedding)
        layers = self.packed_layers()
        delta = torch.zeros_like(hidden)
        with torch.no_grad():
            for layer in layers[: self.first_layer]:
                hidden, delta = layer(hidden, delta, tensors, None)
        for layer in layers[self.first_layer : -1]:
            hidden, delta = layer(hidden, delta, tensors, None)
        # Above the last attention only the positions that predict an answer token matter.
        hidden, delta = layers[-1](hidden, delta, tensors, tensors.label_nodes)
        _, normed = self.elementwise.add_rms_norm(hidden, delta, self.final_norm, self.config.rms_norm_eps)
        return answer_loss(normed, self.head, tensors.label_ids, answer_tokens)

    def _rotations(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        width = head_width(self.config)
        exponents = torch.arange(0, width, 2, device=positions.device, dtype=torch.float32) / width
        angles = positions.float()[:, None] / _rope_parameters(self.config)["rope_theta"] ** exponents
        return angles.cos(), angles.sin()


class PackedLayer(nn.Module):
    """One decoder layer; the residual of the layer below comes as `delta`, so that its sum fuses with the norm."""

    input_norm: Tensor
    post_norm: Tensor

    def __init__(
        self, config: Qwen2Config, tensors: dict[str, Tensor], adapter: AdapterSettings, elementwise: Elementwise
    ) -> None:
        super().__init__()
        self.elementwise = elementwise
        self.heads = config.num_attention_heads
        self.kv_heads = config.num_key_value_heads or config.num_attention_heads
        self.epsilon = config.rms_norm_eps
        self.register_buffer("input_norm", tensors["input_layernorm.weight"], persistent=False)
        self.register_buffer("post_norm", tensors["post_attention_layernorm.weight"], persistent=False)
        self.qkv = _fuse(tensors, "self_attn", ATTENTION, adapter)
        self.output = _fuse(tensors, "self_attn", ("o_proj",), adapter)
        self.gate_up = _fuse(tensors, "mlp", MLP, adapter)
        self.down = _fuse(tensors, "mlp", ("down_proj",), adapter)

    def linears(self) -> list[LoraLinear]:
        """Return the fused linear layers in the order of the forward pass."""
        return [self.qkv, self.output, self.gate_up, self.down]

    def projections(self) -> Iterator[tuple[str, LoraLinear, int]]:
        """Yield (name inside the layer, fused layer, index there) of the seven projections."""
        fused = (("self_attn", ATTENTION), ("self_attn", ("o_proj",)), ("mlp", MLP), ("mlp", ("down_proj",)))
        for (block, names), linear in zip(fused, self.linears(), strict=True):
            for position, name in enumerate(names):
                yield f"{block}.{name}", linear, position

    def forward(
        self, hidden: Tensor, delta: Tensor, tensors: PackTensors, kept: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return (hidden, delta) of all tokens, or of the `kept` positions only."""
        hidden, normed = self.elementwise.add_rms_norm(hidden, delta, self.input_norm, self.epsilon)
        queries, keys, values = self.elementwise.rotate(
            self.qkv(normed), tensors.cosines, tensors.sines, self.heads, self.kv_heads
        )
        attended = tree_attention(queries, keys, values, tensors.spans).transpose(0, 1).flatten(1)
        if kept is not None:
            hidden, attended = hidden[kept], attended[kept]
        hidden, normed = self.elementwise.add_rms_norm(hidden, self.output(attended), self.post_norm, self.epsilon)
        return hidden, self.down(self.elementwise.swiglu(self.gate_up(normed)))


def load_packed_model(
    folder: Path,
    adapter: AdapterSettings,
    elementwise: Elementwise,
    device: torch.device,
    dtype: torch.dtype | None = None,
) -> PackedQwen2:
    """Read a prepared base model (config.json, model.safetensors), to be computed in `dtype` or as it is stored.

    Raises ModelFilesError if it is not a Qwen2.
    """
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise ModelFilesError(f"No base model at {folder}. Run `financellm model prepare`.")
    config = Qwen2Config.from_pretrained(folder)
    if config.model_type != "qwen2" or _rope_parameters(config).get("rope_type", "default") != "default":
        raise ModelFilesError(f"{folder} holds a {config.model_type} model; only Qwen2 with plain RoPE is supported.")
    if config.use_sliding_window:
        raise ModelFilesError(f"{folder} uses sliding-window attention, which the trainer does not support.")
    with safe_open(weights, framework="pt", device=str(device)) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    computed = {name: tensor.to(dtype) for name, tensor in tensors.items()}
    try:
        model = PackedQwen2(config, computed, adapter, elementwise)
        model.stored_dtype = tensors["model.embed_tokens.weight"].dtype
    except KeyError as error:
        raise ModelFilesError(f"{weights} lacks the tensor {error}.") from error
    return model


def head_width(config: Qwen2Config) -> int:
    """Return the width of one attention head."""
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def _rope_parameters(config: Qwen2Config) -> dict[str, Any]:
    return dict(config.rope_parameters or {})


def _layer_tensors(tensors: dict[str, Tensor], index: int) -> dict[str, Tensor]:
    prefix = f"model.layers.{index}."
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _fuse(tensors: dict[str, Tensor], block: str, names: tuple[str, ...], adapter: AdapterSettings) -> LoraLinear:
    weights = [tensors[f"{block}.{name}.weight"] for name in names]
    biases = [tensors[f"{block}.{name}.bias"] for name in names if f"{block}.{name}.bias" in tensors]
    return LoraLinear(
        torch.cat(weights),
        torch.cat(biases) if biases else None,
        [len(weight) for weight in weights],
        adapter.rank,
        adapter.alpha / adapter.rank,
    )
