# resize kernels
