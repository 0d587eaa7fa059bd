# conv kernels
