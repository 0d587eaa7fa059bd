# pool kernels
