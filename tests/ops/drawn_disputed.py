"""Who is right where answers to drawn nodes differ, and what is not drawn: data of test_drawn_nodes.py."""

ORT, REFERENCE, ONE = "onnxruntime", "reference", "one of them"
# operator -> (whose answer is the standard's where they answer differently, why); that of onnxruntime, where it
# alone answers, is right unless the reference is named
DISPUTED = {
    "AffineGrid": (ORT, "the reference answers in float32"),
    "Attention": (REFERENCE, "onnxruntime's causal mask leaves past keys out of account"),
    "AveragePool": (ORT, "the reference leaves dilations out of the sizes of VALID"),
    "BatchNormalization": (ORT, "the reference mixes in the statistics of the batch in opset 9"),
    "CastLike": (REFERENCE, "onnxruntime writes -1.0 as -1"),
    "ConvTranspose": (ORT, "the reference adds the bias of the wrong channel with groups"),
    "Dropout": (REFERENCE, "onnxruntime's mask of opset 10 is what is dropped"),
    "Gather": (REFERENCE, "onnxruntime copies the first string of several"),
    "GRU": (ORT, "the reference knows neither clip nor sequence_lens"),
    "GlobalMaxPool": (ORT, "the reference reduces one axis too few"),
    "GridSample": (ORT, "the reference computes places in the type of the grid"),
    "Hardmax": (ORT, "the reference has no matrices of opset 1"),
    "LRN": (ORT, "the reference sums over as many channels as there are pictures"),
    "LSTM": (ORT, "the reference knows no sequence_lens"),
    "LayerNormalization": (ORT, "mean and deviation are of stash_type"),
    "LogSoftmax": (ORT, "the reference has no matrices of opset 1"),
    "LpNormalization": (ORT, "the reference adds signed elements with p=1"),
    "LpPool": (ORT, "the reference reads behind the input in ceil_mode, and knows no dilations of VALID"),
    "MaxPool": (ONE, "the reference has other indices and pads; onnxruntime's order of equals with storage_order"),
    "NonZero": (REFERENCE, "onnxruntime has an axis for a scalar"),
    "QLinearConv": (ORT, "the reference adds the zero point before it rounds"),
    "QLinearMatMul": (ORT, "the reference adds the zero point before it rounds"),
    "RNN": (ORT, "the reference knows neither clip nor sequence_lens"),
    "ReduceLogSumExp": (REFERENCE, "of integers onnxruntime computes in integers, the standard in doubles"),
    "ReduceMean": (ONE, "of no floats onnxruntime says 0, of no integers the reference the lowest"),
    "ReduceSumSquare": (ORT, "the reference answers in int64"),
    "Resize": (ONE, "onnxruntime rounds sizes before it crops or aligns corners; the reference puts one pixel "
                    "elsewhere"),
    "RoiAlign": (ORT, "the reference shifts by half a pixel in opset 10"),
    "Slice": (ORT, "the reference has no element where a start before the first goes back"),
    "Softmax": (ORT, "the reference has no matrices of opset 1"),
    "StringNormalizer": (ORT, "the reference leaves out empty words"),
    "StringSplit": (REFERENCE, "an empty string has one part with a delimiter"),
    "Unique": (ORT, "the reference takes other slices along an axis where sorted is 0"),
    "Unsqueeze": (ORT, "the reference inserts unsorted axes one after another"),
}

# attribute, or (operator, attribute) -> why it is not drawn
UNDRAWN = {
    "saturate": "of types of eight bits, which onnxruntime cannot be fed", "round_mode": "the same",
    "precision": "the same", "activations": "test_recurrent.py", "activation_alpha": "test_recurrent.py",
    "activation_beta": "test_recurrent.py",
    "softmax_precision": "test_attention.py", "qk_matmul_output_mode": "test_attention.py",
    "left_window_size": "test_attention.py", "right_window_size": "test_attention.py",
    "sparse_value": "onnxruntime makes a dense tensor of it as it loads", "locale": "what the system has",
    ("Dropout", "seed"): "nothing is dropped",
    ("LSTM", "clip"): "neither clips as the standard says; test_recurrent.py",
    ("Range", "stash_type"): "of opset 27, which onnxruntime does not know"}

# operators whose inputs are graphs, sequences or optionals, or which have no schema -> the file that tests them
ELSEWHERE = dict.fromkeys("If Loop Scan SequenceMap".split(), "test_control.py") | dict.fromkeys(
    "ConcatFromSequence SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength "
    "SplitToSequence Optional OptionalGetElement OptionalHasElement".split(), "test_sequences.py") | {
    "ImageDecoder": "test_imagedecoder.py", "SimplifiedLayerNormalization": "test_microsoft_floats.py"}
