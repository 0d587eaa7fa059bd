# elementwise kernels
