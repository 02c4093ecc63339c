"""What the sections `transform` and `model` of a text pipeline may hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Name = Annotated[str, StringConstraints(min_length=1)]
Rate = Annotated[float, Field(ge=0.0, lt=1.0)]
Size = Annotated[int, Field(ge=1)]


class TextParams(BaseModel):
    """Base of every section: strict, frozen, no unknown keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Vocabulary(TextParams):
    """Which tokens of the training split get an id of their own."""

    top_k: Size = Field(default=100_000, description="The most tokens that get one; the most frequent go first.")
    min_count: Size = Field(default=2, description="Rarer tokens get none.")
    num_oov_buckets: Size = Field(
        default=1, description="Ids for all other words, by their hash. Other n-grams and subwords are left out."
    )


class Subwords(TextParams):
    """Pieces of "<word>" of so many characters, added to the tokens (Bojanowski et al. 2017, fastText).

    Words that share a stem, or that are misspelt, then share what was learned.
    """

    min_chars: Annotated[int, Field(ge=1, le=10)] = 3
    max_chars: Annotated[int, Field(ge=1, le=10)] = 5

    @model_validator(mode="after")
    def _ordered(self) -> Subwords:
        if self.min_chars > self.max_chars:
            raise ValueError(f"min_chars must not exceed max_chars, got {self.min_chars} and {self.max_chars}")
        return self


class Tokenizer(TextParams):
    """What all tokenizers do: first the text is normalised, in the end cut."""

    normalize: Literal["NFC", "NFD", "NFKC", "NFKD"] | None = Field(
        default=None, description="Unicode normal form, also of the texts that a served model is given. Needs TensorFlow Text."
    )
    case: Literal["lower", "fold", "keep"] = Field(
        default="lower",
        description="fold: full Unicode case folding (ß = ss), which includes NFKC and needs TensorFlow Text.",
    )
    max_tokens: Size = Field(default=256, description="What follows is cut off, before n-grams and subwords are made.")


class _WordLike(Tokenizer):
    ngrams: Annotated[int, Field(ge=1, le=5)] = Field(
        default=2, description="Up to so many neighbouring words are a token too (Joulin et al. 2016)."
    )
    subwords: Subwords | None = Subwords()
    vocabulary: Vocabulary = Vocabulary()


class Words(_WordLike):
    """Words by a regular expression: letters, digits and inner apostrophes; every other sign is a word of its own.

    So is each character of Han, Hiragana, Katakana, Thai, Lao, Khmer and Myanmar, which put no spaces between words.
    """

    kind: Literal["words"]


class UnicodeScript(_WordLike):
    """Words by the change of script: letters of one script, digits, and runs of punctuation. Needs TensorFlow Text."""

    kind: Literal["unicode_script"]


class Characters(Tokenizer):
    """Characters; white space is one character, "▁"."""

    kind: Literal["characters"]
    max_tokens: Size = Field(default=1024, description="What follows is cut off, before n-grams are made.")
    ngrams: Annotated[int, Field(ge=1, le=8)] = Field(
        default=1, description="Up to so many neighbouring characters are a token too."
    )
    vocabulary: Vocabulary = Vocabulary()


class WordPiece(Tokenizer):
    """Pieces of words, as BERT has them, of a vocabulary learned from the training split. Needs TensorFlow Text.

    A frequent word is one piece, a rare one several: there are no words without an id, unless of characters never met.
    """

    kind: Literal["wordpiece"]
    vocab_size: Annotated[int, Field(ge=100, le=200_000)] = Field(default=4000, description="About so many pieces.")
    min_count: Size = Field(default=2, description="A piece occurs so often at least, in words of the training split.")


class RawText(TextParams):
    """No tokens: the text itself is the feature, for a pretrained encoder (model.network.kind: encoder)."""

    kind: Literal["none"]


class TransformParams(TextParams):
    """How the text becomes the feature `tokens` (or `text`)."""

    text: Name | None = Field(default=None, description="Column of the text; none: the schema's only one.")
    tokenizer: Annotated[Words | UnicodeScript | Characters | WordPiece | RawText, Field(discriminator="kind")] = Words(
        kind="words"
    )


class MeanEmbedding(TextParams):
    """The mean of the tokens' embeddings, then dense layers (Joulin et al. 2016; Iyyer et al. 2015)."""

    kind: Literal["mean_embedding"]
    hidden_units: list[Size] = Field(default=[], description="Of dense layers; none: a linear layer alone.")


class Recurrent(TextParams):
    """Layers that read the text forwards and backwards (Schuster & Paliwal 1997)."""

    kind: Literal["lstm", "gru"]
    units: Size = Field(default=32, description="In each direction.")
    layers: Annotated[int, Field(ge=1, le=8)] = 1


class Transformer(TextParams):
    """Blocks of self-attention, normalised before each part (Vaswani et al. 2017; Xiong et al. 2020)."""

    kind: Literal["transformer"]
    layers: Annotated[int, Field(ge=1, le=24)] = 1
    heads: Size = Field(default=2, description="Of attention; each has its share of the embedding's dimensions.")
    units: Size = Field(default=64, description="Of the feed-forward part.")


class Encoder(TextParams):
    """A pretrained encoder of whole texts, frozen, with dense layers on top.

    DVC tracks a pipeline's `data` and `recipe` folders (params.yaml) and no other: keep the encoder in the data folder, or
    name its folder as a dependency in dvc.yaml.
    """

    kind: Literal["encoder"]
    path: Name = Field(
        description="Folder of a SavedModel, from the repository's root, or a TF Hub handle: a callable from strings [batch] "
        "to float32 [batch, n]."
    )
    output: Name | None = Field(default=None, description="Which output, where the encoder gives several by name.")
    tensorflow_text: bool = Field(default=False, description="Whether the encoder has ops of TensorFlow Text.")
    hidden_units: list[Size] = Field(default=[], description="Of dense layers; none: a linear layer alone.")


class Embeddings(TextParams):
    """Trained vectors of words, which the embeddings start from."""

    path: Name = Field(
        description="From the repository's root: a text file as GloVe or word2vec write it (a line a word: the word and its "
        "numbers, between spaces), or a .npy file [words, n] whose words are the lines of the .txt file of the same name."
    )
    trainable: bool = Field(
        default=True, description="False: the vectors stay as they are, and what the file does not have is left out."
    )


class ModelParams(TextParams):
    """Which network, and the values that are taken where nothing is tuned."""

    network: Annotated[MeanEmbedding | Recurrent | Transformer | Encoder, Field(discriminator="kind")] = MeanEmbedding(
        kind="mean_embedding"
    )
    embedding_dim: Size | None = Field(default=None, description="None: 16, or that of model.embeddings.")
    embeddings: Embeddings | None = None
    token_dropout: Rate = Field(default=0.5, description="In training, so many tokens of each text are left out.")
    dropout: Rate = Field(default=0.3, description="Before each dense layer, and within recurrent layers and Transformers.")
    weight_decay: Rate = Field(default=0.0, description="Decoupled L2 (AdamW): shrinks weights without entering the loss.")

    @model_validator(mode="after")
    def _one_source_of_dimensions(self) -> ModelParams:
        if self.embeddings is not None and self.embedding_dim is not None:
            raise ValueError("the vectors of model.embeddings have their own dimension; remove model.embedding_dim")
        if self.network.kind == "encoder":
            given = [key for key in ("embeddings", "embedding_dim") if getattr(self, key) is not None]
            if given:
                raise ValueError(f"an encoder takes whole texts and embeds no tokens; remove model.{given[0]}")
        return self
