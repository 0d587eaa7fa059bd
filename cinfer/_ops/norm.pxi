# norm kernels
