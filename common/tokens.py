"""Chat messages to token ids and back, by the model's own tokenizer.json."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer

from common.errors import ModelFilesError
from common.prompts import Message, Role

TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
END_OF_TEXT = "<|endoftext|>"


class ChatTokenizer:
    """Encodes chats in ChatML, the format Qwen2 models are trained on.

    Control tokens are placed by number; the same characters inside a message stay text, so a message cannot open a
    turn of its own.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._turn_start = self._control_token(TURN_START)
        self._turn_end = self._control_token(TURN_END)
        self.stop_token_ids = frozenset({self._turn_end, self._control_token(END_OF_TEXT)})
        self._newline = self._text("\n")

    @classmethod
    def from_file(cls, path: Path) -> "ChatTokenizer":
        """Read a Hugging Face tokenizer.json; raises ModelFilesError if it is missing or unreadable."""
        if not path.is_file():
            raise ModelFilesError(f"No tokenizer at {path}. Run `financellm model prepare`.")
        try:
            return cls(Tokenizer.from_file(str(path)))
        except ModelFilesError:
            raise
        except Exception as error:
            raise ModelFilesError(f"The tokenizer at {path} cannot be read: {error}") from error

    def encode_chat(self, messages: Iterable[Message]) -> list[int]:
        """Return the prompt's token ids, ending where the assistant's answer begins."""
        ids: list[int] = []
        for message in messages:
            ids += self._turn(message)
        return [*ids, self._turn_start, *self._text(f"{Role.ASSISTANT}\n")]

    def encode_text(self, text: str) -> list[int]:
        """Return the token ids of plain text, such as the beginning of an answer."""
        return self._text(text)

    def encode_answer(self, text: str) -> list[int]:
        """Return the token ids of an assistant's answer with its closing token, as training targets."""
        return [*self._text(text), self._turn_end]

    def count_chat(self, messages: Iterable[Message]) -> int:
        """Return how many prompt tokens the chat takes."""
        return len(self.encode_chat(messages))

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of the tokens without control tokens; bytes of an unfinished character become U+FFFD."""
        return self._tokenizer.decode(list(token_ids), skip_special_tokens=True)

    def _turn(self, message: Message) -> list[int]:
        return [self._turn_start, *self._text(f"{message.role}\n{message.content}"), self._turn_end, *self._newline]

    def _text(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def _control_token(self, token: str) -> int:
        number = self._tokenizer.token_to_id(token)
        if number is None:
            raise ModelFilesError(f"The tokenizer has no {token} token; only Qwen2 chat models are supported.")
        return number
