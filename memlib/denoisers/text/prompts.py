"""Prompts as conditions of a network: the text encoders of one pipeline, with their tokenizers.

    Stable Diffusion 1 and 2   one CLIPTextModel; its last state, (77, c)
    Stable Diffusion XL        a CLIPTextModel and a CLIPTextModelWithProjection; their last states
                               but one, joined; the projected state of the end token; six numbers of
                               the picture: its size, the crop's corner and the size again
    Stable Diffusion 3, no T5  two CLIPTextModelWithProjection; their last states but one, joined,
                               filled up with zeros, and zeros in place of the T5's 256 states; both
                               projected states, joined

The encoders stay in the memory of the CPU and run there: a prompt is short. What they say of it is
kept, so that a prompt is encoded once.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from memlib.denoisers.condition import Condition
from memlib.denoisers.text.tokenizer import Reading, Tokenizer, check_prompt
from memlib.quoting import first_line

UNREAD = 256  # states of the T5 of Stable Diffusion 3, which diffusers sets to zero without it
KEPT = 256  # prompts whose conditions are kept: 60 MB for Stable Diffusion 1, 160 MB for XL


@dataclass(frozen=True)
class Tower:
    """One text encoder: its network, of transformers, and its tokenizer."""

    network: Any
    tokenizer: Tokenizer


class Prompts:
    """The text encoders of a pipeline.

    With `zeros` the empty prompt is zeros, not an encoded text: the null condition of Stable
    Diffusion XL. Raises ValueError if an encoder has no room for the tokenizer's tokens, or no
    embedding for one of them.
    """

    def __init__(self, towers: Sequence[Tower], zeros: bool = False) -> None:
        for tower in towers:
            vocabulary, config = tower.tokenizer.vocabulary, tower.network.config
            largest = max(vocabulary.ids.values())
            if vocabulary.room > config.max_position_embeddings or largest >= config.vocab_size:
                raise ValueError(
                    f"The tokenizer's {vocabulary.room} tokens a prompt, numbered up to "
                    f"{largest:,}, do not fit the text encoder's {config.max_position_embeddings} "
                    f"places and {config.vocab_size:,} embeddings."
                )
            tower.network.eval().requires_grad_(False)
        rooms = [tower.tokenizer.vocabulary.room for tower in towers]
        if len({*rooms}) > 1:
            raise ValueError(
                f"The tokenizers make {' and '.join(map(str, rooms))} tokens of a prompt; the two "
                "encoders of a pipeline must read equally many."
            )
        self.towers, self.zeros = tuple(towers), zeros
        self.picture = (0, 0)  # height and width of the pictures
        self.width = 0  # channels of the states, if they are filled up with zeros
        self.parameters = sum(
            weight.numel() for tower in towers for weight in tower.network.parameters()
        )
        self._kept: OrderedDict[str, Condition] = OrderedDict()
        self._lock = threading.Lock()  # sessions share a model

    def __getstate__(self) -> dict[str, Any]:
        """Return the state that is sent to another process: the prompts that were encoded here,
        without the encoders.
        """
        state = {name: value for name, value in self.__dict__.items() if name != "_lock"}
        return state | {"towers": ()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def reading(self, prompt: str) -> Reading:
        """Return what the tokenizers made of a prompt; where two differ, what either left out."""
        found = [tower.tokenizer.read(check_prompt(prompt)) for tower in self.towers]
        return Reading(
            ids=found[0].ids,
            cut=max((one.cut for one in found), key=len),
            unknown=tuple(dict.fromkeys(word for one in found for word in one.unknown)),
        )

    def condition(self, prompt: str) -> Condition:
        """Return the condition of a prompt; "" is the null condition."""
        with self._lock:
            known = self._kept.get(check_prompt(prompt))
            if known is None:
                known = self._encode(prompt)
            self._keep(prompt, known)
        return known

    def keep(self, prompt: str, condition: Condition) -> None:
        """Remember what another copy of these encoders said of a prompt."""
        with self._lock:
            self._keep(check_prompt(prompt), condition)

    def _keep(self, prompt: str, condition: Condition) -> None:
        self._kept[prompt] = condition
        self._kept.move_to_end(prompt)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    @torch.no_grad()
    def _encode(self, prompt: str) -> Condition:
        if not self.towers:
            raise ValueError("This copy of a model knows only the prompts that it was sent with.")
        outputs = []
        for tower in self.towers:
            ids = torch.tensor([tower.tokenizer.read(prompt).ids])
            try:
                outputs.append(tower.network(ids, output_hidden_states=True))
            except (AttributeError, IndexError, RuntimeError, TypeError) as error:
                raise ValueError(
                    f"The text encoder cannot read a prompt: {first_line(error)}."
                ) from error
        if len(outputs) == 1:
            return Condition({"encoder_hidden_states": outputs[0].last_hidden_state})
        states = torch.cat([output.hidden_states[-2] for output in outputs], dim=-1)
        if self.width:
            states = pad(states, (0, self.width - states.shape[-1], 0, UNREAD))
            both = torch.cat([output.text_embeds for output in outputs], dim=-1)
            return Condition({"encoder_hidden_states": states, "pooled_projections": both})
        pooled: Tensor = outputs[-1].text_embeds
        if self.zeros and not prompt:
            states, pooled = torch.zeros_like(states), torch.zeros_like(pooled)
        return Condition(
            {
                "encoder_hidden_states": states,
                "added_cond_kwargs": {
                    "text_embeds": pooled,
                    "time_ids": torch.tensor([[*self.picture, 0, 0, *self.picture]]).float(),
                },
            }
        )

    def fit(self, config: Any, picture: tuple[int, int]) -> None:
        """Take the size of the network's pictures. Raises ValueError if the conditions do not fit a
        network of this config.
        """
        self.picture, self.width = picture, config.get("joint_attention_dim") or 0
        told = self.condition("").arguments
        width = told["encoder_hidden_states"].shape[-1]
        wanted = self.width or config.get("cross_attention_dim")
        if width != wanted:
            raise ValueError(
                f"The text encoder's states have {width} channels, the network takes {wanted}."
            )
        if self.width and told["pooled_projections"].numel() != config.pooled_projection_dim:
            raise ValueError(
                f"The pooled text is {told['pooled_projections'].numel()} numbers, the network "
                f"takes {config.pooled_projection_dim}."
            )
        if "added_cond_kwargs" in told:
            added = told["added_cond_kwargs"]
            numbers = added["time_ids"].numel() * (config.get("addition_time_embed_dim") or 0)
            total = added["text_embeds"].numel() + numbers
            if total != config.get("projection_class_embeddings_input_dim"):
                raise ValueError(
                    f"The pooled text and the picture's size are {total} numbers, the network "
                    f"takes {config.get('projection_class_embeddings_input_dim')}: it may be a "
                    "refiner, which continues another model's pictures and is not supported."
                )
