"""cinfer: vision networks on the CPU. `cinfer.load("model.onnx")` gives a Session; see README.md."""
