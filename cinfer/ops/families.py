"""Where operators are that many vision networks lack: their files are imported when a node asks for one, for each
takes half a millisecond of every start. Files that are not named here are imported at once (`__init__.py`)."""
from __future__ import annotations

MICROSOFT = "com.microsoft"         # the domain of what onnxruntime's optimiser writes
OWN_DOMAIN = "cinfer"               # of operators that passes and plans make
# file -> operators of ai.onnx in it
WHEN_ASKED = {
    "attention": "Attention",
    "cast": "BitCast Cast CastLike",
    "col2im": "Col2Im",
    "control": "If Loop Scan SequenceMap",
    "detection": "MaxRoiPool NonMaxSuppression RoiAlign",
    "deform": "DeformConv",
    "generate": "Bernoulli Constant ConstantOfShape EyeLike Multinomial RandomNormal RandomNormalLike RandomUniform "
                "RandomUniformLike Range",
    "gridsample": "AffineGrid GridSample",
    "imagedecoder": "ImageDecoder",
    "indexing": "Gather GatherElements GatherND NonZero OneHot Scatter ScatterElements ScatterND TensorScatter TopK",
    "linear_attention": "CausalConvWithState LinearAttention",
    "losses": "NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss",
    "microsoft_floats": "SimplifiedLayerNormalization",
    "normalization": "BatchNormalization Dropout GroupNormalization InstanceNormalization LayerNormalization "
                     "LpNormalization MeanVarianceNormalization RMSNormalization",
    "pooling": "AveragePool GlobalAveragePool GlobalLpPool GlobalMaxPool LRN LpPool MaxPool MaxUnpool",
    "quantize": "ConvInteger DequantizeLinear DynamicQuantizeLinear MatMulInteger QLinearConv QLinearMatMul "
                "QuantizeLinear",
    "recurrent": "GRU LSTM RNN",
    "reduce": "ArgMax ArgMin ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd "
              "ReduceSum ReduceSumSquare",
    "resize": "Resize Upsample",
    "rotary": "RotaryEmbedding",
    "sequences": "ConcatFromSequence Optional OptionalGetElement OptionalHasElement SequenceAt SequenceConstruct "
                 "SequenceEmpty SequenceErase SequenceInsert SequenceLength SplitToSequence",
    "signal": "BlackmanWindow DFT HammingWindow HannWindow MelWeightMatrix STFT",
    "text": "RegexFullMatch StringConcat StringNormalizer StringSplit",
    "tfidf": "TfIdfVectorizer",
}
# other domain -> files with its operators
DOMAINS = {
    MICROSOFT: ("microsoft", "microsoft_attention", "microsoft_blocks", "microsoft_floats",
                "microsoft_layers", "microsoft_qlinear", "quantize", "rotary"),
    OWN_DOMAIN: ("quantize",),
    "ai.onnx.ml": ("classical", "linear", "svm", "trees"),
    "ai.onnx.preview": ("attention",),
    "ai.onnx.preview.training": ("training",),
}
# operators of our own that are in another file
OF_OUR_OWN = {"GridConv": "grids", "GridConvTranspose": "grids", "GridGemm": "grids", "GridMatMul": "grids",
              "NarrowMatMul": "matmul_narrow", "QLinearResize": "resize"}
FILE_OF = {name: file for file, names in WHEN_ASKED.items() for name in names.split()}


def files_of(domain: str, name: str) -> tuple[str, ...]:
    """The files that may have an operator which is not in the table yet."""
    if domain == OWN_DOMAIN and name in OF_OUR_OWN:
        return (OF_OUR_OWN[name],)
    if domain:
        return DOMAINS.get(domain, ())
    return (FILE_OF[name],) if name in FILE_OF else ()
