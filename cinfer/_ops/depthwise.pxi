# depthwise kernels
