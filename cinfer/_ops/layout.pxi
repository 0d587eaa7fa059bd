# layout kernels
