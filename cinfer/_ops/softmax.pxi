# softmax kernels
