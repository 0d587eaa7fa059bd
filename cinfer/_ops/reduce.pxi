# reduce kernels
