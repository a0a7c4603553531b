"""A tokenizer and its chat template: conversations to token ids, and token ids to replies."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Any

from safegym.errors import ModelError
from safegym.models.base import Message, ModelRequest, TransientModelError

PLAIN = (
    "{{ bos_token or '' }}"
    "{% for message in messages %}### {{ message['role'] }}\n{{ message['content'] }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}### assistant\n{% endif %}"
)
"""For tokenizers without a chat template: turns under headings, as base models have read them."""
_HEADING = "\n###"
_REPLY = "Well."
_TRANSCRIPTS = 4096
_ENCODED = 256
_TAG = re.compile(r"</?\|?\w+\|?>|\[/?[A-Z_]{3,}\]")


class Chat:
    """Turns conversations into token ids.

    Args:
        tokenizer: A Hugging Face tokenizer, with or without a chat template, a pad token or a BOS token.
        name: What the model is called in errors.
    """

    def __init__(self, tokenizer: Any, name: str) -> None:  # noqa: ANN401 - transformers has no types
        self.tokenizer, self.name = tokenizer, name
        found = _template(tokenizer)
        self.template = PLAIN if found is None else found
        self.headed = found is None
        """Whether turns end with the next heading and not with a token."""
        self.native_tools = "tools" in self.template
        self.control = ("###",) if self.headed else _control(tokenizer, self.template)
        self._texts: OrderedDict[str, tuple[str, tuple[int, ...]]] = OrderedDict()
        self._encoded: OrderedDict[str, tuple[int, ...]] = OrderedDict()

    def render(self, request: ModelRequest) -> str:
        """The prompt of a request as text.

        Raises:
            TransientModelError: If the template refuses the conversation.
        """
        tools = [tool.as_function() for tool in request.tools] if self.native_tools and request.tools else None
        try:
            return self._apply(list(request.messages), tools)
        except Exception as first:  # templates raise what they like, most often over a system message
            try:
                return self._apply(_merge_system(request.messages), tools)
            except Exception:
                told = f"{self.name}: the chat template refused the conversation: {first}"
                raise TransientModelError(told) from first

    def encode(self, text: str, session: str = "") -> tuple[int, ...]:
        """Token ids; what a session has seen keeps its ids, as encoding a reply again might cut it differently."""
        known, ids = self._texts.get(session, ("", ()))
        if not (known and text.startswith(known)):
            known, ids = "", ()
        return ids + self._ids(text[len(known) :])

    def decode(self, ids: Sequence[int]) -> str:
        """The text of new tokens; what follows a heading is no part of the reply."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text.partition(_HEADING)[0] if self.headed else text

    def turn_end(self, ends: Collection[int]) -> tuple[int, ...]:
        """The token of `ends` that the template writes after a reply; nothing where a heading ends it."""
        if self.headed:
            return ()
        turns: list[Message] = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _REPLY}]
        text: str = self.tokenizer.apply_chat_template(turns, chat_template=self.template, tokenize=False)
        found = [token for token in self._ids(text.rpartition(_REPLY)[2]) if token in ends]
        own = self.tokenizer.eos_token_id
        return (found[0] if found else own if own in ends else min(ends),)

    def stopped(self, ids: Sequence[int]) -> bool:
        """Whether new tokens have begun the next turn, for templates whose turns end with no token."""
        return _HEADING in self.tokenizer.decode(list(ids[-8:]))

    def remember(self, session: str, text: str, ids: tuple[int, ...]) -> None:
        """Note which ids stand for a session's text."""
        self._texts[session] = text, ids
        self._texts.move_to_end(session)
        while len(self._texts) > _TRANSCRIPTS:
            self._texts.popitem(last=False)

    def clear(self) -> None:
        """Forget all sessions."""
        self._texts.clear()
        self._encoded.clear()

    def _ids(self, text: str) -> tuple[int, ...]:
        if text not in self._encoded:
            self._encoded[text] = tuple(self.tokenizer(text, add_special_tokens=False).input_ids)
            while len(self._encoded) > _ENCODED:
                self._encoded.popitem(last=False)
        return self._encoded[text]

    def _apply(self, messages: list[Message], tools: list[dict[str, Any]] | None) -> str:
        text: str = self.tokenizer.apply_chat_template(
            messages, tools=tools, chat_template=self.template, add_generation_prompt=True, tokenize=False
        )
        return text


def end_ids(model: Any, tokenizer: Any) -> frozenset[int]:  # noqa: ANN401 - transformers has no types
    """The tokens that end a reply, by the model's generation settings and its tokenizer."""
    configured = model.generation_config.eos_token_id if model.generation_config else None
    ids = configured if isinstance(configured, list) else [configured]
    found = {int(each) for each in (*ids, tokenizer.eos_token_id) if each is not None}
    if not found:
        raise ModelError("the model names no token that ends a reply (eos_token_id)")
    return frozenset(found)


def _template(tokenizer: Any) -> str | None:  # noqa: ANN401 - transformers has no types
    try:
        return str(tokenizer.get_chat_template(tools=[]))
    except (ValueError, AttributeError):
        return None


def _control(tokenizer: Any, template: str) -> tuple[str, ...]:  # noqa: ANN401 - transformers has no types
    """What structures a conversation: tokens that begin or end turns, and the tags that the template writes."""
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    ends = {tokenizer.eos_token, tokenizer.bos_token} - {None}
    found = {each for each in special if each in template or each.startswith(("<|", "[", "<｜"))} | ends
    found |= set(_TAG.findall(template))
    return tuple(sorted(found, key=lambda each: (-len(each), each)))


def _merge_system(messages: tuple[Message, ...]) -> list[Message]:
    """The same conversation for templates without a system role."""
    if len(messages) < 2 or messages[0]["role"] != "system":
        return list(messages)
    system, first, *rest = messages
    return [{**first, "content": f"{system['content']}\n\n{first['content']}"}, *rest]
