# gemm kernels
