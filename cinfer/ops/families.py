"""Where operators are that few vision networks have: their files are imported when a node asks for one, for each
takes a millisecond of every start. Files that are not named here are imported at once (`__init__.py`)."""
from __future__ import annotations

# file -> operators of ai.onnx in it
RARE = {
    "attention": "Attention",
    "col2im": "Col2Im",
    "control": "If Loop Scan SequenceMap",
    "detection": "MaxRoiPool NonMaxSuppression RoiAlign",
    "deform": "DeformConv",
    "gridsample": "AffineGrid GridSample",
    "imagedecoder": "ImageDecoder",
    "linear_attention": "CausalConvWithState LinearAttention",
    "losses": "NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss",
    "microsoft_floats": "SimplifiedLayerNormalization",
    "recurrent": "GRU LSTM RNN",
    "rotary": "RotaryEmbedding",
    "sequences": "ConcatFromSequence Optional OptionalGetElement OptionalHasElement SequenceAt SequenceConstruct "
                 "SequenceEmpty SequenceErase SequenceInsert SequenceLength SplitToSequence",
    "signal": "BlackmanWindow DFT HammingWindow HannWindow MelWeightMatrix STFT",
    "text": "RegexFullMatch StringConcat StringNormalizer StringSplit",
    "tfidf": "TfIdfVectorizer",
}
# other domain -> files with its operators
DOMAINS = {
    "com.microsoft": ("microsoft", "microsoft_attention", "microsoft_blocks", "microsoft_floats",
                      "microsoft_layers", "microsoft_qlinear", "rotary"),
    "ai.onnx.ml": ("classical", "linear", "svm", "trees"),
    "ai.onnx.preview": ("attention",),
    "ai.onnx.preview.training": ("training",),
}
FILE_OF = {name: file for file, names in RARE.items() for name in names.split()}


def files_of(domain: str, name: str) -> tuple[str, ...]:
    """The files that may have an operator which is not in the table yet."""
    if domain:
        return DOMAINS.get(domain, ())
    return (FILE_OF[name],) if name in FILE_OF else ()
